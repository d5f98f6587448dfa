"""An engine over disks in memory that fail on command, with its health kept by hand."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.clock import ManualClock
from engine.device.faulty import Fault, FaultyDevice, Hang
from engine.device.lanes import Lane
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import DeviceError, DeviceSlowError
from engine.ids import DiskId, DiskUuid
from engine.model.disk import DiskState
from engine.pool.assembly import Engine
from engine.pool.disk_set import DiskPresence
from engine.pool.health_keeper import HealthKeeper
from engine.pool.membership import Membership
from engine.pool.smart import SmartWatch
from tests.memory_engine import MemoryEngine

DWELL_S: Final = 31.0
QUIET_S: Final = 901.0


def _read_nothing(device: Device) -> None:
    device.get("fragments/0/none", offset=0, length=1)


class WatchedEngine(MemoryEngine):
    """Six disks, 2+2. Time stands until ``pass_time``; ``may_fail`` is what a test says."""

    def __init__(self, folder: Path, *, disk_count: int = 6) -> None:
        self.clock = ManualClock()
        self.faulty: dict[int, FaultyDevice] = {}
        self.may_fail = 2
        self.smartctl = folder / "smartctl"
        self.smart = SmartWatch(
            self.clock,
            command=str(self.smartctl),
            drive_of=lambda path: f"/dev/{Path(path).name}" if self.smartctl.exists() else "",
        )
        super().__init__(folder, disk_count=disk_count, clock=self.clock)

    def _reach(self, device: MemoryDevice) -> Device:
        number = list(self.devices.values()).index(device) + 1
        self.faulty[number] = FaultyDevice(device)
        return self.faulty[number]

    def _open(self) -> Engine:
        engine = super()._open()
        self.membership = Membership(engine)
        self.health = HealthKeeper(
            engine,
            self.membership,
            may_fail=lambda: self.may_fail,
            on_change=lambda: None,
            smart=self.smart,
        )
        self.health.start()
        return engine

    # Looking

    def disk(self, number: int) -> DiskPresence:
        """Return what is known of disk *number*, from 1."""
        return next(
            one
            for one in self.engine.base.disks.presences()
            if one.record.disk_id == DiskId(number)
        )

    def state(self, number: int) -> DiskState:
        """Return the state that counts now."""
        return self.disk(number).record.state

    def said(self) -> list[str]:
        """Return the events, oldest first."""
        return [event.text for event in self.engine.base.events.since(0)]

    # Doing

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the keeper look once."""
        self.clock.advance(seconds)
        self.health.turn()

    def ask(self, number: int, times: int = 1) -> None:
        """Read something of a disk, which may fail."""
        disks = self.engine.base.disks
        for _ in range(times):
            with suppress(DeviceError):
                disks.wait(disks.submit(DiskId(number), Lane.FOREGROUND, _read_nothing))

    def hang_call(self, number: int, gate: threading.Event) -> None:
        """Let a call of the disk hang until *gate* is set, and give it up at once."""
        fault = Fault(action=Hang(gate=gate), method="get")
        self.faulty[number].add_fault(fault)
        lanes = self.engine.base.disks._disks[DiskId(number)].lanes
        assert lanes is not None
        with suppress(DeviceSlowError):
            lanes.wait(lanes.submit(Lane.FOREGROUND, _read_nothing), 0.05)
        self.faulty[number].remove_fault(fault)

    def fail_calls(self, number: int, fault: Fault, times: int) -> None:
        """Let *times* calls of the disk meet *fault*."""
        self.faulty[number].add_fault(fault)
        self.ask(number, times)
        self.faulty[number].remove_fault(fault)

    def uuid(self, number: int) -> DiskUuid:
        """Return the UUID of disk *number*."""
        return self.uuids[number - 1]

    def vanish(self, number: int) -> None:
        """Let the disk go away, and be missed."""
        self.devices[self.uuid(number)].go_away()
        self.engine.base.disks.detach(DiskId(number), "taken away")

    def return_disk(self, number: int) -> None:
        """Let the disk come back, as a probe takes it in."""
        device = self.devices[self.uuid(number)]
        device.come_back()
        device.lose_power()
        self.engine.base.disks.attach(DiskId(number), self._reach(device), on_trial=True)
        for hear in self.membership.on_return:
            hear(DiskId(number))
