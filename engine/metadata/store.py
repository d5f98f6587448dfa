"""Transaction groups over one SQLite connection (DESIGN 5, ARCHITECTURE 6).

All changes happen inside one open write transaction, each operation in a
savepoint of ``writer``. ``close_group`` turns what changed into a root record,
commits it together with its outbox row, and opens the next group.

Thread rules: ``lock`` is *the write lock*. Whoever reads or writes through
``connection`` holds it; ``operation`` takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import apsw

from engine.clock import Clock
from engine.errors import DamagedDatabaseError, EngineStoppedError
from engine.format.root import encode_root, root_hash
from engine.format.staged import StagedDelete, StagedPut, encode_staged
from engine.ids import Epoch, ExtentId, Generation, InodeId, LayoutId, MapId
from engine.limits import GROUP_BYTES_MAX, GROUP_ROWS_MAX, OVERFULL_RATIO
from engine.metadata.numbers import Numbers
from engine.metadata.operation import Operation, OperationMark
from engine.metadata.replay import Head, count_rows, write_head
from engine.metadata.row_writer import RowWriter
from engine.metadata.rows import DamageNote, Rows
from engine.metadata.schema import TRACKED_TABLES
from engine.metadata.write_lock import WriteLock
from engine.model.root import RootRecord

_LOSING_ERRORS: Final = (apsw.FullError, apsw.IOError, apsw.NoMemError, apsw.CorruptError)


@dataclass(frozen=True, slots=True)
class ClosedGroup:
    """A committed group on its way to the journals."""

    record: RootRecord
    encoded: bytes


class MetadataStore:
    """The open group, its session, and the numbers handed out."""

    def __init__(self, connection: apsw.Connection, *, template: RootRecord, clock: Clock) -> None:
        """Continue behind *template*, the header of the database's newest group."""
        self.lock = WriteLock()
        self.connection = connection
        self.rows = Rows(connection, DamageNote())
        self.writer = RowWriter(connection)
        self._clock = clock
        self._template = template
        self._previous_hash = bytes(32)
        self._numbers = Numbers(template)
        self._session: apsw.Session | None = None
        self._staged: list[StagedPut | StagedDelete] = []
        self._staged_bytes = 0
        self._undo_steps: list[Callable[[], object]] = []
        self._rows_before = 0
        self._rows_kept = 0
        self._dirty_since_s: float | None = None
        self._stopped = ""
        self._started = False
        self.on_rollback: list[Callable[[], None]] = []
        """What tables do when rows are rolled back: forget what they cached."""
        self.before_commit: list[Callable[[], None]] = []
        """What writes the rows that tables kept to themselves, as the group ends (C2)."""
        self.on_commit: list[Callable[[], None]] = []
        """What is done as soon as a group is committed, under the lock."""
        self.on_lost: list[Callable[[str], None]] = []
        """Who hears, under the lock, why the open group is lost (C8)."""
        self.between_groups: Callable[[], None] = lambda: None
        """Runs behind each COMMIT, before the next BEGIN: the WAL's moment."""
        self._ended = threading.Event()
        self._rows_noted = 0
        self._is_stuck = False
        self.pressure = threading.Event()
        """Set when the open group reached a bound and wants to be committed."""

    # Life

    def start(self, head: Head) -> None:
        """Open the first group behind *head*."""
        with self.lock:
            self._previous_hash = head.root_hash
            self._begin()
            self._started = True

    def close(self) -> None:
        """Roll back what is open; the caller committed what it wanted to keep."""
        with self.lock:
            if not self._stopped:
                self._stopped = "the pool is closed"
            if self._session is not None:
                self._session.close()
                self._session = None
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.connection.close()

    @property
    def started(self) -> bool:
        """Whether anything was ever accepted; never in a pool opened read-only."""
        return self._started

    @property
    def stopped(self) -> str:
        """Why nothing changes any more; empty while the store works (C8)."""
        return self._stopped

    def stop(self, reason: str) -> None:
        """Refuse every later operation; committed data stays readable."""
        with self.lock:
            if not self._stopped:
                self._stopped = reason
            self.pressure.set()

    def require_running(self) -> None:
        """Raise EngineStoppedError when nothing may change any more."""
        if self._stopped:
            raise EngineStoppedError(self._stopped)

    @property
    def open_generation(self) -> Generation:
        """Number of the group that is open now."""
        return Generation(self._template.generation + 1)

    @property
    def epoch(self) -> Epoch:
        """The epoch groups are written under."""
        return self._template.epoch

    @property
    def template(self) -> RootRecord:
        """Header of the newest committed group."""
        return self._template

    def take_header(self, template: RootRecord) -> None:
        """Use epoch, m, members, J, forced of *template* from now on; under ``lock``."""
        self._template = replace(
            self._template,
            epoch=template.epoch,
            tolerance=template.tolerance,
            members=template.members,
            journal_set=template.journal_set,
            forced=template.forced,
        )
        self._mark_dirty()

    # Operations

    def operation(self) -> Operation:
        """Return a context manager for one operation."""
        return Operation(self)

    def begin_operation(self) -> OperationMark:
        """Take the write lock; see ``operation``."""
        self.lock.acquire()
        if self._stopped:
            self.lock.release()
            raise EngineStoppedError(self._stopped)
        self.writer.depth += 1
        return OperationMark(
            len(self._staged),
            self._staged_bytes,
            len(self._undo_steps),
            self.connection.total_changes(),
        )

    def on_undo(self, step: Callable[[], object]) -> None:
        """Have *step* run if the operation in hand, or one around it, is undone.

        For what memory holds besides rows: it must be all or nothing, too (C1).
        """
        assert self.writer.depth, "outside of any operation"
        self._undo_steps.append(step)

    def end_operation(self, error: BaseException | None, mark: OperationMark) -> None:
        """Keep or undo the operation and give the write lock back."""
        try:
            if error is None:
                self.writer.keep()
                if not self.writer.depth:
                    self._undo_steps.clear()
                if self._dirty_since_s is None:
                    self._mark_dirty()
                self._rows_noted = self.group_rows
                if self._rows_noted >= GROUP_ROWS_MAX or self._staged_bytes >= GROUP_BYTES_MAX:
                    self.pressure.set()
            else:
                self._undo(error, mark)
        except apsw.Error as failure:
            self._lose_group(failure)
            raise EngineStoppedError(self._stopped) from failure
        finally:
            self.lock.release()

    def _undo(self, error: BaseException, mark: OperationMark) -> None:
        has_changed = self.connection.total_changes() != mark.changes
        # Nothing undoes what was changed beside the writer.
        is_undoable = self.connection.in_transaction and (
            self.writer.is_protected or not has_changed
        )
        if isinstance(error, _LOSING_ERRORS) or not is_undoable:
            self._lose_group(error)
            raise EngineStoppedError(self._stopped) from error
        self.writer.undo()
        del self._staged[mark.staged :]
        self._staged_bytes = mark.noted_bytes
        while len(self._undo_steps) > mark.undo_steps:
            self._undo_steps.pop()()
        # Most refusals come before any change: then what tables remember is true.
        if has_changed:
            for forget in self.on_rollback:
                forget()
        if isinstance(error, apsw.Error):
            raise DamagedDatabaseError(f"metadata database: {error}") from error

    def _lose_group(self, error: BaseException) -> None:
        """A lost group stops the engine (C8): nothing later may build on it."""
        self.stop(f"a metadata group was lost: {error}; reopen the pool")
        while self._undo_steps:
            self._undo_steps.pop()()
        for hear in self.on_lost:
            hear(self._stopped)
        if self._session is not None:
            self._session.close()
            self._session = None
        # What it changed must not be read as committed; if even this fails, reads fail too.
        with suppress(apsw.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            for forget in self.on_rollback:
                forget()

    def note_staged(self, operation: StagedPut | StagedDelete) -> None:
        """Record a change of ``staged`` for the record; inside an operation."""
        self._staged.append(operation)
        if isinstance(operation, StagedPut):
            self._staged_bytes += len(operation.data)

    def note_row(self) -> None:
        """Count a row that is written when the group ends; inside an operation."""
        self._rows_kept += 1

    def note_bytes(self, count: int) -> None:
        """Count *count* bytes towards the group's bound; inside an operation."""
        self._staged_bytes += count

    @property
    def group_rows(self) -> int:
        """Rows changed in the open group, untracked and unwritten ones included."""
        return self.connection.total_changes() - self._rows_before + self._rows_kept

    def has_room(self) -> bool:
        """Whether the open group takes more now (P8). No lock."""
        return not self._is_beyond(OVERFULL_RATIO)

    def wait_for_room(self, timeout_s: float, beyond: int = OVERFULL_RATIO) -> None:
        """Wait while the open group is more than *beyond* times its bounds (P8).

        Only where commits cannot keep up: a group is asked to end at its bound,
        long before. Never under the write lock. Once one has waited in vain, no
        other waits for the same group: many that wait would wait one by one.

        Raises:
            EngineStoppedError: it did not become smaller in time.
        """
        if not self._is_beyond(beyond):
            return
        self.pressure.set()
        deadline_s = self._clock.monotonic_s() + timeout_s
        while self._is_beyond(beyond):
            self.require_running()
            if self._is_stuck or self._clock.monotonic_s() >= deadline_s:
                self._is_stuck = True
                raise EngineStoppedError("the journals do not keep up with the changes")
            self._ended.wait(0.05)

    def _is_beyond(self, ratio: int) -> bool:
        return (
            self._rows_noted > ratio * GROUP_ROWS_MAX
            or self._staged_bytes > ratio * GROUP_BYTES_MAX
        )

    def dirty_age_s(self) -> float:
        """Return how long the open group has had changes; 0 when it has none."""
        since = self._dirty_since_s
        return 0.0 if since is None else self._clock.monotonic_s() - since

    def _mark_dirty(self) -> None:
        if self._dirty_since_s is None:
            self._dirty_since_s = self._clock.monotonic_s()

    # Numbers

    def new_extent_id(self) -> ExtentId:
        """Give out an extent id that was never given out before."""
        return ExtentId(self._take("extent"))

    def new_layout_id(self) -> LayoutId:
        """Give out a layout id; any thread."""
        return LayoutId(self._take("layout"))

    def new_inode_id(self) -> InodeId:
        """Give out an inode id; under the lock."""
        return InodeId(self._numbers.take("inode"))

    def new_map_id(self) -> MapId:
        """Give out a map id; under the lock."""
        return MapId(self._numbers.take("map"))

    def new_cookie(self) -> int:
        """Give out a directory cookie; under the lock."""
        return self._numbers.take("cookie")

    def new_disk_number(self) -> int:
        """Give out a disk id."""
        return self._take("disk")

    def _take(self, kind: str) -> int:
        with self.lock:
            return self._numbers.take(kind)

    # Groups

    def _begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        session = apsw.Session(self.connection, "main")
        for table in TRACKED_TABLES:
            session.attach(table)
        self._session = session
        self._staged, self._staged_bytes = [], 0
        self._rows_before = self.connection.total_changes()
        self._rows_kept = 0
        self._dirty_since_s = None
        self.pressure.clear()
        self._rows_noted = 0
        self._is_stuck = False
        self._ended.set()
        self._ended.clear()

    def close_group(self, acknowledged: Generation) -> ClosedGroup | None:
        """Commit the open group and open the next (C2, C3).

        Returns None when nothing changed. Outbox rows up to *acknowledged* go.

        Raises:
            EngineStoppedError: the group is lost; everything since the last
                commit is gone and the engine has stopped (C8).
        """
        with self.lock:
            if self._stopped:
                raise EngineStoppedError(self._stopped)
            if self._dirty_since_s is None:
                return None
            try:
                return self._commit_group(acknowledged)
            except Exception as error:  # half a commit is none: its session is gone (C8)
                self._lose_group(error)
                raise EngineStoppedError(self._stopped) from error

    def _commit_group(self, acknowledged: Generation) -> ClosedGroup:
        session = self._session
        assert session is not None
        for write in self.before_commit:
            write()
        changeset = session.changeset()
        session.close()
        self._session = None
        header = replace(
            self._template,
            generation=self.open_generation,
            time_ns=self._clock.now_ns(),
            high_water=self._numbers.promise(),
            row_count=count_rows(changeset),
            previous_hash=self._previous_hash,
        )
        record = replace(header, changeset=changeset, staged=encode_staged(self._staged))
        encoded = encode_root(record)
        digest = root_hash(encoded)
        connection = self.connection
        connection.execute("DELETE FROM outbox WHERE generation <= ?", (acknowledged,))
        connection.execute("INSERT INTO outbox VALUES (?, ?)", (record.generation, encoded))
        write_head(connection, header, digest)
        connection.execute("COMMIT")
        for done in self.on_commit:
            done()
        self._template = header
        self._previous_hash = digest
        self._numbers.promised(record.high_water)
        self.between_groups()
        self._begin()
        return ClosedGroup(record, encoded)
