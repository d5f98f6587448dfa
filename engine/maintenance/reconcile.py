"""Brings every extent to what policy wants of it: rebuild, drain, narrow, widen.

One mechanism: facts change, all extents are compared with ``desired_for``,
the differences are queued with the most exposed first, and each is closed by
copy, commit, delete (P5). Nothing of it is stored: after a restart the same
comparison finds what is left. While nothing changes, nothing is read.

Damage that is known is a fact for everyone; it is mended only where someone
allowed it: a read that met it, a scrub with repair, or ``start_now``. That
permission is memory only, so a plain scrub changes no fragment, ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from engine.clock import Clock
from engine.errors import (
    CorruptionError,
    DamagedDatabaseError,
    DeviceError,
    EngineError,
    EngineStoppedError,
    ExtentUnrecoverableError,
    NoSpaceError,
)
from engine.extents.disks import DiskSource
from engine.extents.rebuild import ExtentRebuilder
from engine.extents.writer import ExtentWriter
from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.desired import Action, PoolFacts
from engine.maintenance.mending import Mended, Mender, bytes_to_write
from engine.maintenance.observed import FactsObserver
from engine.maintenance.paths import PathFinder
from engine.maintenance.progress import ReconcileProgress
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.scan import Difference, ExtentScan
from engine.maintenance.tally import Tally
from engine.maintenance.topology import Topology
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.policy.ordering import WorkOrder

ASKED_PER_STEP: Final = 64
NAMED_LOST_MAX: Final = 8
"""Files named in the sentence a rebuild ends with."""


class MendRequests(Protocol):
    """Where permission to mend known damage is given. Thread-safe."""

    def mend(self, extents: Iterable[ExtentId]) -> None:
        """Let the damage of *extents* be mended."""

    def has_work(self) -> bool:
        """Whether something is being mended or about to be."""


class InterruptedWorkError(EngineError):
    """Maintenance was paused or is closing; the work is found again later."""


class Reconcile:
    """The one mechanism of repair. ``step`` by one thread; the rest by any."""

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: Metrics,
        events: EventLog,
        topology: Topology,
        tables: Tables,
        readers: ReaderPool,
        disks: DiskSource,
        rebuilder: ExtentRebuilder,
        writer: ExtentWriter,
    ) -> None:
        self._events: Final = events
        self._topology: Final = topology
        self._store: Final = tables.store
        self._paths: Final = PathFinder(readers)
        self._observer: Final = FactsObserver(clock, topology)
        self._mender: Final = Mender(tables=tables, disks=disks, rebuilder=rebuilder, writer=writer)
        self._scan: Final = ExtentScan(readers, mends=self._mends)
        self._queue: Final = WorkQueue()
        self._tally: Final = Tally(clock, metrics, self._queue)
        self._lock: Final = threading.Lock()
        self._asked: list[ExtentId] = []
        self._mend: set[ExtentId] = set()
        self._mend_all = False
        self._start_now = False
        self._paused = False
        self._closing = False
        self._facts: PoolFacts | None = None
        self._scanning = True
        self._mended_since_scan = False
        self.on_mended: list[Callable[[ExtentId, int], None]] = []
        """Hear (extent, fragments) of each commit, in the maintenance thread."""

    # Any thread

    def mend(self, extents: Iterable[ExtentId]) -> None:
        """Let the damage of *extents* be mended, soon. Bounded (P8)."""
        with self._lock:
            for extent_id in extents:
                if len(self._mend) < RECONCILE_ITEMS_MAX:
                    self._mend.add(extent_id)
                    self._asked.append(extent_id)
                else:
                    self._mend_all = self._start_now = True

    def has_work(self) -> bool:
        """Whether something is being mended, looked for, or about to be."""
        looking = self._start_now or (self._scanning and self._facts is not None)
        busy = looking or self._asked or len(self._queue) or self._tally.active
        return bool(busy) and not self._paused

    def start_now(self) -> None:
        """Do now what delays hold back, and mend all known damage."""
        with self._lock:
            self._mend_all = self._start_now = True
        self._observer.skip_delays()

    def pause(self) -> None:
        """Interrupt the work in hand and do nothing until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """End ``pause``."""
        self._paused = False

    def close(self) -> None:
        """Interrupt the work in hand for good."""
        self._closing = True

    def progress(self) -> ReconcileProgress:
        """Return where things stand; quick."""
        waiting_s, reason = self._observer.waiting()
        return self._tally.progress(
            active=self.has_work(),
            scanning=self._scanning,
            paused=self._paused,
            waiting_s=waiting_s,
            reason=reason,
        )

    # The maintenance thread

    def step(self) -> bool:
        """Look at one piece of the extents, or mend one extent."""
        if self._paused or self._closing or self._store.stopped:
            return False
        try:
            return self._step(self._current_facts())
        except (EngineStoppedError, InterruptedWorkError):
            return False
        finally:
            self._tally.publish_changes()

    def _current_facts(self) -> PoolFacts:
        """Return the facts; when they changed, everything is compared anew."""
        facts = self._observer.facts()
        with self._lock:
            started, self._start_now = self._start_now, False
        if facts != self._facts or started:
            self._facts = facts
            self._restart_scan()
            self._tally.forget_held()
        return facts

    def _step(self, facts: PoolFacts) -> bool:
        if self._look_at_asked(facts):
            return True
        if self._scanning:
            self._scan_piece(facts)
            return True
        work = self._queue.take()
        if work is not None:
            self._work_on(work, facts)
            return True
        retry = self._tally.due_retry()
        if retry is not None:
            self._look_again(retry, facts)
            return True
        return self._finish()

    def _restart_scan(self) -> None:
        self._queue.clear()
        self._scan.restart()
        self._scanning = True
        self._mended_since_scan = False

    def _mends(self, extent_id: ExtentId) -> bool:
        return self._mend_all or extent_id in self._mend

    def _look_at_asked(self, facts: PoolFacts) -> bool:
        with self._lock:
            asked = self._asked[:ASKED_PER_STEP]
            del self._asked[:ASKED_PER_STEP]
        for extent_id in asked:
            self._look_again(extent_id, facts)
        return bool(asked)

    def _look(self, extent_id: ExtentId, facts: PoolFacts) -> Difference | None:
        try:
            return self._mender.look(extent_id, facts, mends=self._mends(extent_id))
        except DamagedDatabaseError as error:
            # Its record says nothing that can be acted on; the others go on.
            self._events.record(EventSeverity.ERROR, "reconcile", str(error))
            return None

    def _look_again(self, extent_id: ExtentId, facts: PoolFacts) -> None:
        found = self._look(extent_id, facts)
        if found is None or found.desired.action in (Action.KEEP, Action.WAIT):
            self._settled(extent_id)
        else:
            self._take_up(found)

    def _settled(self, extent_id: ExtentId) -> None:
        self._tally.release(extent_id)
        with self._lock:
            self._mend.discard(extent_id)

    def _scan_piece(self, facts: PoolFacts) -> None:
        piece = self._scan.next_piece(facts)
        for sentence in piece.damaged:
            self._events.record(EventSeverity.ERROR, "reconcile", sentence)
        for found in piece.differences:
            if not self._tally.waits_for_retry(found.record.extent_id):
                self._take_up(found)
        self._scanning = not piece.complete

    def _take_up(self, found: Difference) -> None:
        """Queue a difference, or hold it with the reason why it cannot be closed."""
        record, desired = found.record, found.desired
        order = WorkOrder(extent_id=record.extent_id, kind=desired.kind, exposure=desired.exposure)
        work = Work(order=order, total_bytes=bytes_to_write(record, desired))
        match desired.action:
            case Action.REBUILD | Action.RECODE:
                self._tally.release(record.extent_id)
                self._queue.add(work)
            case Action.PENDING:
                self._tally.hold_pending(work, desired.reason)
            case Action.LOST:
                self._tally.hold_lost(work, desired.reason)
            case Action.KEEP | Action.WAIT:
                pass

    def _work_on(self, work: Work, facts: PoolFacts) -> None:
        """Mend one extent, decided once more on its present record."""
        extent_id = work.extent_id
        found = self._look(extent_id, facts)
        if found is None or found.desired.action not in (Action.REBUILD, Action.RECODE):
            self._look_again(extent_id, facts)
            return
        self._tally.begin(work)
        try:
            mended = self._mender.mend(found, self._note_bytes)
        except (InterruptedWorkError, EngineStoppedError):
            self._tally.put_back()
            self._queue.add(work)
            raise
        except ExtentUnrecoverableError as error:
            self._tally.hold_lost(work, str(error))
        except (CorruptionError, DeviceError, NoSpaceError) as error:
            self._tally.hold_failed(work, str(error))
        else:
            self._note_mended(work, mended, facts)

    def _note_bytes(self, done_bytes: int) -> None:
        if self._paused or self._closing:
            raise InterruptedWorkError("maintenance was paused")
        self._tally.add_bytes(done_bytes)

    def _note_mended(self, work: Work, mended: Mended, facts: PoolFacts) -> None:
        if mended.committed:
            self._mended_since_scan = True
            self._tally.done(work, mended.written_bytes)
            for hear in self.on_mended:
                hear(work.extent_id, mended.fragments)
        else:
            self._tally.put_back()
        # Part of it may be left: the fragments for which there was no disk.
        self._look_again(work.extent_id, facts)

    def _finish(self) -> bool:
        """Scan again after work, for what came meanwhile; else say the result."""
        if self._queue.overflowed or self._mended_since_scan:
            self._restart_scan()
            return True
        if not self._tally.active:
            return False
        try:
            # "Finished" is said of what survives us (P5).
            self._topology.make_safe(self._store.open_generation)
        except EngineError as error:
            self._events.record(EventSeverity.WARNING, "reconcile", f"not safe yet: {error}")
        lost = self._tally.lost_extents()
        paths = self._paths.find(lost[:NAMED_LOST_MAX])
        names = [paths.get(one) or f"extent {one}" for one in lost[:NAMED_LOST_MAX]]
        result = self._tally.finish(names)
        severity = EventSeverity.CRITICAL if lost else EventSeverity.INFO
        self._events.record(severity, "reconcile", result)
        with self._lock:
            if not self._tally.holds_any:
                self._mend.clear()
                self._mend_all = False
        self._observer.end_haste()
        return False
