"""The one descriptor of a disk's directory, its lock, and who uses them now."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from types import TracebackType

from engine.device.errors_map import device_error
from engine.device.names import LOCK_NAME
from engine.errors import DeviceDeniedError, DeviceError, DeviceGoneError, NameAbsentError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""For reading a file of the disk. Files ignore O_NONBLOCK; a FIFO that has the
name of one would hold up the open for ever without it (P8)."""


def open_folder(parent: int, folder: str) -> int:
    """Open *folder* below the descriptor *parent*; ``""`` is *parent* itself."""
    return os.open(folder or ".", FOLDER_FLAGS, dir_fd=parent)


def lock_disk(root: int, path: str) -> int:
    """Take the disk for this process; return the descriptor that holds the lock.

    Raises:
        DeviceDeniedError: someone else has it.
        OSError: the lock file cannot be opened.
    """
    try:
        lock = os.open(LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=root)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # A read-only disk can still be read for recovery; its directory serves.
        lock = open_folder(root, "")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno != errno.EWOULDBLOCK:
            raise
        raise DeviceDeniedError(f"{path}: in use by another process") from error
    return lock


class DiskHandle:
    """Root descriptor and lock, released after the last call has left.

    A call that hangs keeps both: its descriptor number must not come to mean
    another file, and nobody else may take the disk while it can still write.
    """

    def __init__(self, *, path: str, root: int, lock: int) -> None:
        facts = os.fstat(root)
        self.path = path
        self.identity = (facts.st_dev, facts.st_ino)
        self._root = root
        self._lock_descriptor = lock
        self._guard = threading.Lock()
        self._users = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def enter(self) -> int:
        """Return the root descriptor, kept open until ``leave``."""
        with self._guard:
            if self._closed:
                raise DeviceGoneError(f"{self.path}: closed")
            self._users += 1
        return self._root

    def leave(self) -> None:
        """End one use."""
        with self._guard:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._release()

    def close(self) -> None:
        """Refuse new calls; release now, or when the last call leaves."""
        with self._guard:
            first, self._closed = not self._closed, True
            idle = first and self._users == 0
        if idle:
            self._release()

    def _release(self) -> None:
        os.close(self._root)
        os.close(self._lock_descriptor)

    def translate(self, error: OSError, subject: str) -> DeviceError:
        """Return the leaf for *error*: an absent name may be an absent disk."""
        leaf = device_error(error, subject)
        if isinstance(leaf, NameAbsentError) and os.fstat(self._root).st_nlink == 0:
            return DeviceGoneError(f"{self.path}: the directory was removed")
        return leaf


class Use:
    """One call on a disk: ``with Use(handle, "put a") as root``.

    Keeps the root open inside and turns ``OSError`` into its leaf.
    """

    __slots__ = ("_handle", "_subject")

    def __init__(self, handle: DiskHandle, subject: str) -> None:
        self._handle = handle
        self._subject = subject

    def __enter__(self) -> int:
        return self._handle.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, OSError):
                raise self._handle.translate(error, self._subject) from error
        finally:
            self._handle.leave()
