"""What happens to fragment files that nobody names: deleted late, or set aside.

Such files are what an interrupted write or repair leaves. But a file may also
be younger than its row, or belong to a history this database does not know,
so every doubt keeps it (P5).
"""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum, auto
from typing import Final

from engine.clock import Clock
from engine.device.lanes import Lane
from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, NameAbsentError
from engine.extents.disks import DiskSource
from engine.format.constants import HEADER_BYTES
from engine.format.fragment import FragmentHeader, decode_header
from engine.ids import ExtentId
from engine.limits import FINDINGS_MAX, QUARANTINE_AGE_S
from engine.maintenance.listing import UnnamedFile, is_named, parse_name
from engine.maintenance.topology import Topology
from engine.metadata.tables import Tables
from engine.observe.events import EventLog, EventSeverity
from engine.units import NS_PER_S


class Fate(Enum):
    """What becomes of an unnamed file."""

    LEAVE = auto()
    """Somebody may be about to name it; a later listing finds it again."""
    DELETE = auto()
    SET_ASIDE = auto()


class UnreferencedFiles:
    """Decides on files that listings found. ``offer`` and ``step`` by one thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventLog,
        topology: Topology,
        tables: Tables,
        disks: DiskSource,
    ) -> None:
        self._clock: Final = clock
        self._events: Final = events
        self._topology: Final = topology
        self._tables: Final = tables
        self._disks: Final = disks
        self._lock: Final = threading.Lock()
        self._offered: deque[UnnamedFile] = deque()

    def offer(self, file: UnnamedFile) -> None:
        """Have *file* looked at; forgotten when too many wait, a listing repeats it."""
        with self._lock:
            if len(self._offered) < FINDINGS_MAX:
                self._offered.append(file)

    def step(self) -> bool:
        """Settle one file."""
        with self._lock:
            if not self._offered:
                return False
            file = self._offered.popleft()
        try:
            self._settle(file)
        except NameAbsentError:
            pass  # Gone already.
        except DeviceError as error:
            self._disks.report_failure(file.disk_id, error)
        return True

    def _settle(self, file: UnnamedFile) -> None:
        age_ns = self._clock.now_ns() - file.mtime_ns
        if age_ns < QUARANTINE_AGE_S * NS_PER_S:
            return

        def read_header(device: Device) -> bytes:
            return bytes(device.get(file.name, offset=0, length=HEADER_BYTES))

        data = self._disks.wait(self._disks.submit(file.disk_id, Lane.MAINTENANCE, read_header))
        fate = self.fate_of(file, data)
        if fate is Fate.LEAVE:
            return

        def remove(device: Device) -> None:
            if fate is Fate.DELETE:
                device.delete(file.name)
                device.sync([file.name])
            else:
                device.set_aside(file.name)

        self._disks.wait(self._disks.submit(file.disk_id, Lane.MAINTENANCE, remove))
        verb = "deleted" if fate is Fate.DELETE else "set aside"
        self._events.record(EventSeverity.INFO, "collect", f"{file.name}: unnamed, {verb}")

    def fate_of(self, file: UnnamedFile, header: bytes) -> Fate:
        """Return what becomes of *file*, old enough, whose first bytes are *header*."""
        store = self._tables.store
        parts = parse_name(file.name)
        with store.lock:
            if store.stopped or is_named(store.connection, file.disk_id, file.name):
                return Fate.LEAVE
            if parts is not None and self._tables.garbage.is_landing(ExtentId(parts[0])):
                return Fate.LEAVE
            template, open_generation = store.template, store.open_generation
        try:
            found = decode_header(header)
        except DamagedRecordError:
            return Fate.SET_ASIDE
        if found.epoch == template.epoch and found.generation >= open_generation:
            return Fate.LEAVE  # Written by this very process, not long ago.
        provably_ours = found.pool_uuid == template.pool_uuid and parts == _identity(found)
        if not provably_ours or template.forced:
            return Fate.SET_ASIDE
        if found.generation > self._topology.acknowledged():
            return Fate.SET_ASIDE
        return Fate.DELETE


def _identity(header: FragmentHeader) -> tuple[int, int, int]:
    return (int(header.extent_id), int(header.layout), header.index)
