"""Errors, arranged by what the caller should do next.

``fusebridge.errno_map`` gives each class its errno, found along ``__mro__``;
``OSError`` is translated to these once, inside ``engine.device``.
"""

from __future__ import annotations

from engine.ids import ExtentId


class EngineError(Exception):
    """Base of every error the engine raises on purpose."""


class RetryableError(EngineError):
    """The same call may succeed later; nothing was changed."""


class RejectedError(EngineError):
    """The request can never succeed as asked; nothing was changed."""


class CorruptionError(EngineError):
    """Stored bytes are not the bytes that were written."""


# What devices raise (DESIGN 9: gone, absent, full, slow, denied)


class DeviceError(EngineError):
    """A disk did not do what was asked; see the leaf for what holds after."""


class DeviceGoneError(DeviceError):
    """The disk's directory is missing, is another directory, or was closed."""


class DeviceFullError(DeviceError):
    """No space is left on the disk; the name is unchanged."""


class DeviceSlowError(DeviceError):
    """The call ran past its limit and was abandoned; it changes nothing that counts."""


class DeviceDeniedError(DeviceError):
    """The disk is read-only or refuses access."""


class DeviceFailedError(DeviceError):
    """The disk answered with an input/output error."""


class NameAbsentError(DeviceError):
    """The disk holds nothing under this name."""


class NameTakenError(DeviceError):
    """The name is in use already; what it holds is unchanged."""


# Corruption


class DamagedRecordError(CorruptionError):
    """A label, header, page table, journal frame or checkpoint fails its checksum."""


class DamagedPageError(CorruptionError):
    """A page of a fragment fails its checksum."""


class DamagedDatabaseError(CorruptionError):
    """The metadata database contradicts itself or its record."""


class ExtentUnrecoverableError(CorruptionError):
    """Fewer intact fragments remain than the extent's redundancy needs."""

    def __init__(self, extent_id: ExtentId, *, intact: int, needed: int) -> None:
        super().__init__(f"extent {extent_id}: {intact} intact fragments, {needed} needed")
        self.extent_id, self.intact, self.needed = extent_id, intact, needed


# Refusals of the pool


class UsageError(RejectedError):
    """The operator asked for something that makes no sense as given."""


class PoolError(RejectedError):
    """The pool cannot be made, opened or changed as asked."""


class PoolBusyError(RetryableError):
    """Another process has the pool open."""


class SplitHistoryError(PoolError):
    """Two histories of one pool were found; the engine does not choose."""


class QuorumError(RetryableError):
    """Too few journal disks answer for this to be safe."""


class PolicyError(RejectedError):
    """The topology cannot hold what the policy asks for."""


class EngineStoppedError(RetryableError):
    """A group was lost or the engine is closing; reads go on, changes do not."""


# POSIX meaning: raised by vfs, one leaf per errno


class VfsError(RejectedError):
    """Base of refusals that POSIX gives a number."""


class NotFoundError(VfsError):
    """ENOENT: no such name."""


class ExistsError(VfsError):
    """EEXIST: the name is taken."""


class NotDirectoryError(VfsError):
    """ENOTDIR: a directory was needed."""


class IsDirectoryError(VfsError):
    """EISDIR: a directory was given."""


class NotEmptyError(VfsError):
    """ENOTEMPTY: the directory has entries."""


class NameTooLongError(VfsError):
    """ENAMETOOLONG: over 255 bytes, or a link target over 4095."""


class TooManyLinksError(VfsError):
    """EMLINK: the inode has as many links as it may have."""


class InvalidArgumentError(VfsError):
    """EINVAL: flags or values that make no sense together."""


class NotPermittedError(VfsError):
    """EPERM: not for this caller or this kind of file."""


class AccessDeniedError(VfsError):
    """EACCES: the mode forbids it."""


class FileTooLargeError(VfsError):
    """EFBIG: beyond the largest file offset."""


class NoAttributeError(VfsError):
    """ENODATA: no such extended attribute."""


class AttributeTooLargeError(VfsError):
    """E2BIG: the extended attribute's value is over 64 KiB."""


class NotSupportedError(VfsError):
    """EOPNOTSUPP: this file system does not do that."""


class StaleHandleError(VfsError):
    """ESTALE: the inode is gone."""


class ReadOnlyError(VfsError):
    """EROFS: the mount or the pool is read-only."""


class BadHandleError(VfsError):
    """EBADF: the handle is closed, or not open for this."""


class NoSpaceError(VfsError):
    """ENOSPC: no room with the redundancy asked for (P6)."""
