"""A pool whose roots go through a shipper, for the tests of shipping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.device.faulty import FailWith, Fault, FaultyDevice, Hang
from engine.errors import (
    DeviceFailedError,
)
from engine.ids import DiskUuid, Generation
from engine.metadata.journals import JournalShipper, MemberState
from engine.model.root import RootRecord
from tests.unit.metadata.written_pool import (
    LaneDisks,
    WrittenPool,
    shipped,
)

WAIT_S = 10.0


@dataclass
class Shipping:
    """A pool whose roots go through a shipper over faulty disks."""

    pool: WrittenPool
    faulty: dict[DiskUuid, FaultyDevice]
    disks: LaneDisks
    shipper: JournalShipper
    events: list[str]
    gates: list[threading.Event] = field(default_factory=list)

    def ship(self, *, journal_set: tuple[DiskUuid, ...] | None = None) -> Generation:
        """Commit a group and submit its root."""
        record = commit_only(self.pool, journal_set)
        self.shipper.submit(shipped(record))
        return record.generation

    def wait(self, generation: Generation) -> None:
        self.shipper.wait_acknowledged(generation, WAIT_S)

    def refuse(self, *disks: DiskUuid) -> None:
        """Let every append to *disks* fail from now on."""
        for disk in disks:
            error = DeviceFailedError("worn out")
            self.faulty[disk].add_fault(Fault(action=FailWith(error=error), method="journal_put"))

    def hang(self, *disks: DiskUuid) -> threading.Event:
        """Let every append to *disks* block until the returned gate opens."""
        gate = threading.Event()
        self.gates.append(gate)
        for disk in disks:
            self.faulty[disk].add_fault(Fault(action=Hang(gate=gate), method="journal_put"))
        return gate

    def until(self, holds: Callable[[], bool]) -> None:
        """Poll, bounded, for what the shipper's own thread brings about."""
        waiting = threading.Event()
        for _ in range(1000):
            if holds():
                return
            waiting.wait(0.01)
        raise AssertionError(self.shipper.members())

    def state(self, disk: DiskUuid) -> MemberState:
        return {view.disk: view.state for view in self.shipper.members()}[disk]


def commit_only(pool: WrittenPool, journal_set: tuple[DiskUuid, ...] | None = None) -> RootRecord:
    devices, pool.devices = pool.devices, {}
    try:
        return pool.write(journal_set=journal_set)
    finally:
        pool.devices = devices
