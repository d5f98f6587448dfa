"""What scrubs remember: when each fragment was last proven intact, runs, findings.

A database of its own beside the metadata. It may be lost, and then it is
begun anew: nothing but reports depends on it. So it is not flushed with the
care of metadata, and no error of it ever ends a scrub.
"""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import apsw

from engine.ids import ExtentId

T = TypeVar("T")

Json: TypeAlias = dict[str, "str | int"]

RUNS_KEPT: Final = 50
BUFFER_MAX: Final = 4096
"""Fragments noted before they are written in one transaction (P8)."""

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE verified (
    extent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    verified_s INTEGER NOT NULL,
    PRIMARY KEY (extent, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE wanted (extent INTEGER PRIMARY KEY NOT NULL) STRICT;
CREATE TABLE run (number INTEGER PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE finding (number INTEGER PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubRun:
    """One scrub that came to an end. Times are epoch nanoseconds."""

    started_ns: int
    finished_ns: int
    target: str
    repair: bool
    word: str
    fragments: int
    bytes: int
    bad: int
    repaired: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A fragment, by its layout, that was intact at an epoch second."""

    layout: int
    verified_s: int


class ScrubRecords:
    """One file of records. Thread-safe: one connection, lent for short calls."""

    def __init__(self, path: Path, *, on_trouble: Callable[[str], None]) -> None:
        """Open nothing yet: a pool that is only looked at gets no file.

        *on_trouble* hears, in one sentence, that the file was begun anew.
        """
        self._path: Final = path
        self._on_trouble: Final = on_trouble
        self._lock: Final = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._proofs: dict[tuple[int, int], Proof | None] = {}

    # Proofs

    def note_proof(self, extent_id: ExtentId, position: int, proof: Proof | None) -> None:
        """Remember that a fragment was intact; None forgets what was known of it."""
        with self._lock:
            self._proofs[extent_id, position] = proof
            full = len(self._proofs) >= BUFFER_MAX
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        with self._lock:
            noted, self._proofs = self._proofs, {}
        if noted:
            self._change(lambda connection: _write_proofs(connection, noted))

    def proofs(self, first: ExtentId, last: ExtentId) -> dict[tuple[int, int], Proof]:
        """Return what is known of the extents from *first* to *last*, by (extent, position)."""
        self.flush()
        query = "SELECT * FROM verified WHERE extent BETWEEN ? AND ?"
        return dict(self._read(query, (first, last), _keyed_proof))

    def known_extents(self, above: ExtentId, limit: int) -> list[ExtentId]:
        """Return the next extents that something is known of, by id."""
        self.flush()
        query = "SELECT DISTINCT extent FROM verified WHERE extent > ? ORDER BY extent LIMIT ?"
        return self._read(query, (above, limit), ExtentId)

    def forget(self, extents: Iterable[ExtentId]) -> None:
        """Forget extents that are no more."""
        gone = [(extent_id,) for extent_id in extents]
        self._change(
            lambda connection: connection.executemany("DELETE FROM verified WHERE extent = ?", gone)
        )

    # The extents of a target

    def begin_wanted(self) -> None:
        """Begin a new list of extents to go through."""
        self._change(lambda connection: connection.execute("DELETE FROM wanted"))

    def add_wanted(self, extents: Sequence[ExtentId]) -> list[ExtentId]:
        """Add to the list; return those that were not on it."""

        def insert(connection: apsw.Connection) -> list[ExtentId]:
            query = "INSERT OR IGNORE INTO wanted VALUES (?) RETURNING extent"
            found = [connection.execute(query, (one,)).fetchone() for one in extents]
            return [ExtentId(row[0]) for row in found if row is not None]

        return self._change(insert) or []

    def wanted_below(self, cursor: int, limit: int) -> list[ExtentId]:
        """Return the newest extents on the list below *cursor*, newest first."""
        query = "SELECT extent FROM wanted WHERE extent < ? ORDER BY extent DESC LIMIT ?"
        return self._read(query, (cursor, limit), ExtentId)

    # Runs and findings

    def add_run(self, run: ScrubRun) -> None:
        """Keep a run, and the newest ones before it."""

        def insert(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT INTO run SELECT coalesce(max(number), 0) + 1, ? FROM run",
                (json.dumps(asdict(run)),),
            )
            connection.execute(
                "DELETE FROM run WHERE number <= (SELECT max(number) FROM run) - ?", (RUNS_KEPT,)
            )

        self._change(insert)

    def runs(self) -> list[tuple[int, ScrubRun]]:
        """Return the runs kept with their numbers, newest first."""
        rows = self._read("SELECT * FROM run ORDER BY number DESC", (), _numbered)
        found = []
        for number, value in rows:
            with suppress(ValueError, TypeError):  # Of a version that said other things.
                found.append((number, ScrubRun(**json.loads(value))))
        return found

    def save_findings(self, findings: Sequence[Json]) -> None:
        """Keep *findings* in place of those before."""

        def replace(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM finding")
            rows = ((number, json.dumps(one)) for number, one in enumerate(findings))
            connection.executemany("INSERT INTO finding VALUES (?, ?)", rows)

        self._change(replace)

    def findings(self) -> list[Json]:
        """Return the findings kept."""
        rows = self._read("SELECT * FROM finding ORDER BY number", (), _numbered)
        found: list[Json] = []
        for _, value in rows:
            with suppress(ValueError):
                one = json.loads(value)
                if isinstance(one, dict):
                    found.append(one)
        return found

    def close(self) -> None:
        """Write what was noted and let go of the file."""
        self.flush()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    # The file

    def _read(self, query: str, bindings: tuple[int, ...], shape: Callable[..., T]) -> list[T]:
        """Return *shape* of all rows; none when there is no file."""

        def select(connection: apsw.Connection) -> list[T]:
            return [shape(*row) for row in connection.execute(query, bindings)]

        with self._lock:
            if self._connection is None and not self._path.exists():
                return []
            return self._tried(select) or []

    def _change(self, change: Callable[[apsw.Connection], T]) -> T | None:
        """Do *change* in one transaction; None when the file does not take it."""

        def transact(connection: apsw.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(connection)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

        with self._lock:
            return self._tried(transact)

    def _tried(self, work: Callable[[apsw.Connection], T]) -> T | None:
        """Do *work*; a file that is damaged is begun anew, once. Lock held."""
        try:
            return work(self._opened())
        except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError, apsw.CantOpenError) as error:
            self._begin_anew(str(error))
        except apsw.Error:
            return None  # Full or refusing: this much is not remembered.
        try:
            return work(self._opened())
        except apsw.Error:
            return None

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = _open(str(self._path))
        return self._connection

    def _begin_anew(self, reason: str) -> None:
        if self._connection is not None:
            with suppress(apsw.Error):
                self._connection.close()
            self._connection = None
        place = "a new file"
        with suppress(OSError):
            if stat.S_ISDIR(self._path.lstat().st_mode):
                # Whose folder this is nobody knows; a session remembers without it.
                self._connection, place = _open(":memory:"), "memory"
            else:
                self._path.unlink()
        self._on_trouble(f"what scrubs remembered is lost, begun anew in {place}: {reason}")


def _open(name: str) -> apsw.Connection:
    """Open or make the database.

    Raises:
        apsw.Error: it is none of ours, or damaged.
    """
    if name != ":memory:":
        path = Path(name)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            # SQLite would wait for the other end of a FIFO, or follow a link.
            raise apsw.CantOpenError(f"{path.name} is not a file")
    connection = apsw.Connection(name)
    connection.set_busy_timeout(1000)
    # Old or new after a kill; after a power cut it may be damaged, and goes.
    connection.pragma("synchronous", 0)
    if connection.pragma("user_version") == 0:
        with connection:
            connection.execute(_SCHEMA)
            connection.pragma("user_version", _VERSION)
    elif connection.pragma("user_version") != _VERSION:
        connection.close()
        raise apsw.NotADBError("it is of another version")
    return connection


def _keyed_proof(
    extent: int, position: int, layout: int, verified_s: int
) -> tuple[tuple[int, int], Proof]:
    return (extent, position), Proof(layout, verified_s)


def _numbered(number: int, value: str) -> tuple[int, str]:
    return number, value


def _write_proofs(connection: apsw.Connection, noted: dict[tuple[int, int], Proof | None]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?)",
        [(*key, one.layout, one.verified_s) for key, one in noted.items() if one is not None],
    )
    connection.executemany(
        "DELETE FROM verified WHERE extent = ? AND position = ?",
        [key for key, one in noted.items() if one is None],
    )
