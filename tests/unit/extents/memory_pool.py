"""A pool of disks in memory: what extents need, with every fault on command."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from engine.clock import SystemClock
from engine.codec.kernel import default_kernel
from engine.device.faulty import FaultyDevice
from engine.device.lanes import DiskLanes, Lane, wait_for
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import DeviceError, DeviceGoneError
from engine.extents.buffers import BufferPool, SpareBuffers
from engine.extents.reader import ExtentReader
from engine.extents.rebuild import ExtentRebuilder
from engine.extents.slices import SliceSource
from engine.extents.verdict import Verdict
from engine.extents.verify import ExtentVerifier
from engine.extents.writer import ExtentWriter
from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId, PoolUuid
from engine.model.disk import DiskState, Tier
from engine.model.extent import ExtentRecord, FragmentRef, fragment_name
from engine.model.redundancy import Redundancy
from engine.observe.metrics import Metrics
from engine.policy.placement import DiskSpace
from engine.units import GIB

T = TypeVar("T")

POOL = PoolUuid(UUID(int=77))


@dataclass(frozen=True)
class Finding:
    """One report of corruption."""

    index: int
    disk_id: DiskId
    kind: Verdict


@dataclass
class MemoryDisks:
    """A ``DiskSource`` over memory devices that fail on command."""

    devices: dict[DiskId, FaultyDevice]
    memory: dict[DiskId, MemoryDevice]
    lanes: dict[DiskId, DiskLanes]
    timeout_s: float = 20.0
    missing: set[DiskId] = field(default_factory=set)
    spares: set[DiskId] = field(default_factory=set)
    replaced_by: dict[DiskId, set[DiskId]] = field(default_factory=dict)
    states: dict[DiskId, DiskState] = field(default_factory=dict)
    tiers: dict[DiskId, Tier] = field(default_factory=dict)
    free_bytes: dict[DiskId, int] = field(default_factory=dict)
    reserve_bytes: int = 0
    """Of each disk."""
    failures: list[tuple[DiskId, DeviceError]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    layouts: Iterator[int] = field(default_factory=lambda: itertools.count(100))
    extents: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def submit(self, disk_id: DiskId, lane: Lane, call: Callable[[Device], T]) -> Future[T]:
        if disk_id in self.missing:
            raise DeviceGoneError(f"disk {disk_id} is missing")
        return self.lanes[disk_id].submit(lane, call)

    def try_submit(
        self,
        disk_id: DiskId,
        lane: Lane,
        call: Callable[[Device], T],
        ended: Callable[[Future[T]], None],
    ) -> bool:
        return disk_id not in self.missing and self.lanes[disk_id].try_submit(lane, call, ended)

    def wait(self, future: Future[T]) -> T:
        return wait_for(future, self.timeout_s)

    def spaces(self) -> Sequence[DiskSpace]:
        return [
            DiskSpace(
                disk_id=disk_id,
                tier=self.tiers.get(disk_id, Tier.WARM),
                state=self.states.get(disk_id, DiskState.HEALTHY),
                free_bytes=self.free_bytes.get(disk_id, GIB),
                total_bytes=GIB,
                group=f"group {disk_id}",
                reserve_bytes=self.reserve_bytes,
                spare=disk_id in self.spares,
                replaces=frozenset(self.replaced_by.get(disk_id, ())),
            )
            for disk_id in self.devices
            if disk_id not in self.missing
        ]

    def readable(self, disk_id: DiskId) -> bool:
        return disk_id not in self.missing

    def report_failure(self, disk_id: DiskId, error: DeviceError) -> None:
        self.failures.append((disk_id, error))

    def report_corruption(
        self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict
    ) -> None:
        self.findings.append(Finding(index, disk_id, kind))


class MemoryPool:
    """Disks, and everything of extents over them."""

    def __init__(self, disks: MemoryDisks) -> None:
        kernel = default_kernel()
        clock = SystemClock()
        self.disks = disks
        self.metrics = Metrics()
        self.buffers = BufferPool(clock, count=2)
        self.parity = SpareBuffers()
        self.writer = ExtentWriter(self.metrics, disks, kernel=kernel, parity=self.parity)
        self.reader = ExtentReader(clock, self.metrics, disks, kernel=kernel)
        self.verifier = ExtentVerifier(disks, self.reader.fragments, kernel=kernel)
        slices = SliceSource(disks, self.reader.fragments, self.reader.reconstructor)
        self.rebuilder = ExtentRebuilder(slices, self.writer)

    def new_layout(self) -> LayoutId:
        return LayoutId(next(self.disks.layouts))

    def write(self, data: bytes, redundancy: Redundancy, *, tier: Tier = Tier.WARM) -> ExtentRecord:
        """Write *data* as a new extent."""
        buffer = self.buffers.take(timeout_s=0)
        try:
            buffer.view[: len(data)] = data
            return self.writer.write(
                buffer,
                extent_id=ExtentId(next(self.disks.extents)),
                length_bytes=len(data),
                redundancy=redundancy,
                tier=tier,
                epoch=Epoch(3),
                generation=Generation(9),
                pool_uuid=POOL,
                new_layout=self.new_layout,
                lane=Lane.FOREGROUND,
            )
        finally:
            self.buffers.give_back(buffer)

    def read(self, record: ExtentRecord, offset: int = 0, length: int | None = None) -> bytes:
        """Read through memory."""
        count = record.length_bytes - offset if length is None else length
        return bytes(self.reader.read(record, offset, count, lane=Lane.FOREGROUND))

    def reopened(self) -> MemoryPool:
        """Return the same disks with nothing in memory and nothing reported."""
        self.disks.findings.clear()
        self.disks.failures.clear()
        return MemoryPool(self.disks)

    def file_of(self, record: ExtentRecord, ref: FragmentRef) -> bytearray:
        """Return the bytes of a fragment file."""
        name = fragment_name(record.extent_id, ref.layout, ref.index)
        device = self.disks.memory[ref.disk_id]
        return bytearray(device.get(name, offset=0, length=device.stat(name).length_bytes))

    def replace_file(self, record: ExtentRecord, ref: FragmentRef, data: bytes) -> None:
        """Put other bytes where a fragment file is."""
        name = fragment_name(record.extent_id, ref.layout, ref.index)
        device = self.disks.memory[ref.disk_id]
        device.delete(name)
        device.put(name, [data])

    def flip(self, record: ExtentRecord, index: int, offset: int) -> None:
        """Invert one byte of a fragment file; negative offsets count from its end."""
        data = self.file_of(record, record.fragments[index])
        data[offset] ^= 0xFF
        self.replace_file(record, record.fragments[index], bytes(data))

    def counted(self, method: str) -> dict[DiskId, tuple[int, int]]:
        """Return (calls, bytes) of *method* so far, for disks that had any."""
        return {
            disk_id: (device.counters.calls[method], device.counters.bytes_moved[method])
            for disk_id, device in self.disks.devices.items()
            if device.counters.calls[method]
        }

    def forget_counts(self) -> None:
        """Start counting anew."""
        for device in self.disks.devices.values():
            device.counters.calls.clear()
            device.counters.bytes_moved.clear()


@contextmanager
def memory_pool(disk_count: int) -> Iterator[MemoryPool]:
    """Yield a pool of *disk_count* empty disks with ids from 1."""
    ids = [DiskId(number) for number in range(1, disk_count + 1)]
    memory = {disk_id: MemoryDevice() for disk_id in ids}
    devices = {disk_id: FaultyDevice(memory[disk_id]) for disk_id in ids}
    lanes = {
        disk_id: DiskLanes(device, on_slow=lambda: None) for disk_id, device in devices.items()
    }
    try:
        yield MemoryPool(MemoryDisks(devices, memory, lanes))
    finally:
        for one in lanes.values():
            one.close()


def pattern(length_bytes: int, seed: int = 1) -> bytes:
    """Return bytes that differ everywhere and with *seed*."""
    return random.Random(seed).randbytes(length_bytes)
