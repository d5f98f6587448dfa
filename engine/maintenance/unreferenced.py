"""What happens to fragment files that nobody names: deleted late, or set aside.

Such files are what an interrupted write or repair leaves. But a file may also
be younger than its row, or belong to a history this database does not know,
so every doubt keeps it (P5).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Judged:
    """What may become of a file, and why it may not be deleted."""

    fate: Fate
    reason: str
    is_of_this_epoch: bool = False
    """Whether it was written since the pool was opened."""


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
        if self.age_s(file) < QUARANTINE_AGE_S:
            return
        fate = self.judge(file).fate
        if fate is not Fate.LEAVE:
            self.carry_out(file, fate)

    def age_s(self, file: UnnamedFile) -> float:
        """Return how long ago *file* was written, by its own time."""
        return (self._clock.now_ns() - file.mtime_ns) / NS_PER_S

    def judge(self, file: UnnamedFile) -> Judged:
        """Read the header of *file* and say what may become of it, of any age.

        Raises:
            NameAbsentError: it is gone already.
            DeviceError: its disk does not answer.
        """

        def read_header(device: Device) -> bytes:
            return bytes(device.get(file.name, offset=0, length=HEADER_BYTES))

        data = self._disks.wait(self._disks.submit(file.disk_id, Lane.MAINTENANCE, read_header))
        return self.judged(file, data)

    def carry_out(self, file: UnnamedFile, fate: Fate) -> None:
        """Delete *file*, or set it aside, and tell.

        Raises:
            DeviceError: its disk does not do it.
        """

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
        return self.judged(file, header).fate

    def judged(self, file: UnnamedFile, header: bytes) -> Judged:
        """Judge *file* by its first bytes."""
        store = self._tables.store
        parts = parse_name(file.name)
        with store.lock:
            if store.stopped or is_named(store.connection, file.disk_id, file.name):
                return Judged(Fate.LEAVE, "the metadata name it, or cannot be asked")
            if parts is not None and self._tables.garbage.is_landing(ExtentId(parts[0])):
                return Judged(Fate.LEAVE, "its extent is being written")
            template, open_generation = store.template, store.open_generation
        try:
            found = decode_header(header)
        except DamagedRecordError:
            return Judged(Fate.SET_ASIDE, "its header is damaged or foreign")
        ours = found.epoch == template.epoch
        if ours and found.generation >= open_generation:
            # Written by this very process, not long ago.
            return Judged(Fate.LEAVE, "it was written just now", ours)
        provably_ours = found.pool_uuid == template.pool_uuid and parts == _identity(found)
        if not provably_ours:
            return Judged(Fate.SET_ASIDE, "it is of another pool, or not what its name says", ours)
        if template.forced:
            return Judged(Fate.SET_ASIDE, "the pool was opened by force", ours)
        if found.generation > self._topology.acknowledged():
            return Judged(Fate.SET_ASIDE, "it is younger than the newest safe root", ours)
        return Judged(Fate.DELETE, "", ours)


def _identity(header: FragmentHeader) -> tuple[int, int, int]:
    return (int(header.extent_id), int(header.layout), header.index)
