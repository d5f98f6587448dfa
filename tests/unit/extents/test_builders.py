"""Buffers, builders and read-ahead: memory only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import ManualClock, SystemClock
from engine.extents.buffers import (
    DATA_ROOM_BYTES,
    BufferPool,
    BufferWaitError,
    SpareBuffers,
    parity_room,
)
from engine.extents.builder import BuilderReleasedError, BuilderState, ExtentBuilder
from engine.extents.read_ahead import SequenceDetector
from engine.limits import EXTENT_BYTES_MAX, READ_AHEAD_BYTES_MAX, SEQUENCE_GAP_BYTES_MAX
from engine.model.disk import Tier
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    narrowed,
    slice_bytes,
)
from engine.units import MIB

RS = ErasureCoding(4, 2)


def builder(pool: BufferPool, sequence: int = 1) -> ExtentBuilder:
    return ExtentBuilder(
        pool.take(timeout_s=0), sequence=sequence, redundancy=RS, tier=Tier.WARM, opened_s=0.0
    )


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.binary(max_size=40)), max_size=30))
def test_a_builder_reads_as_what_was_appended_and_overwritten(
    steps: list[tuple[bool, float, bytes]],
) -> None:
    pool = BufferPool(SystemClock(), count=1)
    built, model = builder(pool), bytearray()
    for is_append, where, data in steps:
        if is_append:
            assert built.append(data) == len(model)
            model += data
        elif len(data) <= len(model):
            offset = int(where * (len(model) - len(data)))
            built.overwrite(offset, data)
            model[offset : offset + len(data)] = data
        assert built.read(0, built.length) == bytes(model)
    built.release(pool)


def test_a_builder_refuses_what_does_not_fit() -> None:
    built = builder(BufferPool(SystemClock()))
    built.append(bytes(EXTENT_BYTES_MAX - 1))
    with pytest.raises(ValueError, match="do not fit"):
        built.append(b"ab")
    built.append(b"a")
    assert built.room == 0


def test_a_frozen_builder_never_changes() -> None:
    built = builder(BufferPool(SystemClock()))
    built.append(b"abc")
    built.freeze()
    assert built.room == 0
    with pytest.raises(ValueError, match="FROZEN"):
        built.overwrite(0, b"x")
    with pytest.raises(ValueError, match="do not fit"):
        built.append(b"x")
    assert built.read(0, 3) == b"abc"


def test_reading_a_released_builder_is_refused_not_answered_with_another_extents_bytes() -> None:
    pool = BufferPool(SystemClock(), count=1)
    built = builder(pool)
    built.append(b"mine")
    built.release(pool)
    other = builder(pool, sequence=2)
    other.append(b"theirs")
    with pytest.raises(BuilderReleasedError):
        built.read(0, 4)
    built.release(pool)
    assert built.state is BuilderState.RELEASED
    assert pool.free_count == 0


def test_no_more_buffers_exist_than_the_bound_and_waiting_ends_in_time() -> None:
    clock = ManualClock()
    pool = BufferPool(clock, count=2)
    first = pool.take(timeout_s=0)
    assert pool.try_take() is not None
    assert pool.try_take() is None
    with pytest.raises(BufferWaitError):
        pool.take(timeout_s=0)
    pool.give_back(first)
    assert pool.try_take() is first


def test_a_buffer_that_an_abandoned_call_may_read_is_not_handed_out_again() -> None:
    pool = BufferPool(SystemClock(), count=1)
    buffer = pool.take(timeout_s=0)
    buffer.abandoned = True
    pool.give_back(buffer)
    again = pool.take(timeout_s=0)
    assert again is not buffer
    assert not again.abandoned


def test_spare_memory_too_small_for_a_redundancy_is_replaced() -> None:
    spares = SpareBuffers()
    spares.give_back(spares.take(parity_room(Replication(2))))
    assert len(spares.take(parity_room(RS)).view) >= parity_room(RS)


@pytest.mark.parametrize("wanted", [RS, ErasureCoding(10, 4), ErasureCoding(1, 1), Replication(3)])
@pytest.mark.parametrize("length", [1, 5 * MIB + 1, EXTENT_BYTES_MAX])
def test_the_room_is_enough_for_every_narrower_form(wanted: Redundancy, length: int) -> None:
    for disks in range(1, fragment_count(wanted) + 1):
        form = narrowed(wanted, disks)
        if isinstance(form, ErasureCoding):
            assert form.data * slice_bytes(form, length) <= DATA_ROOM_BYTES
            assert form.parity * slice_bytes(form, length) <= parity_room(wanted)
        elif form is not None:
            assert slice_bytes(form, length) <= DATA_ROOM_BYTES


# Read-ahead


@given(
    st.lists(st.integers(4096, 1 * MIB), min_size=3, max_size=60),
    st.integers(0, SEQUENCE_GAP_BYTES_MAX),
)
def test_sequential_reading_is_advised_each_byte_once_and_never_too_far(
    lengths: list[int], gap: int
) -> None:
    detector, offset, advised_end, total = SequenceDetector(), 0, 0, 0
    for length in lengths:
        start, count = detector.advise(offset, length)
        if count:
            assert start >= advised_end
            assert start >= offset + length
            advised_end = start + count
            total += count
            assert advised_end - (offset + length) <= READ_AHEAD_BYTES_MAX
        offset += length + gap
    assert total > 0


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40, unique=True))
def test_reading_here_and_there_is_not_read_ahead(places: list[int]) -> None:
    detector = SequenceDetector()
    for place in places:
        assert detector.advise(place * MIB, 4096) == (0, 0)


def test_a_long_sequence_reaches_the_whole_window() -> None:
    detector = SequenceDetector()
    counts = [detector.advise(number * MIB, MIB) for number in range(64)]
    reach = max(start + count - (number + 1) * MIB for number, (start, count) in enumerate(counts))
    assert reach == READ_AHEAD_BYTES_MAX
    # Advice comes in pieces worth a device call, not with every read.
    assert sum(count > 0 for _, count in counts) <= 16


def test_two_reads_in_a_row_are_not_yet_a_sequence() -> None:
    detector = SequenceDetector()
    assert [detector.advise(0, 4096), detector.advise(4096, 4096)] == [(0, 0), (0, 0)]
    assert detector.advise(8192, 4096)[1] > 0
