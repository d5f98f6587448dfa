"""One owner at a time: the lock of a pool directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errors import PoolBusyError, PoolError
from engine.pool.config import LOCK_NAME


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
