"""The low-level steps that change a disk, as a seam.

Everything ``DirectoryDevice`` does that a power cut could undo goes through
one of these methods, so that a double can record what is not durable yet.
Reading is not part of it. All raise ``OSError``; all are thread-safe.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from typing import Final

from engine.device.protocol import Buffer

_RENAME_NOREPLACE: Final = 1
_IOV_MAX: Final = 512
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NEW_FILE_MODE: Final = 0o600


def write_all(descriptor: int, parts: Sequence[Buffer], offset: int, *, flags: int) -> None:
    """Write all of *parts* from *offset* on; *flags* are those of pwritev2(2)."""
    views = [memoryview(part) for part in parts if len(part)]
    while views:
        written = os.pwritev(descriptor, views[:_IOV_MAX], offset, flags)
        offset += written
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if written:
            views[0] = views[0][written:]


class FileSystemCalls:
    """The steps as the kernel does them."""

    def create(self, folder: int, name: str, flags: int) -> int:
        """Create *name*, which must be new; return a descriptor to read and write."""
        mode = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.open(name, mode | flags, _NEW_FILE_MODE, dir_fd=folder)

    def preallocate(self, descriptor: int, length_bytes: int) -> None:
        """Reserve space where the file system can, so a full disk shows here."""
        try:
            os.posix_fallocate(descriptor, 0, length_bytes)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        """Write all of *parts* from *offset* on."""
        write_all(descriptor, parts, offset, flags=0)

    def append(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        """Write all of *parts* from *offset* on, durable when this returns (P2).

        In all of the file nothing else may be waiting for a flush.
        """
        self.write(descriptor, parts, offset)
        self.fdatasync(descriptor)

    def truncate(self, descriptor: int, length_bytes: int) -> None:
        """Cut or lengthen the file."""
        os.ftruncate(descriptor, length_bytes)

    def fdatasync(self, descriptor: int) -> None:
        """Make the file's content and length durable."""
        os.fdatasync(descriptor)

    def fsync_folder(self, folder: int) -> None:
        """Make the names in *folder* durable."""
        os.fsync(folder)

    def make_folder(self, folder: int, name: str) -> None:
        """Create the folder *name*; harmless when it exists."""
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            return

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        """Rename, refusing to replace: FileExistsError when *new_name* is taken.

        Where the file system lacks RENAME_NOREPLACE, a second link stands in:
        a crash in between leaves the old name too, never half a file.
        """
        arguments = (source, os.fsencode(name), target, os.fsencode(new_name))
        if _LIBC.renameat2(*arguments, _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), new_name)
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        os.unlink(name, dir_fd=source)

    def rename_over(self, source: int, name: str, target: int, new_name: str) -> None:
        """Rename, replacing *new_name* atomically."""
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)

    def unlink(self, folder: int, name: str) -> None:
        """Remove *name*."""
        os.unlink(name, dir_fd=folder)
