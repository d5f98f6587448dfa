"""One owner at a time: the lock of a pool directory, and its reserve."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errors import PoolBusyError, PoolError
from engine.limits import POOL_RESERVE_BYTES
from engine.pool.config import LOCK_NAME, RESERVE_NAME


class PoolLock:
    """Holds a pool directory for the life of this object."""

    def __init__(self, pool_dir: Path) -> None:
        """Lock *pool_dir*.

        Raises:
            PoolBusyError: another process has the pool open; it is named.
            PoolError: the directory is missing or refuses.
        """
        path = pool_dir / LOCK_NAME
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PoolError(f"{pool_dir}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise PoolBusyError(
                f"{pool_dir} is open in another process" + (f" (pid {owner})" if owner else "")
            ) from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._descriptor)
            raise PoolError(f"{path}: cannot be written: {error.strerror}") from error

    def release(self) -> None:
        """Let others open the pool; harmless when repeated."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def fill_reserve(pool_dir: Path) -> bool:
    """Keep room beside the database for deletes and commits (P6).

    Returns False when the file system of the pool directory has none.
    """
    path = pool_dir / RESERVE_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False  # Something else has the name: a pool opens without a reserve, too.
    try:
        if os.fstat(descriptor).st_size < POOL_RESERVE_BYTES:
            os.posix_fallocate(descriptor, 0, POOL_RESERVE_BYTES)
            # After a crash the room must still be there: by then the disk may be full.
            os.fsync(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def spend_reserve(pool_dir: Path) -> None:
    """Give the reserved room back to the file system, for the database to use."""
    (pool_dir / RESERVE_NAME).unlink(missing_ok=True)
