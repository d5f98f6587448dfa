"""Takes reports of bad fragments from readers and turns them into facts."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from engine.clock import Clock
from engine.errors import DamagedDatabaseError, EngineStoppedError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.maintenance.inspection import Inspector
from engine.maintenance.reconcile import MendRequests
from engine.metadata.tables import Tables
from engine.observe.events import EventLog, EventSeverity

REPORTS_MAX: Final = 1024
"""Reports that wait; more are dropped, since the next read repeats them (P8)."""


@dataclass(frozen=True, slots=True)
class _Report:
    extent_id: ExtentId
    index: int
    disk_id: DiskId
    kind: Verdict


class DamageIntake:
    """A bounded queue of reports. ``report`` from any thread, ``step`` from one.

    A report may come from a reader with an older record, or of a disk that
    stumbled once. So the fragment that the present record names is verified
    again before anything is written down; then reconcile may mend it.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventLog,
        tables: Tables,
        inspector: Inspector,
        reconcile: MendRequests,
    ) -> None:
        self._clock: Final = clock
        self._events: Final = events
        self._tables: Final = tables
        self._inspector: Final = inspector
        self._reconcile: Final = reconcile
        self._lock: Final = threading.Lock()
        self._reports: deque[_Report] = deque()
        self._waiting: set[_Report] = set()

    def report(self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict) -> None:
        """Hear of a bad fragment. Never blocks, never raises."""
        report = _Report(extent_id, index, disk_id, kind)
        if not kind.needs_repair:
            return
        with self._lock:
            if report not in self._waiting and len(self._reports) < REPORTS_MAX:
                self._reports.append(report)
                self._waiting.add(report)

    def step(self) -> bool:
        """Look at one report."""
        with self._lock:
            if not self._reports:
                return False
            report = self._reports.popleft()
            self._waiting.discard(report)
        try:
            self._look_at(report)
        except EngineStoppedError:
            return False
        except DamagedDatabaseError as error:
            self._events.record(EventSeverity.ERROR, "reader", str(error))
        return True

    def _look_at(self, report: _Report) -> None:
        store = self._tables.store
        with store.lock:
            store.require_running()
            record = self._tables.extents.get(report.extent_id)
        if record is None or report.index >= len(record.fragments):
            return
        if record.fragments[report.index].disk_id != report.disk_id:
            return  # Replaced meanwhile: the report is of what was there before.
        if report.kind is Verdict.PARITY:
            verdicts = dict(enumerate(self._inspector.verdicts(record)))
        else:
            verdicts = {report.index: self._inspector.verdict(record, report.index)}
        bad = self._inspector.note(record, verdicts, self._clock.now_ns())
        if bad:
            self._events.record(
                EventSeverity.WARNING,
                "reader",
                f"extent {report.extent_id}: fragment {bad[0]} is {verdicts[bad[0]]}",
            )
            self._reconcile.mend([report.extent_id])
