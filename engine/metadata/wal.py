"""Readers beside the writer, and a write-ahead log that stays small.

A WAL never starts over while the next transaction opens at once. So a passive
checkpoint runs in the background from WAL_CHECKPOINT_BYTES on, and from
WAL_GATE_BYTES on the committer shuts readers out between COMMIT and BEGIN and
finishes it (DESIGN 5).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from engine.errors import DamagedDatabaseError
from engine.limits import READER_S_MAX, WAL_CHECKPOINT_BYTES, WAL_GATE_BYTES
from engine.metadata.database import BUSY_MS_MAX, connect, open_reader
from engine.metadata.rows import DamageNote, reported

READERS_MAX: Final = 3

_RESTART_MS_MAX: Final = round(2000 * READER_S_MAX)
"""How long a restart of the WAL waits for readers, in milliseconds; it holds
the write lock."""


class ReaderPool:
    """Connections that read committed groups; each read is a short transaction."""

    def __init__(self, path: Path, note: DamageNote | None = None) -> None:
        """*note* hears of damage that reads meet."""
        self._path = path
        self.note: Final = note or DamageNote()
        self._condition = threading.Condition()
        self._idle: list[apsw.Connection] = []
        self._busy = 0
        self._gated = False

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """Lend a connection inside a read transaction of at most READER_S_MAX.

        The bound is the caller's to keep: longer work is cut into pieces.

        Raises:
            DamagedDatabaseError: what was read inside is not what was written.
        """
        with self._condition:
            self._condition.wait_for(lambda: not self._gated and self._busy < READERS_MAX)
            self._busy += 1
            connection = self._idle.pop() if self._idle else None
        try:
            with reported(self.note):
                if connection is None:
                    connection = open_reader(self._path)
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    # SQLite ends a transaction that met an error of the disk
                    # itself; that error is the one to be heard.
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        finally:
            with self._condition:
                self._busy -= 1
                if connection is not None:
                    self._idle.append(connection)
                self._condition.notify_all()

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Keep new readers out, after waiting for the present ones a bounded time."""
        with self._condition:
            self._gated = True
            self._condition.wait_for(lambda: self._busy == 0, timeout=2 * READER_S_MAX)
        try:
            yield
        finally:
            with self._condition:
                self._gated = False
                self._condition.notify_all()

    def close(self) -> None:
        """Close idle connections; nobody may be reading."""
        with self._condition:
            for connection in self._idle:
                connection.close()
            self._idle.clear()


class WalKeeper:
    """Keeps the WAL of one database below its bound."""

    def __init__(self, writer: apsw.Connection, path: Path, readers: ReaderPool) -> None:
        self._writer = writer
        self._path = path
        self._readers = readers
        self._page_bytes = int(writer.pragma("page_size"))
        self._wal_bytes = 0
        self._gate_bytes = WAL_GATE_BYTES
        self.peak_bytes = 0
        self.wanted = threading.Event()
        """Set when a background checkpoint is due; see ``checkpoint``."""
        writer.set_wal_hook(self._on_commit)

    def _on_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_bytes = pages * self._page_bytes
        self.peak_bytes = max(self.peak_bytes, self._wal_bytes)
        if self._wal_bytes >= WAL_CHECKPOINT_BYTES:
            self.wanted.set()
        return apsw.SQLITE_OK

    def between_groups(self) -> None:
        """Finish the checkpoint with readers shut out, when the WAL is too big."""
        if self._wal_bytes < self._gate_bytes:
            return
        try:
            with self._readers.gate():
                self._writer.set_busy_timeout(_RESTART_MS_MAX)
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            self._gate_bytes = WAL_GATE_BYTES
        except apsw.BusyError:
            # A copy for a checkpoint reads for long: the WAL grows meanwhile.
            self._gate_bytes = self._wal_bytes + WAL_CHECKPOINT_BYTES
        finally:
            self._writer.set_busy_timeout(BUSY_MS_MAX)

    def checkpoint(self) -> None:
        """Copy what is possible from the WAL; any thread but a writing one."""
        self.wanted.clear()
        connection = connect(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            self.wanted.set()
        except apsw.Error as error:
            raise DamagedDatabaseError(f"metadata database: {error}") from error
        finally:
            connection.close()
