"""Reading rows: where SQLite's errors become ours, and damage is remembered.

A page that rots while the pool is open answers with an error of SQLite, a row
that is not what was written fails its own checksum. Whoever needs it hears
``DamagedDatabaseError``; everything else goes on (P1, P4), changes too, since
what reads in an operation fails before anything was written. The next open
makes the database again from the journals (R6).

Writing is not for here: there such an error loses the group (C8).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from engine.errors import DamagedDatabaseError

_DAMAGE: Final = (apsw.CorruptError, apsw.IOError, apsw.NotADBError, apsw.CantOpenError)
"""What SQLite raises for bytes it cannot read or believe."""


class DamageNote:
    """Remembers that the database is damaged. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.first = ""
        """What was wrong first; empty while nothing is."""
        self.on_first: Callable[[str], None] = lambda text: None
        """Told of the first damage, by the thread that met it; must not wait long."""

    def take(self, error: Exception) -> DamagedDatabaseError:
        """Remember *error* and return it as callers hear it."""
        if isinstance(error, DamagedDatabaseError):
            told = error
        else:
            told = DamagedDatabaseError(f"metadata database: {error}")
        with self._lock:
            is_first, self.first = not self.first, self.first or str(told)
        if is_first:
            self.on_first(self.first)
        return told


class RowCursor(apsw.Cursor):
    """A cursor that raises DamagedDatabaseError in the place of SQLite's errors."""

    def __init__(self, connection: apsw.Connection, note: DamageNote) -> None:
        super().__init__(connection)
        self._note = note

    def run(self, query: str, bindings: apsw.Bindings) -> None:
        """Begin *query*, which finds its first row."""
        try:
            self.execute(query, bindings)
        except _DAMAGE as error:
            raise self._note.take(error) from error

    def fetchone(self) -> apsw.SQLiteValues | None:
        try:
            row: apsw.SQLiteValues | None = super().fetchone()
        except _DAMAGE as error:
            raise self._note.take(error) from error
        return row

    def __next__(self) -> apsw.SQLiteValues:
        try:
            row: apsw.SQLiteValues = super().__next__()
        except _DAMAGE as error:
            raise self._note.take(error) from error
        return row


class Rows:
    """Runs queries on one connection; what its owner says of threads holds here."""

    def __init__(self, connection: apsw.Connection, note: DamageNote) -> None:
        self._connection = connection
        self.note: Final = note

    def first(self, query: str, bindings: apsw.Bindings = ()) -> apsw.SQLiteValues | None:
        """Return the first row of *query*, None when there is none.

        Raises:
            DamagedDatabaseError: bytes are not what was written.
        """
        try:
            row: apsw.SQLiteValues | None = self._connection.execute(query, bindings).fetchone()
        except _DAMAGE as error:
            raise self.note.take(error) from error
        return row

    def read(self, query: str, bindings: apsw.Bindings = ()) -> apsw.Cursor:
        """Return the rows of *query*.

        Raises:
            DamagedDatabaseError: here or from the cursor: bytes are not what was written.
        """
        cursor = RowCursor(self._connection, self.note)
        cursor.run(query, bindings)
        return cursor


@contextmanager
def reported(note: DamageNote) -> Iterator[None]:
    """Turn SQLite's errors into ours for all that is read inside the block."""
    try:
        yield
    except (*_DAMAGE, DamagedDatabaseError) as error:
        raise note.take(error) from error
