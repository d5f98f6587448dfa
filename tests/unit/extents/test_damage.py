"""Lost disks, flipped bytes and what reads make of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.device.faulty import FailWith, Fault
from engine.errors import (
    DeviceFailedError,
    ExtentUnrecoverableError,
)
from engine.extents.verdict import Verdict
from engine.ids import DiskId
from engine.limits import EXTENT_BYTES_MAX, PAGE_BYTES
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord, fragment_name
from engine.model.redundancy import ErasureCoding, Replication
from engine.units import KIB, MIB
from tests.unit.extents.memory_pool import Finding, MemoryPool, memory_pool, pattern

RS = ErasureCoding(4, 2)
LENGTH = 700_000
"""Slices of 176 KiB: two whole pages and a short one."""

HEAD_BYTES = 8 * KIB
PLACES = {"header": 100, "padding of the header": 3000, "table": 4100, "page": HEAD_BYTES + 7,
          "last page": -5}  # fmt: skip


@pytest.fixture
def pool() -> Iterator[MemoryPool]:
    with memory_pool(8) as pool:
        yield pool


def lose(pool: MemoryPool, *disks: DiskId) -> None:
    pool.disks.missing.update(disks)


def fragment_disks(record: ExtentRecord) -> list[DiskId]:
    return [ref.disk_id for ref in record.fragments]


@pytest.mark.parametrize("lost", itertools.combinations(range(6), 2))
def test_a_read_survives_the_loss_of_any_two_disks(pool: MemoryPool, lost: tuple[int, int]) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    lose(fresh, *(record.fragments[index].disk_id for index in lost))

    assert fresh.read(record) == data
    assert fresh.reopened().read(record, 123_456, 200_000) == data[123_456:323_456]


def test_a_read_survives_two_disks_that_answer_with_errors(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    for ref in record.fragments[1:3]:
        fault = Fault(action=FailWith(error=DeviceFailedError("sour")), method="get")
        pool.disks.devices[ref.disk_id].add_fault(fault)

    assert pool.read(record) == data
    assert {disk for disk, _ in pool.disks.failures} == set(fragment_disks(record)[1:3])
    assert pool.metrics.snapshot()["degraded_reads_total"][""] >= 1


@pytest.mark.parametrize("redundancy", [RS, Replication(3)])
def test_a_read_with_too_few_fragments_is_an_error_that_says_how_many(
    pool: MemoryPool, redundancy: ErasureCoding | Replication
) -> None:
    record = pool.write(pattern(LENGTH), redundancy)
    lose(pool, *fragment_disks(record)[:3])

    with pytest.raises(ExtentUnrecoverableError) as caught:
        pool.read(record)

    assert (caught.value.intact, caught.value.needed) == (
        len(record.fragments) - 3,
        record.needed_count,
    )


def test_a_degraded_read_of_a_whole_extent_reads_each_byte_once(pool: MemoryPool) -> None:
    data = pattern(EXTENT_BYTES_MAX)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    lose(fresh, record.fragments[0].disk_id)
    fresh.forget_counts()

    read = b"".join(fresh.read(record, start, MIB) for start in range(0, len(data), MIB))

    assert read == data
    moved = sum(count for _, count in fresh.counted("get").values())
    # Either parity may serve, so at most five heads are read.
    assert EXTENT_BYTES_MAX < moved <= EXTENT_BYTES_MAX + 5 * HEAD_BYTES


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("index", range(6))
def test_a_flipped_byte_anywhere_is_found_reported_and_never_returned(
    pool: MemoryPool, index: int, place: int
) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    fresh.flip(record, index, place)

    assert fresh.read(record) == data
    expected = {Finding(index, record.fragments[index].disk_id, Verdict.CORRUPT)}
    assert set(fresh.disks.findings) == (expected if index < 4 else set())
    assert fresh.verifier.verify_fragment(record, index) is Verdict.CORRUPT
    assert set(fresh.disks.findings) == expected


def test_a_fragment_that_failed_is_not_asked_again_in_the_same_read(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    fresh = pool.reopened()
    fresh.flip(record, 0, PLACES["header"])
    fresh.forget_counts()

    fresh.read(record, 0, 10)

    assert len(fresh.disks.findings) == 1
    assert fresh.counted("get")[record.fragments[0].disk_id][0] == 1  # Head and page in one.


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 184_319)), min_size=1, max_size=6),
    st.sampled_from([RS, Replication(3)]),
)
def test_flips_everywhere_give_the_right_bytes_or_an_error_never_others(
    pool: MemoryPool, flips: set[tuple[int, int]], redundancy: ErasureCoding | Replication
) -> None:
    pool.disks.findings.clear()
    data = pattern(LENGTH)
    record = pool.write(data, redundancy)
    for index, offset in flips:
        if index < len(record.fragments):
            pool.flip(record, index, offset)
    fresh = pool.reopened()
    for start in range(0, LENGTH, 100_000):
        try:
            found = fresh.read(record, start, min(100_000, LENGTH - start))
        except ExtentUnrecoverableError:
            assert len({index for index, _ in flips}) > 2
        else:
            assert found == data[start : start + 100_000]


def test_pages_damaged_in_different_fragments_are_each_recovered(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    # Three fragments are damaged, yet each page has at least four good sources.
    for index, page in ((0, 0), (1, 0), (0, 1), (2, 1), (3, 2), (4, 2)):
        pool.flip(record, index, HEAD_BYTES + page * PAGE_BYTES)

    assert pool.reopened().read(record) == data


@pytest.mark.parametrize("kept_bytes", [0, 100, HEAD_BYTES, HEAD_BYTES + 2 * PAGE_BYTES])
def test_a_fragment_cut_short_gives_the_right_bytes_and_a_report(
    pool: MemoryPool, kept_bytes: int
) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    whole = fresh.file_of(record, record.fragments[0])
    fresh.replace_file(record, record.fragments[0], bytes(whole[:kept_bytes]))

    assert fresh.read(record) == data
    assert {(one.index, one.kind) for one in fresh.disks.findings} == {(0, Verdict.CORRUPT)}


def test_a_fragment_cut_short_or_gone_is_found(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    fresh = pool.reopened()
    whole = fresh.file_of(record, record.fragments[0])
    fresh.replace_file(record, record.fragments[0], bytes(whole[:-PAGE_BYTES]))
    second = record.fragments[1]
    fresh.disks.memory[second.disk_id].delete(
        fragment_name(record.extent_id, second.layout, second.index)
    )

    assert fresh.read(record) == data
    assert {(one.index, one.kind) for one in fresh.disks.findings} == {
        (0, Verdict.CORRUPT),
        (1, Verdict.MISSING),
    }


def test_a_stale_or_foreign_fragment_under_the_right_name_cannot_pass(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    other = pool.write(pattern(LENGTH, seed=2), RS)
    fresh = pool.reopened()
    foreign = fresh.file_of(other, other.fragments[2])
    fresh.replace_file(record, record.fragments[2], bytes(foreign))

    assert fresh.read(record) == data
    assert {one.kind for one in fresh.disks.findings} == {Verdict.MISPLACED}
    assert fresh.verifier.verify_fragment(record, 2) is Verdict.MISPLACED


def test_copies_are_read_from_the_healthiest_disk(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, Replication(3))
    good = record.fragments[1].disk_id
    pool.disks.states = {disk: DiskState.SUSPECT for disk in fragment_disks(record) if disk != good}
    pool.forget_counts()

    assert pool.read(record) == data
    assert set(pool.counted("get")) == {good}


def test_the_last_copy_is_read_even_from_a_failed_disk(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, Replication(3))
    disks = fragment_disks(record)
    lose(pool, *disks[:2])
    pool.disks.states = {disks[2]: DiskState.FAILED}
    assert pool.read(record) == data
