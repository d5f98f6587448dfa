"""Verifies every fragment of the pool, and the parity, and lists stray files.

Goes through the extents from the newest to the oldest. Their ids order the
directories of every disk, so each disk is read in its own order, all disks at
once, and each byte once: checksums and the trial reconstruction that proves
parity use the same read.

A scrub writes down what it finds and repairs nothing. With ``repair`` it also
lets reconcile mend it (``MendRequests``), and ends when that came to an end.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.errors import DamagedDatabaseError, EngineError, EngineStoppedError, UsageError
from engine.extents.verdict import Verdict
from engine.ids import ExtentId
from engine.limits import FINDINGS_MAX
from engine.maintenance.inspection import Inspector
from engine.maintenance.listing import FragmentListing, UnnamedFile, is_named
from engine.maintenance.paths import EXTENTS_MAX, PathFinder
from engine.maintenance.progress import Finding, Rate, ScrubProgress
from engine.maintenance.reconcile import MendRequests
from engine.maintenance.scrub_state import ScrubState, load_state, save_state
from engine.maintenance.topology import Topology
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.model.extent import ExtentRecord
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics

COUNT_PIECE_EXTENTS: Final = 10_000
IDS_PER_READ: Final = 64
SAVE_S: Final = 5.0
"""Between two saves of the cursor: this much is verified twice after a crash."""

SECOND_LOOK_S: Final = 5.0
"""A file nobody names is looked at again after this long: its row may come."""

PATHS_S: Final = 5.0
"""Between two searches for the files of findings; each walks whole tables."""


class Phase(Enum):
    """What a scrub does now, in this order."""

    IDLE = auto()
    COUNT = auto()
    VERIFY = auto()
    LIST = auto()
    SECOND_LOOK = auto()


class _StoppedScrubError(EngineError):
    """The operator stopped the scrub, or the pool closes."""


class Scrub:
    """One scrub at a time. ``step`` by one thread; the rest by any."""

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: Metrics,
        events: EventLog,
        topology: Topology,
        tables: Tables,
        readers: ReaderPool,
        inspector: Inspector,
        listing: FragmentListing,
        unreferenced: UnreferencedFiles,
        reconcile: MendRequests,
        state_path: Path,
    ) -> None:
        """*state_path* is a file of its own; a scrub that ran goes on from there."""
        self._clock: Final = clock
        self._events: Final = events
        self._topology: Final = topology
        self._tables: Final = tables
        self._store: Final = tables.store
        self._readers: Final = readers
        self._inspector: Final = inspector
        self._listing: Final = listing
        self._unreferenced: Final = unreferenced
        self._reconcile: Final = reconcile
        self._state_path: Final = state_path
        self._paths: Final = PathFinder(readers)
        self._issues: Final = metrics.counter("scrub_issues_found_total")
        self._completed: Final = metrics.counter("scrubs_completed_total")
        self._repairs: Final = metrics.counter("scrub_repairs_attempted_total")
        self._repaired: Final = metrics.counter("scrub_repairs_successful_total")
        self._rate: Final = Rate(clock)
        self._lock: Final = threading.Lock()
        self._state = load_state(state_path)
        self._phase = Phase.VERIFY if self._state.running else Phase.IDLE
        self._saved_s = clock.monotonic_s()
        self._stop_wanted = False
        self._closing = False
        self._ids: list[ExtentId] = []
        self._count_cursor = 0
        self._findings: list[Finding] = []
        self._mending: dict[ExtentId, int] = {}
        self._unnamed: list[UnnamedFile] = []
        self._listed_s = 0.0
        self._paths_s = float("-inf")

    # Any thread

    def start(self, *, repair: bool) -> str:
        """Start a scrub; return one sentence.

        Raises:
            UsageError: one is running.
        """
        with self._lock:
            if self._state.running:
                raise UsageError("a scrub is running; stop it first")
            self._state = ScrubState(
                running=True,
                repair=repair,
                cursor=2**62,
                started_ns=self._clock.now_ns(),
                runs_completed=self._state.runs_completed,
            )
            self._findings, self._mending, self._unnamed = [], {}, []
            self._ids, self._count_cursor = [], 0
            self._stop_wanted = False
            self._rate.restart()
            self._phase = Phase.COUNT
        return "scrub started" + (", with repair" if repair else "")

    def stop(self) -> str:
        """Stop the running scrub; return one sentence."""
        with self._lock:
            if not self._state.running:
                return "no scrub is running"
            self._stop_wanted = True
        return "the scrub stops"

    def close(self) -> None:
        """Interrupt the work in hand; the scrub goes on when the pool is opened."""
        self._closing = True

    def note_mended(self, extent_id: ExtentId, fragments: int) -> None:
        """Hear of a commit of reconcile; for ``Reconcile.on_mended``."""
        with self._lock:
            found = self._mending.pop(extent_id, 0)
            self._state.repaired += min(found, fragments)
        self._repaired.add(min(found, fragments))

    def progress(self) -> ScrubProgress:
        """Return where the scrub is; quick."""
        state = self._state
        left = max(0, state.total_bytes - state.done_bytes)
        return ScrubProgress(
            running=state.running,
            repair=state.repair,
            started_ns=state.started_ns,
            finished_ns=state.finished_ns,
            done_fragments=state.done_fragments,
            total_fragments=max(state.total_fragments, state.done_fragments),
            done_bytes=state.done_bytes,
            total_bytes=max(state.total_bytes, state.done_bytes),
            rate_bytes_s=self._rate.bytes_s if state.running else 0.0,
            eta_s=self._rate.eta_s(left) if state.running else None,
            intact=state.intact,
            corrupt=state.corrupt,
            missing=state.missing,
            misplaced=state.misplaced,
            unreferenced=state.unreferenced,
            parity_mismatches=state.parity_mismatches,
            repaired=state.repaired,
            findings=tuple(self._findings),
            runs_completed=state.runs_completed,
        )

    # The maintenance thread

    def step(self) -> bool:
        """Verify one extent, or do one piece of what comes before and after."""
        if not self._state.running or self._closing or self._store.stopped:
            return False
        try:
            if self._stop_wanted:
                raise _StoppedScrubError
            did = self._step()
        except _StoppedScrubError:
            did = False
            if self._stop_wanted:
                self._end("stopped")
        except EngineStoppedError:
            return False
        if self._clock.monotonic_s() - self._saved_s >= SAVE_S:
            self._save()
        return did

    def _step(self) -> bool:
        match self._phase:
            case Phase.COUNT:
                return self._count()
            case Phase.VERIFY:
                return self._verify_next()
            case Phase.LIST:
                return self._list()
            case Phase.SECOND_LOOK:
                return self._look_again()
            case Phase.IDLE:
                return False

    def _count(self) -> bool:
        """Add up what is to be read, a piece of the extents at a time."""
        with self._readers.read() as connection:
            row = connection.execute(
                "SELECT max(id), sum(width),"
                " sum(width * (((length + needed - 1) / needed + 4095) / 4096 * 4096))"
                " FROM (SELECT id, width, needed, length FROM extent"
                " WHERE id > ? ORDER BY id LIMIT ?)",
                (self._count_cursor, COUNT_PIECE_EXTENTS),
            ).fetchone()
        if row is None or row[0] is None:
            self._phase = Phase.VERIFY
            return True
        self._count_cursor = int(row[0])
        self._state.total_fragments += int(row[1])
        self._state.total_bytes += int(row[2])
        return True

    def _verify_next(self) -> bool:
        if not self._ids:
            with self._readers.read() as connection:
                rows = list(
                    connection.execute(
                        "SELECT id FROM extent WHERE id < ? ORDER BY id DESC LIMIT ?",
                        (self._state.cursor, IDS_PER_READ),
                    )
                )
            self._ids = [ExtentId(row[0]) for row in reversed(rows)]
        if not self._ids:
            self._listing.begin([d.disk_id for d in self._topology.disks() if d.readable])
            self._phase = Phase.LIST
            return True
        extent_id = self._ids[-1]
        self._verify(extent_id)
        self._ids.pop()
        self._state.cursor = extent_id
        self._find_paths()
        return True

    def _verify(self, extent_id: ExtentId) -> None:
        record = self._record(extent_id)
        if record is None:
            return
        verdicts = self._inspector.verdicts(record, progress=self._note_bytes)
        if self._record(extent_id) != record:
            # Mended or dropped meanwhile: the new one is judged, or none.
            record = self._record(extent_id)
            if record is None:
                return
            verdicts = self._inspector.verdicts(record)
        self._note(record, verdicts)

    def _record(self, extent_id: ExtentId) -> ExtentRecord | None:
        with self._store.lock:
            self._store.require_running()
            try:
                return self._tables.extents.get(extent_id)
            except DamagedDatabaseError as error:
                self._events.record(EventSeverity.ERROR, "scrub", str(error))
                return None

    def _note_bytes(self, count: int) -> None:
        if self._stop_wanted or self._closing:
            raise _StoppedScrubError
        self._state.done_bytes += count
        self._rate.add(count)

    def _note(self, record: ExtentRecord, verdicts: tuple[Verdict, ...]) -> None:
        bad = self._inspector.note(record, dict(enumerate(verdicts)), self._clock.now_ns())
        with self._lock:
            state = self._state
            state.done_fragments += len(verdicts)
            state.intact += verdicts.count(Verdict.INTACT)
            state.corrupt += verdicts.count(Verdict.CORRUPT)
            # A missing disk's fragments are missing, without asking it.
            state.missing += verdicts.count(Verdict.MISSING) + verdicts.count(Verdict.UNREACHABLE)
            state.misplaced += verdicts.count(Verdict.MISPLACED)
            state.parity_mismatches += verdicts.count(Verdict.PARITY)
            for index in bad:
                if len(self._findings) < FINDINGS_MAX:
                    ref = record.fragments[index]
                    self._findings.append(
                        Finding(
                            extent_id=record.extent_id,
                            index=index,
                            disk_id=ref.disk_id,
                            verdict=verdicts[index],
                        )
                    )
            if bad and state.repair and len(self._mending) < FINDINGS_MAX:
                self._mending[record.extent_id] = len(bad)
        self._issues.add(len(bad))
        if bad and state.repair:
            self._repairs.add(len(bad))
            self._reconcile.mend([record.extent_id])

    def _find_paths(self, *, interval_s: float = PATHS_S) -> None:
        """Name a file for findings that have none yet."""
        now_s = self._clock.monotonic_s()
        nameless = [one for one in self._findings[:EXTENTS_MAX] if not one.path]
        if not nameless or now_s - self._paths_s < interval_s:
            return
        self._paths_s = now_s
        paths = self._paths.find({one.extent_id for one in nameless})
        with self._lock:
            self._findings = [
                one if one.path else replace(one, path=paths.get(one.extent_id, ""))
                for one in self._findings
            ]

    def _list(self) -> bool:
        files = self._listing.next_files()
        if files is None:
            self._listed_s = self._clock.monotonic_s()
            self._phase = Phase.SECOND_LOOK
        else:
            self._unnamed += files[: FINDINGS_MAX - len(self._unnamed)]
        return True

    def _look_again(self) -> bool:
        """Count files that still have no row, then wait for repairs, then end."""
        if self._unnamed:
            if self._clock.monotonic_s() - self._listed_s < SECOND_LOOK_S:
                return False
            files, self._unnamed = self._unnamed[:IDS_PER_READ], self._unnamed[IDS_PER_READ:]
            with self._store.lock:
                self._store.require_running()
                connection = self._store.connection
                stray = [f for f in files if not is_named(connection, f.disk_id, f.name)]
            self._state.unreferenced += len(stray)
            self._issues.add(len(stray))
            for file in stray:
                self._unreferenced.offer(file)
            return True
        if self._state.repair and self._mending and self._reconcile.has_work():
            return False
        self._find_paths(interval_s=0.0)
        self._state.runs_completed += 1
        self._completed.add()
        self._end("finished")
        return True

    def _end(self, word: str) -> None:
        state = self._state
        bad = state.corrupt + state.missing + state.misplaced + state.parity_mismatches
        with self._lock:
            state.running = False
            state.finished_ns = self._clock.now_ns()
            self._phase = Phase.IDLE
        self._save()
        self._events.record(
            EventSeverity.WARNING if bad else EventSeverity.INFO,
            "scrub",
            f"{word}: {state.intact} fragments intact, {bad} not,"
            f" {state.unreferenced} unreferenced",
        )

    def _save(self) -> None:
        self._saved_s = self._clock.monotonic_s()
        save_state(self._state_path, self._state)
