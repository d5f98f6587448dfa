"""Reads one extent for a scrub, or the part of it that one disk has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import DamagedDatabaseError
from engine.extents.slices import Progress, no_progress
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.maintenance.inspection import Inspector
from engine.metadata.tables import Tables
from engine.model.extent import ExtentRecord
from engine.observe.events import EventLog, EventSeverity


@dataclass(frozen=True, slots=True)
class ReadExtent:
    """What was read of *record*: a verdict by the index of each fragment asked for."""

    record: ExtentRecord
    verdicts: Mapping[int, Verdict]

    @property
    def planned_bytes(self) -> int:
        """Payload of the fragments asked for, whether they could be read or not."""
        return len(self.verdicts) * self.record.slice_bytes


class ExtentReading:
    """Judges extents on their present records. Maintenance thread only."""

    def __init__(self, *, tables: Tables, events: EventLog, inspector: Inspector) -> None:
        self._tables: Final = tables
        self._events: Final = events
        self._inspector: Final = inspector

    def read(
        self, extent_id: ExtentId, disk_id: DiskId | None, progress: Progress
    ) -> ReadExtent | None:
        """Read the fragments on *disk_id*, all without one; None when nothing is judged.

        *progress* hears the bytes read, and may raise to interrupt.
        """
        record = self._record(extent_id)
        if record is None:
            return None
        verdicts = self._verdicts(record, disk_id, progress)
        now = self._record(extent_id)
        if now is None:
            return None
        if now != record:
            # Mended or dropped meanwhile: the new one is judged.
            record, verdicts = now, self._verdicts(now, disk_id, no_progress)
        return ReadExtent(record, verdicts) if verdicts else None

    def note(self, read: ReadExtent, now_ns: int) -> list[int]:
        """Write damage down; return the indexes that need repair."""
        return self._inspector.note(read.record, dict(read.verdicts), now_ns)

    def _verdicts(
        self, record: ExtentRecord, disk_id: DiskId | None, progress: Progress
    ) -> dict[int, Verdict]:
        if disk_id is None:
            return dict(enumerate(self._inspector.verdicts(record, progress=progress)))
        asked = [ref.index for ref in record.fragments if ref.disk_id == disk_id]
        return {index: self._inspector.verdict(record, index, progress=progress) for index in asked}

    def _record(self, extent_id: ExtentId) -> ExtentRecord | None:
        store = self._tables.store
        with store.lock:
            store.require_running()
            try:
                return self._tables.extents.get(extent_id)
            except DamagedDatabaseError as error:
                self._events.record(EventSeverity.ERROR, "scrub", str(error))
                return None
