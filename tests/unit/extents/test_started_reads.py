"""Reads that nobody waits for: one device call, proven where it ends, or made good afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.device import lanes
from engine.device.faulty import FailWith, Fault, Hang
from engine.device.lanes import Lane
from engine.device.overdue import OverdueWatch
from engine.errors import DeviceFailedError, ExtentUnrecoverableError
from engine.extents.reader import StartedRead
from engine.extents.verdict import Verdict
from engine.limits import PAGE_BYTES
from engine.model.extent import ExtentRecord
from engine.model.redundancy import ErasureCoding, Redundancy, Replication
from engine.units import KIB
from tests.unit.extents.memory_pool import Finding, MemoryPool, memory_pool, pattern

RS = ErasureCoding(4, 2)
LENGTH = 700_000
"""Slices of 172 KiB: two whole pages and a short one."""

SLICE = 172 * KIB
HEAD_BYTES = 8 * KIB
LONG_S = 20.0

PLACES = {"header": 100, "table": 4100, "page": HEAD_BYTES + 7}


@pytest.fixture
def pool() -> Iterator[MemoryPool]:
    with memory_pool(8) as pool:
        yield pool


def start(
    pool: MemoryPool, record: ExtentRecord, offset: int, length: int
) -> tuple[bytes | memoryview | StartedRead | None, threading.Event]:
    arrived = threading.Event()
    reader = pool.reader
    started = reader.start(record, offset, length, lane=Lane.FOREGROUND, arrived=arrived.set)
    return started, arrived


def ended(pool: MemoryPool, record: ExtentRecord, offset: int, length: int) -> StartedRead:
    started, arrived = start(pool, record, offset, length)
    assert isinstance(started, StartedRead)
    assert arrived.wait(LONG_S)
    return started


@pytest.mark.parametrize("redundancy", [RS, Replication(3)])
@pytest.mark.parametrize(("offset", "length"), [(10, 1), (5, 65_531), (60_000, 9_000), (SLICE, 9)])
def test_a_range_of_one_slice_is_brought_by_the_thread_that_reads_it(
    pool: MemoryPool, redundancy: Redundancy, offset: int, length: int
) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, redundancy)

    for fresh in (pool.reopened(), pool):
        found = ended(fresh, record, offset, length).data

        assert found is not None
        assert bytes(found) == data[offset : offset + length]
        assert fresh.read(record) == data


def test_pages_that_are_in_memory_already_are_not_read_again(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    fresh.read(record, PAGE_BYTES, 1)
    fresh.forget_counts()

    found = ended(fresh, record, 100, 2 * PAGE_BYTES - 100).data

    assert found is not None
    assert bytes(found) == data[100 : 2 * PAGE_BYTES]
    assert fresh.counted("get") == {record.fragments[0].disk_id: (1, PAGE_BYTES)}
    again, arrived = start(fresh, record, 100, 2 * PAGE_BYTES - 100)
    assert isinstance(again, bytes | memoryview)
    assert bytes(again) == data[100 : 2 * PAGE_BYTES]
    assert not arrived.is_set()


def test_what_takes_more_than_one_call_is_left_to_those_who_wait(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    fresh = pool.reopened()
    fresh.read(record, PAGE_BYTES, 1)

    assert start(fresh, record, SLICE - 1, 2)[0] is None  # Two slices.
    assert start(fresh, record, 0, 3 * PAGE_BYTES - 1)[0] is None  # Two runs of pages.
    fresh.disks.missing.add(record.fragments[1].disk_id)
    assert start(fresh, record, SLICE, 1)[0] is None
    assert fresh.read(record) == pattern(LENGTH)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_flipped_byte_is_found_reported_once_and_never_returned(
    pool: MemoryPool, place: int
) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    fresh.flip(record, 1, place)
    fresh.forget_counts()

    started = ended(fresh, record, SLICE, 5000)

    assert started.data is None
    assert fresh.disks.findings == [Finding(1, record.fragments[1].disk_id, Verdict.CORRUPT)]
    found = fresh.reader.finish(started, lane=Lane.FOREGROUND)
    assert bytes(found) == data[SLICE : SLICE + 5000]
    assert len(fresh.disks.findings) == 1
    assert fresh.counted("get")[record.fragments[1].disk_id][0] == 1  # Not asked again.


def test_a_disk_that_answers_with_an_error_is_reported_and_passed_by(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    disk_id = record.fragments[0].disk_id
    fault = Fault(action=FailWith(error=DeviceFailedError("sour")), method="get")
    pool.disks.devices[disk_id].add_fault(fault)

    started = ended(pool, record, 0, 100)

    assert started.data is None
    assert [disk for disk, _ in pool.disks.failures] == [disk_id]
    assert bytes(pool.reader.finish(started, lane=Lane.FOREGROUND)) == data[:100]


def test_lost_beyond_repair_is_an_error(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    fresh = pool.reopened()
    fresh.flip(record, 0, HEAD_BYTES)
    fresh.disks.missing.update(ref.disk_id for ref in record.fragments[4:])

    started = ended(fresh, record, 0, 1)

    with pytest.raises(ExtentUnrecoverableError):
        fresh.reader.finish(started, lane=Lane.FOREGROUND)


def test_a_hung_disk_is_given_up_in_time_and_others_bring_the_bytes(
    pool: MemoryPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "DEVICE_CALL_S_MAX", 0.05)
    monkeypatch.setattr(lanes, "SHARED_WATCH", OverdueWatch(look_s=0.01))
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    disk_id = record.fragments[2].disk_id
    gate = threading.Event()
    pool.disks.devices[disk_id].add_fault(Fault(action=Hang(gate=gate), method="get"))
    pool.forget_counts()

    try:
        started = ended(pool, record, 2 * SLICE, 4096)
        found = pool.reader.finish(started, lane=Lane.FOREGROUND)
    finally:
        gate.set()

    assert bytes(found) == data[2 * SLICE : 2 * SLICE + 4096]
    assert [disk for disk, _ in pool.disks.failures] == [disk_id]
    assert pool.counted("get")[disk_id][0] == 1  # Waiting for it once is enough.


def test_who_reads_what_is_under_way_waits_for_it_and_no_longer(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    disk_id = record.fragments[0].disk_id
    gate = threading.Event()
    hang = Fault(action=Hang(gate=gate), method="get", nth=1)
    pool.disks.devices[disk_id].add_fault(hang)
    pool.forget_counts()
    found: list[bytes] = []

    started, arrived = start(pool, record, 0, 10)
    assert start(pool, record, 5, 10)[0] is None
    other = threading.Thread(target=lambda: found.append(pool.read(record, 20, 10)))
    other.start()
    gate.set()
    other.join(LONG_S)

    assert arrived.wait(LONG_S)
    assert isinstance(started, StartedRead)
    assert started.data is not None
    assert (bytes(started.data), found) == (data[:10], [data[20:30]])
    assert pool.counted("get")[disk_id][0] == 1
