"""The disks of an open pool: which are there, and how they are reached.

Implements what extents (``DiskSource``) and metadata (``JournalDisks``) need.
Thread-safe; the lock is a leaf and never held across a device call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from engine.clock import Clock
from engine.device.lanes import DiskLanes, Lane, wait_for
from engine.device.protocol import Capacity, Device
from engine.errors import DeviceError, DeviceGoneError, DeviceSlowError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, DiskUuid, ExtentId
from engine.model.disk import DiskRecord, DiskState
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.policy.capacity import reserve_bytes
from engine.policy.placement import DiskSpace
from engine.pool.metered import MeteredDevice

T = TypeVar("T")

CLOSE_GONE_S: Final = 0.1
"""How long the close of a disk that is gone may hold up the probe of the others."""


@dataclass(slots=True)
class PoolDisk:
    """One disk as this process sees it. ``lanes`` is None while it is missing."""

    record: DiskRecord
    lanes: DiskLanes | None
    capacity: Capacity
    absent_since_s: float | None = None
    reason: str = ""
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPresence:
    """A disk's record with what probes know of it."""

    record: DiskRecord
    present: bool
    absent_since_s: float | None
    reason: str
    capacity: Capacity


CorruptionHook = Callable[[ExtentId, int, DiskId, Verdict], None]


class DiskSet:
    """Every disk of the pool, by id and by UUID."""

    def __init__(
        self,
        *,
        clock: Clock,
        metrics: Metrics,
        events: EventLog,
        on_corruption: CorruptionHook,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._events = events
        self._on_corruption = on_corruption
        self._lock = threading.Lock()
        self._disks: dict[DiskId, PoolDisk] = {}
        self._ids: dict[DiskUuid, DiskId] = {}
        self.probe_wanted = threading.Event()
        """Set when a call failed in a way that a probe should look into."""

    # Members

    def add(self, record: DiskRecord, device: Device | None, reason: str = "") -> None:
        """Take a disk in, with its device or the reason why it has none."""
        disk = PoolDisk(record, None, Capacity(0, 0, f"missing-{record.disk_id}"))
        if device is None:
            disk.absent_since_s = self._clock.monotonic_s()
            disk.reason = reason
        with self._lock:
            self._disks[record.disk_id] = disk
            self._ids[record.uuid] = record.disk_id
        if device is not None:
            self.attach(record.disk_id, device)

    def attach(self, disk_id: DiskId, device: Device) -> bool:
        """The disk is there: reach it through *device* from now on.

        Returns False, with *device* closed, when it went away already or does
        not answer.
        """
        metered = MeteredDevice(device, self._metrics, self._disks[disk_id].record.name)
        lanes = DiskLanes(metered, on_slow=lambda: self._note_slow(disk_id))
        try:
            capacity = wait_for(lanes.submit(Lane.MAINTENANCE, lambda one: one.capacity()))
        except DeviceError as error:
            lanes.close_device(timeout_s=CLOSE_GONE_S)
            with self._lock:
                disk = self._disks[disk_id]
                disk.reason = str(error)
                if disk.absent_since_s is None:
                    disk.absent_since_s = self._clock.monotonic_s()
            return False
        with self._lock:
            disk = self._disks[disk_id]
            disk.lanes, disk.capacity = lanes, capacity
            disk.absent_since_s, disk.reason, disk.slow = None, "", False
        return True

    def detach(self, disk_id: DiskId, reason: str) -> None:
        """The disk is gone: later calls fail at once, those under way end as they do."""
        with self._lock:
            disk = self._disks[disk_id]
            lanes, disk.lanes = disk.lanes, None
            if lanes is None:
                return
            disk.absent_since_s, disk.reason = self._clock.monotonic_s(), reason
        self._events.record(
            EventSeverity.ERROR,
            disk.record.name,
            f"{disk.record.name} is gone from {disk.record.path}: {reason}",
        )
        lanes.close_device(timeout_s=CLOSE_GONE_S)

    def probe(self, disk_id: DiskId) -> None:
        """Check that the disk is there; raises what the device says.

        Unlike ``submit`` it reaches a disk that is marked failed, too.
        """
        lanes = self._disks[disk_id].lanes
        if lanes is None:
            raise DeviceGoneError(f"disk {disk_id} is missing")
        wait_for(lanes.submit(Lane.MAINTENANCE, lambda device: device.check_presence()))
        with self._lock:
            disk = self._disks[disk_id]
            if disk.slow and disk.lanes is lanes and not lanes.stuck_count:
                disk.slow, disk.reason = False, ""

    def note_absence(self, disk_id: DiskId, reason: str) -> None:
        """Keep the newest reason why a missing disk is not there."""
        with self._lock:
            disk = self._disks[disk_id]
            if disk.lanes is None:
                disk.reason = reason

    def set_state(self, disk_id: DiskId, state: DiskState) -> None:
        """Follow a state that was committed."""
        with self._lock:
            disk = self._disks[disk_id]
            disk.record = replace(disk.record, state=state)
            disk.slow = False

    def close(self) -> None:
        """Release every disk; stuck calls stay behind."""
        with self._lock:
            lanes = [disk.lanes for disk in self._disks.values() if disk.lanes is not None]
            for disk in self._disks.values():
                disk.lanes = None
        for one in lanes:
            one.close_device()

    def presences(self) -> list[DiskPresence]:
        """Return every disk with what probes know of it, in order of id."""
        with self._lock:
            return [
                DiskPresence(
                    record=disk.record
                    if not disk.slow or disk.record.state is not DiskState.HEALTHY
                    else replace(disk.record, state=DiskState.SUSPECT),
                    present=disk.lanes is not None,
                    absent_since_s=disk.absent_since_s,
                    reason=disk.reason,
                    capacity=disk.capacity,
                )
                for _, disk in sorted(self._disks.items())
            ]

    def id_of(self, uuid: DiskUuid) -> DiskId | None:
        """Return the id of a member."""
        return self._ids.get(uuid)

    def measure(self, disk_id: DiskId) -> None:
        """Ask the disk how much room it has; a failure is left to the probe."""
        try:
            capacity = self.wait(self.submit(disk_id, Lane.MAINTENANCE, lambda d: d.capacity()))
        except DeviceError:
            self.probe_wanted.set()
            return
        with self._lock:
            self._disks[disk_id].capacity = capacity

    def _note_slow(self, disk_id: DiskId) -> None:
        disk = self._disks[disk_id]
        if not disk.slow:
            disk.slow = True
            disk.reason = "it did not answer in time"
            self._events.record(
                EventSeverity.ERROR, disk.record.name, f"{disk.record.name} is suspect: no answer"
            )
        self.probe_wanted.set()

    # DiskSource

    def submit(self, disk_id: DiskId, lane: Lane, call: Callable[[Device], T]) -> Future[T]:
        """Queue *call* in a lane of the disk; DeviceGoneError when it is not there."""
        disk = self._disks.get(disk_id)
        lanes = None if disk is None else disk.lanes
        if lanes is None or disk is None:
            raise DeviceGoneError(f"disk {disk_id} is missing")
        if disk.record.state is DiskState.FAILED:
            raise DeviceGoneError(f"disk {disk.record.name} is marked failed")
        return lanes.submit(lane, call)

    def wait(self, future: Future[T]) -> T:
        """Return the result, or raise what the call raised; bounded."""
        return wait_for(future)

    def spaces(self) -> Sequence[DiskSpace]:
        """Return what placement may know of every disk that is present."""
        with self._lock:
            return [
                DiskSpace(
                    disk_id=disk_id,
                    tier=disk.record.tier,
                    state=DiskState.SUSPECT if disk.slow else disk.record.state,
                    free_bytes=disk.capacity.free_bytes - reserve_bytes(disk.capacity.total_bytes),
                    total_bytes=disk.capacity.total_bytes,
                    group=disk.capacity.group,
                )
                for disk_id, disk in self._disks.items()
                if disk.lanes is not None
            ]

    def readable(self, disk_id: DiskId) -> bool:
        """Whether asking the disk makes sense now."""
        disk = self._disks.get(disk_id)
        return (
            disk is not None
            and disk.lanes is not None
            and disk.record.state is not DiskState.FAILED
        )

    def report_failure(self, disk_id: DiskId, error: DeviceError) -> None:
        """Hear that a call failed: a probe looks at the disk soon."""
        disk = self._disks.get(disk_id)
        if disk is None or disk.lanes is None:
            return
        if not isinstance(error, DeviceSlowError | DeviceGoneError):
            self._events.record(EventSeverity.WARNING, disk.record.name, str(error))
        self.probe_wanted.set()

    def report_corruption(
        self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict
    ) -> None:
        """Hear that a fragment is not what its record says."""
        disk = self._disks.get(disk_id)
        if disk is not None:
            self._metrics.counter("disk_corruptions_total", disk.record.name).add()
        self._on_corruption(extent_id, index, disk_id, kind)


class JournalReach:
    """The same disks as the journals see them: by UUID (``JournalDisks``)."""

    def __init__(self, disks: DiskSet) -> None:
        self._disks = disks

    def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
        """Run *call* on the disk soon; DeviceGoneError when it is not there."""
        disk_id = self._disks.id_of(disk)
        if disk_id is None:
            raise DeviceGoneError(f"disk {disk} is no member")
        return self._disks.submit(disk_id, Lane.FOREGROUND, call)

    def wait(self, future: Future[T]) -> T:
        """Return the result; bounded."""
        return wait_for(future)

    def reachable(self) -> Sequence[DiskUuid]:
        """Return the disks that answer now and are not marked failed."""
        return [
            one.record.uuid
            for one in self._disks.presences()
            if one.present and one.record.state is not DiskState.FAILED
        ]
