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
from engine.limits import DEVICE_CALL_S_MAX
from engine.metadata.members import NO_MARKS
from engine.model.disk import DiskMarks, DiskRecord, DiskState
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.policy.capacity import reserve_bytes
from engine.policy.placement import DiskSpace
from engine.pool.disk_statistics import DiskMeter, DiskStatistics
from engine.pool.metered import MeteredDevice

T = TypeVar("T")

DETACHED_REASON: Final = "detached by the operator"

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
    slow_since_s: float | None = None
    on_trial: bool = False
    """It came back, and nobody has looked yet at what it holds."""
    marks: DiskMarks = NO_MARKS

    @property
    def state(self) -> DiskState:
        """The committed state; suspect while it hangs or is tested, if that is worse (H1)."""
        doubtful = self.slow or self.on_trial
        well = self.record.state in (DiskState.HEALTHY, DiskState.DEGRADED)
        return DiskState.SUSPECT if doubtful and well else self.record.state


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPresence:
    """A disk's record, in its state of now, with what probes know of it."""

    record: DiskRecord
    committed: DiskState
    slow_since_s: float | None
    on_trial: bool
    present: bool
    absent_since_s: float | None
    reason: str
    capacity: Capacity
    marks: DiskMarks = NO_MARKS


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
        statistics: DiskStatistics | None = None,
    ) -> None:
        """*statistics* None keeps them in memory only."""
        self._clock = clock
        self._metrics = metrics
        self._events = events
        self._on_corruption = on_corruption
        self.statistics = statistics or DiskStatistics(clock)
        self._lock = threading.Lock()
        self._disks: dict[DiskId, PoolDisk] = {}
        self._ids: dict[DiskUuid, DiskId] = {}
        self.probe_wanted = threading.Event()
        """Set when a call failed in a way that a probe should look into."""

    # Members

    def add(
        self,
        record: DiskRecord,
        device: Device | None,
        reason: str = "",
        marks: DiskMarks = NO_MARKS,
    ) -> None:
        """Take a disk in, with its device or the reason why it has none."""
        disk = PoolDisk(record, None, Capacity(0, 0, f"missing-{record.disk_id}"), marks=marks)
        if device is None:
            disk.absent_since_s = self._clock.monotonic_s()
            disk.reason = reason
        with self._lock:
            self._disks[record.disk_id] = disk
            self._ids[record.uuid] = record.disk_id
        if device is not None:
            self.attach(record.disk_id, device)

    def attach(self, disk_id: DiskId, device: Device, *, on_trial: bool = False) -> bool:
        """The disk is there: reach it through *device* from now on.

        *on_trial* makes it suspect until ``end_trial``.
        Returns False, with *device* closed, when it went away already or does
        not answer.
        """
        record = self._disks[disk_id].record
        meter = self.statistics.meter(record.uuid)
        metered = MeteredDevice(device, self._metrics, record.name, meter)
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
            disk.on_trial, disk.slow_since_s = on_trial, None
            if on_trial:
                disk.reason = "it is back and being tested"
        return True

    def end_trial(self, disk_id: DiskId) -> None:
        """The disk passed its test: it is what its record says again."""
        with self._lock:
            disk = self._disks[disk_id]
            if disk.on_trial and disk.lanes is not None:
                disk.on_trial, disk.reason = False, ""

    def detach(self, disk_id: DiskId, reason: str) -> None:
        """The disk is gone: later calls fail at once, those under way end as they do."""
        disk = self._let_go(disk_id, reason, CLOSE_GONE_S)
        if disk is not None:
            self._events.record(
                EventSeverity.ERROR,
                disk.record.name,
                f"{disk.record.name} is gone from {disk.record.path}: {reason}",
            )

    def release(self, disk_id: DiskId, reason: str) -> None:
        """Let go of a disk because the operator wants it so: closed, unlocked, no fault."""
        self._let_go(disk_id, reason, DEVICE_CALL_S_MAX)

    def _let_go(self, disk_id: DiskId, reason: str, timeout_s: float) -> PoolDisk | None:
        """Close a disk's device; return the disk, None when it had none."""
        with self._lock:
            disk = self._disks[disk_id]
            lanes, disk.lanes = disk.lanes, None
            if lanes is None:
                return None
            disk.absent_since_s, disk.reason = self._clock.monotonic_s(), reason
        lanes.close_device(timeout_s=timeout_s)
        return disk

    def remove(self, disk_id: DiskId) -> None:
        """Follow a removal that was committed: the disk is no member any more."""
        self._let_go(disk_id, "", DEVICE_CALL_S_MAX)
        with self._lock:
            # Replaced, not changed: readers walk them without the lock.
            uuid = self._disks[disk_id].record.uuid
            self.statistics.forget(uuid)
            self._disks = {one: disk for one, disk in self._disks.items() if one != disk_id}
            self._ids = {one: known for one, known in self._ids.items() if one != uuid}

    def set_marks(self, disk_id: DiskId, marks: DiskMarks) -> None:
        """Follow what the operator decided and was committed."""
        with self._lock:
            self._disks[disk_id].marks = marks

    def marks(self, disk_id: DiskId) -> DiskMarks:
        """Return what the operator decided about the disk."""
        return self._disks[disk_id].marks

    def is_present(self, disk_id: DiskId) -> bool:
        """Whether the disk is there, in whatever state."""
        return self._disks[disk_id].lanes is not None

    def set_path(self, disk_id: DiskId, path: str) -> None:
        """Follow a disk to another directory."""
        with self._lock:
            disk = self._disks[disk_id]
            disk.record = replace(disk.record, path=path)

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
                disk.slow, disk.reason, disk.slow_since_s = False, "", None

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

    def end_doubts(self, disk_id: DiskId) -> None:
        """The operator decided about the disk: what was doubted before counts no more."""
        with self._lock:
            disk = self._disks[disk_id]
            disk.slow = disk.on_trial = False
            if disk.lanes is not None:
                disk.reason = ""
        self.meter(disk_id).begin_anew()

    def meter(self, disk_id: DiskId) -> DiskMeter:
        """Return the statistics of the disk."""
        return self.statistics.meter(self._disks[disk_id].record.uuid)

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
                    record=replace(disk.record, state=disk.state),
                    committed=disk.record.state,
                    slow_since_s=disk.slow_since_s if disk.slow else None,
                    on_trial=disk.on_trial,
                    present=disk.lanes is not None,
                    absent_since_s=disk.absent_since_s,
                    reason=disk.reason,
                    capacity=disk.capacity,
                    marks=disk.marks,
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
            if disk_id in self._disks:  # Else it left the pool meanwhile.
                self._disks[disk_id].capacity = capacity

    def _note_slow(self, disk_id: DiskId) -> None:
        disk = self._disks.get(disk_id)
        if disk is None:
            return  # It left the pool; the call was under way before.
        self.meter(disk_id).note_timeout()
        if not disk.slow:
            disk.slow, disk.slow_since_s = True, self._clock.monotonic_s()
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

    def try_submit(
        self,
        disk_id: DiskId,
        lane: Lane,
        call: Callable[[Device], T],
        ended: Callable[[Future[T]], None],
    ) -> bool:
        """Queue *call*, for which nobody waits; False where ``submit`` would wait or raise."""
        disk = self._disks.get(disk_id)
        lanes = None if disk is None else disk.lanes
        if lanes is None or disk is None or disk.record.state is DiskState.FAILED:
            return False
        return lanes.try_submit(lane, call, ended)

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
                    state=disk.state,
                    free_bytes=disk.capacity.free_bytes - reserve_bytes(disk.capacity.total_bytes),
                    total_bytes=disk.capacity.total_bytes,
                    group=disk.capacity.group,
                    reserve_bytes=reserve_bytes(disk.capacity.total_bytes),
                    spare=disk.marks.spare,
                    replaces=frozenset(
                        one for one, old in self._disks.items() if old.marks.replaced_by == disk_id
                    ),
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
            self.statistics.meter(disk.record.uuid).note_damage(extent_id, index)
        self._on_corruption(extent_id, index, disk_id, kind)
