"""Writing extents and reading them back, whole and in ranges."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.device.faulty import FailWith, Fault, Hang, When
from engine.device.lanes import Lane
from engine.errors import DeviceFailedError, DeviceFullError, NoSpaceError
from engine.extents.buffers import parity_room
from engine.extents.cache import PageCache, SliceKey
from engine.extents.reader import ExtentReader, slice_ranges
from engine.ids import DiskId, ExtentId
from engine.limits import EXTENT_BYTES_MAX, PAGE_BYTES
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import ErasureCoding, Redundancy, Replication
from engine.observe.metrics import Metrics
from engine.units import KIB, MIB
from tests.unit.extents.memory_pool import MemoryPool, memory_pool, pattern

HEAD_BYTES = 8 * KIB
"""Header and page table of a fragment of at most 8 MiB."""


@pytest.fixture
def pool() -> Iterator[MemoryPool]:
    with memory_pool(7) as pool:
        yield pool


REDUNDANCIES = st.sampled_from(
    [ErasureCoding(4, 2), ErasureCoding(1, 2), ErasureCoding(3, 1), Replication(1), Replication(3)]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.integers(1, 70_000), st.integers(1, 700_000)),
    REDUNDANCIES,
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
)
def test_any_range_reads_as_it_was_written(
    pool: MemoryPool, length: int, redundancy: Redundancy, ranges: list[tuple[float, float]]
) -> None:
    data = pattern(length)
    record = pool.write(data, redundancy)
    for start, share in ranges:
        offset = int(start * length)
        count = int(share * (length - offset))
        assert pool.read(record, offset, count) == data[offset : offset + count]
        assert pool.read(record) == data
    assert pool.disks.findings == []


def test_a_full_extent_survives_a_new_start(pool: MemoryPool) -> None:
    data = pattern(EXTENT_BYTES_MAX)
    record = pool.write(data, ErasureCoding(4, 2))
    assert pool.reopened().read(record) == data
    assert len({ref.disk_id for ref in record.fragments}) == 6


def test_a_reused_buffer_leaves_nothing_of_its_past_in_the_padding(pool: MemoryPool) -> None:
    for _ in range(3):
        pool.write(b"\xaa" * EXTENT_BYTES_MAX, ErasureCoding(4, 2))
    record = pool.write(b"small", ErasureCoding(4, 2))

    first = bytes(pool.file_of(record, record.fragments[0])[HEAD_BYTES:])
    second = bytes(pool.file_of(record, record.fragments[1])[HEAD_BYTES:])

    assert first == b"small".ljust(4 * KIB, b"\0")
    assert second == bytes(4 * KIB)


def test_a_range_read_touches_one_disk_and_only_the_pages_asked(pool: MemoryPool) -> None:
    record = pool.write(pattern(EXTENT_BYTES_MAX), ErasureCoding(4, 2))
    fresh = pool.reopened()
    fresh.forget_counts()

    fresh.read(record, 2 * MIB + 3 * PAGE_BYTES + 5, PAGE_BYTES)  # Crosses two pages.

    assert fresh.counted("get") == {record.fragments[1].disk_id: (2, HEAD_BYTES + 2 * PAGE_BYTES)}


def test_a_megabyte_is_one_device_call_once_the_page_table_is_known(pool: MemoryPool) -> None:
    record = pool.write(pattern(EXTENT_BYTES_MAX), ErasureCoding(4, 2))
    fresh = pool.reopened()
    fresh.read(record, 0, 1)
    fresh.forget_counts()

    fresh.read(record, MIB, MIB)

    assert fresh.counted("get") == {record.fragments[0].disk_id: (1, MIB)}


def test_what_was_read_once_comes_from_memory(pool: MemoryPool) -> None:
    data = pattern(MIB)
    record = pool.write(data, ErasureCoding(4, 2))
    assert pool.reader.try_read(record, 10, 100) is None
    pool.reader.prefetch(record, 0, MIB, lane=Lane.FOREGROUND)
    pool.forget_counts()

    found = pool.reader.try_read(record, 10, 500_000)

    assert found is not None
    assert bytes(found) == data[10:500_010]
    assert pool.read(record) == data
    assert pool.counted("get") == {}
    values = pool.metrics.snapshot()
    assert values["cache_misses_total"] == {"": 16}
    assert values["cache_hits_total"] == {"": 8 + 16}


def test_one_thread_fetches_what_several_ask_for_at_once(pool: MemoryPool) -> None:
    data = pattern(EXTENT_BYTES_MAX)
    record = pool.write(data, ErasureCoding(4, 2))
    fresh = pool.reopened()
    fresh.forget_counts()
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(fresh.read(record))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [data] * 4
    assert sum(moved for _, moved in fresh.counted("get").values()) == (
        EXTENT_BYTES_MAX + 4 * HEAD_BYTES
    )


def test_a_range_outside_the_extent_is_refused(pool: MemoryPool) -> None:
    record = pool.write(b"abc", Replication(2))
    with pytest.raises(ValueError, match="range"):
        pool.read(record, 1, 3)
    assert pool.read(record, 3, 0) == b""


def test_slice_ranges_cover_the_range_in_order(pool: MemoryPool) -> None:
    record = pool.write(pattern(300 * KIB), ErasureCoding(4, 2))  # Slices of 76 KiB.
    ranges = slice_ranges(record, 70 * KIB, 100 * KIB)
    assert [(one.index, one.start, one.stop) for one in ranges] == [
        (0, 70 * KIB, 76 * KIB),
        (1, 0, 76 * KIB),
        (2, 0, 18 * KIB),
    ]


# Trouble while writing (P4)


def refuse(pool: MemoryPool, disk: int, method: str, when: When = When.BEFORE) -> None:
    fault = Fault(action=FailWith(error=DeviceFailedError("sour"), when=when), method=method)
    pool.disks.devices[DiskId(disk)].add_fault(fault)


@pytest.mark.parametrize("method", ["put", "sync"])
@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("disk", range(1, 8))
def test_a_fragment_whose_disk_fails_goes_to_another_disk(
    pool: MemoryPool, method: str, when: When, disk: int
) -> None:
    refuse(pool, disk, method, when)
    data = pattern(100_000)

    record = pool.write(data, ErasureCoding(4, 2))

    assert record.redundancy == ErasureCoding(4, 2)
    assert disk not in {ref.disk_id for ref in record.fragments}
    assert pool.read(record) == data
    for ref in record.fragments:
        assert ref.disk_id not in {disk_id for disk_id, _ in pool.disks.failures}


def test_every_fragment_is_durable_when_the_record_is_returned(pool: MemoryPool) -> None:
    refuse(pool, 2, "sync")
    data = pattern(100_000)
    record = pool.write(data, ErasureCoding(4, 2))
    pool.disks.devices[DiskId(2)].clear_faults()
    for device in pool.disks.memory.values():
        device.lose_power()

    fresh = pool.reopened()
    assert fresh.read(record) == data
    assert [fresh.verifier.verify_fragment(record, i).value for i in range(6)] == ["intact"] * 6


def test_a_width_that_cannot_be_had_is_narrowed_and_the_tolerance_kept(pool: MemoryPool) -> None:
    for disk in (1, 2, 3):
        refuse(pool, disk, "put")
    data = pattern(500_000)

    record = pool.write(data, ErasureCoding(4, 2))

    assert record.redundancy == ErasureCoding(2, 2)
    assert {ref.disk_id for ref in record.fragments} == {4, 5, 6, 7}
    assert pool.read(record) == data


def test_what_an_abandoned_width_left_on_disks_is_deleted(pool: MemoryPool) -> None:
    for disk in (1, 2):
        refuse(pool, disk, "put")
    record = pool.write(pattern(500_000), ErasureCoding(4, 2))
    for lanes in pool.disks.lanes.values():
        lanes.close()

    stored = {
        disk_id: len(list(device.list("fragments")))
        for disk_id, device in pool.disks.memory.items()
    }
    assert record.redundancy == ErasureCoding(3, 2)
    assert stored == {1: 0, 2: 0, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1}


def test_disks_without_room_do_not_count_for_the_width(pool: MemoryPool) -> None:
    pool.disks.free_bytes = {DiskId(1): 0, DiskId(2): 1000}
    assert pool.write(pattern(99), ErasureCoding(4, 2)).redundancy == ErasureCoding(3, 2)


def test_a_full_disk_is_passed_over(pool: MemoryPool) -> None:
    fault = Fault(action=FailWith(error=DeviceFullError("full")), method="put")
    pool.disks.devices[DiskId(3)].add_fault(fault)
    record = pool.write(pattern(99), ErasureCoding(4, 2))
    assert 3 not in {ref.disk_id for ref in record.fragments}


@pytest.mark.parametrize("redundancy", [ErasureCoding(4, 2), Replication(3)])
def test_a_tolerance_that_cannot_be_held_is_refused(
    pool: MemoryPool, redundancy: Redundancy
) -> None:
    for disk in range(1, 6):
        refuse(pool, disk, "put")
    with pytest.raises(NoSpaceError):
        pool.write(pattern(99), redundancy)


def test_draining_and_suspect_disks_take_no_fragments(pool: MemoryPool) -> None:
    pool.disks.states = {DiskId(1): DiskState.DRAINING, DiskId(2): DiskState.SUSPECT}
    record = pool.write(pattern(99), ErasureCoding(4, 2))
    assert {ref.disk_id for ref in record.fragments} == {3, 4, 5, 6, 7}


def test_the_wanted_tier_is_filled_first(pool: MemoryPool) -> None:
    hot = {DiskId(2), DiskId(5)}
    pool.disks.tiers = dict.fromkeys(hot, Tier.HOT)
    record = pool.write(pattern(99), Replication(2), tier=Tier.HOT)
    assert {ref.disk_id for ref in record.fragments} == hot


def test_a_hanging_disk_does_not_stop_a_write_and_its_memory_is_not_reused(
    pool: MemoryPool,
) -> None:
    gate = threading.Event()
    fault = Fault(action=Hang(gate=gate), method="put")
    pool.disks.devices[DiskId(1)].add_fault(fault)
    pool.disks.timeout_s = 0.05
    data = pattern(99)
    try:
        buffer = pool.buffers.take(timeout_s=0)
        pool.buffers.give_back(buffer)
        parity = pool.parity.take(parity_room(ErasureCoding(4, 2)))
        pool.parity.give_back(parity)
        pool.disks.states = {DiskId(7): DiskState.SUSPECT}  # Six are left: 1 is chosen.
        record = pool.write(data, ErasureCoding(4, 2))
        after = pool.buffers.take(timeout_s=0)
        parity_after = pool.parity.take(parity_room(ErasureCoding(4, 2)))
    finally:
        gate.set()

    assert record.redundancy == ErasureCoding(3, 2)
    assert pool.read(record) == data
    assert after is not buffer
    assert parity_after is not parity


# The page cache


def test_the_cache_counts_whole_buffers_until_their_last_page_leaves() -> None:
    cache = PageCache(Metrics(), bytes_max=4 * PAGE_BYTES)
    keys = [SliceKey(ExtentId(number), 4, 0) for number in range(3)]
    views = {page: memoryview(bytes(PAGE_BYTES)) for page in range(2)}

    cache.put(keys[0], views)
    cache.put(keys[1], views)
    cache.get(keys[0], [0])  # Page 0 of the oldest buffer is used again.
    cache.put(keys[2], views)

    assert cache.held_bytes <= 4 * PAGE_BYTES
    assert set(cache.get(keys[2], [0, 1])) == {0, 1}


@given(st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 7), min_size=1)), max_size=30))
def test_the_cache_never_holds_more_than_its_bound(puts: list[tuple[int, set[int]]]) -> None:
    cache = PageCache(Metrics(), bytes_max=1000)
    for extent, pages in puts:
        key = SliceKey(ExtentId(extent), 1, 0)
        cache.put(key, {page: memoryview(bytes([page] * 100)) for page in pages})
        assert 0 <= cache.held_bytes <= 1000
        for page, view in cache.get(key, range(8)).items():
            assert bytes(view) == bytes([page] * 100)
    for extent in range(6):
        cache.drop_extent(ExtentId(extent))
    assert cache.held_bytes == 0


def test_a_small_cache_still_reads_right(pool: MemoryPool) -> None:
    data = pattern(2 * MIB)
    record = pool.write(data, ErasureCoding(4, 2))
    cache = PageCache(pool.metrics, bytes_max=3 * PAGE_BYTES)
    reader = ExtentReader(
        pool.buffers._clock, pool.metrics, pool.disks, kernel=pool.writer._kernel, cache=cache
    )
    assert bytes(reader.read(record, 0, 2 * MIB, lane=Lane.FOREGROUND)) == data
    assert cache.held_bytes <= 3 * PAGE_BYTES
