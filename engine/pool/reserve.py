"""Room beside the database: what is accepted never fails for it later (P6).

While there is room, a reserve file holds some more. When room runs short the
file is given up, and what would make the metadata grow is refused: deletes and
commits go on with what the file held. SQLite's log is bounded (``WAL_GATE_BYTES``),
and so is a group: together they fit into the reserve and the room before it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

from engine.limits import GROUP_BYTES_MAX, POOL_RESERVE_BYTES, WAL_GATE_BYTES
from engine.observe.events import EventLog, EventSeverity
from engine.pool.config import RESERVE_NAME

assert WAL_GATE_BYTES + 2 * GROUP_BYTES_MAX <= 2 * POOL_RESERVE_BYTES

_AMPLE: Final = 3
"""Room is ample again at so many times the reserve: it can be filled, and some is left."""


def fill_reserve(pool_dir: Path) -> bool:
    """Keep room beside the database for deletes and commits.

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


class MetadataRoom:
    """Watches the room of the pool directory. Thread-safe; ``look`` takes microseconds."""

    def __init__(self, pool_dir: Path, events: EventLog) -> None:
        self._pool_dir: Final = pool_dir
        self._events: Final = events
        self._lock: Final = threading.Lock()
        self.refusal = ""
        """Why nothing new is taken; empty while there is room."""

    def look(self) -> None:
        """Measure; spend the reserve when room is short, fill it when it is ample."""
        free_bytes = _free_bytes(self._pool_dir)
        with self._lock:
            if not self.refusal and free_bytes < POOL_RESERVE_BYTES:
                self.refusal = f"the file system of the pool directory {self._pool_dir} is full"
                _give_up(self._pool_dir)
                self._events.record(
                    EventSeverity.CRITICAL,
                    "pool",
                    f"{self.refusal}: nothing new is taken until there is room; deletes go on",
                )
            elif self.refusal and free_bytes >= _AMPLE * POOL_RESERVE_BYTES:
                fill_reserve(self._pool_dir)
                self.refusal = ""
                self._events.record(EventSeverity.INFO, "pool", "the pool directory has room again")


def _free_bytes(pool_dir: Path) -> int:
    """Return the room; a directory that does not answer is told by SQLite, not here."""
    try:
        facts = os.statvfs(pool_dir)
    except OSError:
        return _AMPLE * POOL_RESERVE_BYTES
    return facts.f_bavail * facts.f_frsize


def _give_up(pool_dir: Path) -> None:
    try:
        spend_reserve(pool_dir)
    except OSError:
        return  # It is no file of ours: there is nothing to give up.
