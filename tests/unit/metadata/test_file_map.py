"""Segments and staged rows against an array of bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ids import ExtentId, MapId
from engine.limits import EXTENT_BYTES_MAX, FILE_BYTES_MAX, STAGED_ROW_BYTES_MAX
from engine.metadata.file_map import FileMap
from engine.model.inode import Segment, StagedRow
from tests.unit.metadata.shadowed_store import ShadowedStore, shadowed_store, undone

ONE, OTHER = MapId(1), MapId(2)
SPACE = 64
EXTENTS = {number: bytes((number * 50 + at) % 251 + 1 for at in range(SPACE)) for number in (1, 2)}
"""What the extents hold; never zero, so that a hole cannot pass for data."""

RANGES = st.tuples(st.integers(0, SPACE - 1), st.integers(1, SPACE)).map(
    lambda pair: (pair[0], min(SPACE, pair[0] + pair[1]))
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("segment"), RANGES, st.sampled_from(sorted(EXTENTS))),
        st.tuples(st.just("staged"), RANGES, st.integers(1, 255)),
        st.tuples(st.just("clear"), RANGES, st.just(0)),
        st.tuples(st.just("close group"), st.just((0, 0)), st.just(0)),
    ),
    max_size=14,
)


def content(file_map: FileMap, start: int = 0, end: int = SPACE) -> bytes:
    """Assemble [start, end) from the pieces, holes as zeros; overlaps are a failure."""
    found = bytearray(end - start)
    free = [True] * (end - start)
    for piece in file_map.pieces(ONE, start, end):
        match piece:
            case StagedRow(offset, data):
                part = data
            case Segment(offset, length, extent_id, extent_offset):
                part = EXTENTS[extent_id][extent_offset : extent_offset + length]
        for at in range(max(start, offset), min(end, offset + len(part))):
            assert free[at - start], f"two rows hold byte {at}"
            free[at - start] = False
            found[at - start] = part[at - offset]
    return bytes(found)


@given(steps=STEPS, window=RANGES)
def test_rows_hold_what_an_array_of_bytes_holds(
    steps: list[tuple[str, tuple[int, int], int]], window: tuple[int, int]
) -> None:
    with tempfile.TemporaryDirectory() as folder, shadowed_store(Path(folder)) as shadowed:
        file_map = shadowed.tables.file_map
        oracle, present = bytearray(SPACE), [False] * SPACE
        staged = [False] * SPACE
        for kind, (start, end), value in steps:
            if kind == "close group":
                shadowed.close_group()
                continue
            with shadowed.store.operation():
                file_map.clear(ONE, start, end, row_limit=SPACE + 1)
                if kind == "segment":
                    at = SPACE - end
                    segment = Segment(start, end - start, ExtentId(value), at)
                    file_map.put_segment(ONE, segment)
                    oracle[start:end] = EXTENTS[value][at : at + end - start]
                elif kind == "staged":
                    file_map.put_staged(ONE, start, bytes([value]) * (end - start))
                    oracle[start:end] = bytes([value]) * (end - start)
                else:
                    oracle[start:end] = bytes(end - start)
            present[start:end] = [kind != "clear"] * (end - start)
            staged[start:end] = [kind == "staged"] * (end - start)
            assert file_map.stored_bytes(ONE) == sum(present)
            assert file_map.staged_bytes == sum(staged)
            # After each step, so that what is remembered of it is in use in the next.
            assert content(file_map, *window) == oracle[window[0] : window[1]]

        assert content(file_map) == oracle


@pytest.mark.parametrize("changes_rows", [False, True])
def test_a_refusal_counts_anew_only_if_rows_were_changed(
    shadowed: ShadowedStore, monkeypatch: pytest.MonkeyPatch, *, changes_rows: bool
) -> None:
    store, file_map = shadowed.store, shadowed.tables.file_map
    with store.operation():
        file_map.put_staged(ONE, 0, b"staged")
    queries: list[str] = []

    def read(query: str, bindings: apsw.Bindings = ()) -> apsw.Cursor:
        queries.append(query)
        return store.rows.read(query, bindings)

    monkeypatch.setattr(file_map, "_read", read)

    with undone(store), store.operation():
        if changes_rows:
            file_map.put_staged(OTHER, 0, b"undone")

    assert bool(queries) == changes_rows
    assert file_map.staged_bytes == 6


def test_clearing_tells_which_extents_lost_something(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        for number in range(4):
            file_map.put_segment(ONE, Segment(number * 10, 10, ExtentId(number + 1), 0))
        file_map.put_segment(OTHER, Segment(0, 40, ExtentId(9), 0))

        cleared = file_map.clear(ONE, 15, 30, row_limit=100)

    assert cleared.extents == {2, 3}
    assert cleared.complete
    assert file_map.segments(OTHER, 0, 100) == [Segment(0, 40, ExtentId(9), 0)]


def test_a_range_in_the_middle_of_a_segment_splits_it(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        file_map.put_segment(ONE, Segment(100, 100, ExtentId(1), 7))
        file_map.clear(ONE, 130, 150, row_limit=10)

    assert file_map.segments(ONE, 0, 1000) == [
        Segment(100, 30, ExtentId(1), 7),
        Segment(150, 50, ExtentId(1), 57),
    ]


def test_a_segment_that_moved_is_found_where_it_is_now(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    segment = Segment(100, 100, ExtentId(1), 7)
    with shadowed.store.operation():
        file_map.put_segment(ONE, segment)
        assert file_map.segments(ONE, 110, 120) == [segment]

        assert file_map.move_segment(ONE, segment, ExtentId(2), 50)

    assert file_map.segments(ONE, 110, 120) == [Segment(100, 100, ExtentId(2), 50)]


def test_clearing_is_cut_at_its_row_limit_and_says_so(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        for number in range(10):
            file_map.put_segment(ONE, Segment(number, 1, ExtentId(1), number))

        assert not file_map.clear(ONE, 0, FILE_BYTES_MAX, row_limit=4).complete
        assert len(file_map.segments(ONE, 0, 100)) == 6
        assert file_map.clear(ONE, 0, FILE_BYTES_MAX, row_limit=100).complete
    assert file_map.stored_bytes(ONE) == 0


def test_a_segment_of_the_largest_length_is_found_from_its_last_byte(
    shadowed: ShadowedStore,
) -> None:
    file_map = shadowed.tables.file_map
    whole = Segment(1000, EXTENT_BYTES_MAX, ExtentId(1), 0)
    with shadowed.store.operation():
        file_map.put_segment(ONE, whole)
    end = 1000 + EXTENT_BYTES_MAX

    assert file_map.segments(ONE, end - 1, end) == [whole]
    assert file_map.segments(ONE, end, end + 1) == []
    assert file_map.segments(ONE, 0, 1000) == []


def test_long_staged_data_is_cut_into_rows_of_64_kib(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    data = bytes(range(256)) * 700
    with shadowed.store.operation():
        file_map.put_staged(ONE, 5, data)

    rows = file_map.staged(ONE, 0, len(data) + 5)
    assert max(len(row.data) for row in rows) <= STAGED_ROW_BYTES_MAX
    assert b"".join(row.data for row in rows) == data
    assert file_map.staged(ONE, len(data) + 4, len(data) + 5) == rows[-1:]
    assert file_map.staged_maps() == [ONE]


def test_the_largest_offset_can_hold_data(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        file_map.put_staged(ONE, FILE_BYTES_MAX - 3, b"end")

    assert file_map.staged(ONE, FILE_BYTES_MAX - 1, FILE_BYTES_MAX)
    with shadowed.store.operation():
        file_map.clear(ONE, 0, FILE_BYTES_MAX, row_limit=9)
    assert file_map.staged_bytes == 0


def test_a_detached_map_waits_until_it_is_reaped(shadowed: ShadowedStore) -> None:
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        file_map.detach(ONE, 100)
        file_map.detach(ONE, 300)
        file_map.detach(OTHER, 0)
    assert file_map.reap_offset(ONE) == 100
    assert file_map.has_tail(ONE)
    assert not file_map.has_tail(OTHER)
    assert file_map.next_to_reap() == (ONE, 100)

    with shadowed.store.operation():
        file_map.reaped(ONE)

    assert file_map.reap_offset(ONE) is None
    assert not file_map.has_tail(ONE)
    assert file_map.next_to_reap() == (OTHER, 0)


def test_counts_and_tails_are_there_again_after_a_reopen(shadowed: ShadowedStore) -> None:
    with shadowed.store.operation():
        shadowed.tables.file_map.put_staged(ONE, 0, b"12345")
        shadowed.tables.file_map.put_segment(ONE, Segment(10, 7, ExtentId(1), 0))
        shadowed.tables.file_map.detach(OTHER, 50)
    shadowed.close_group()

    shadowed.reopen()

    file_map = shadowed.tables.file_map
    assert file_map.staged_bytes == 5
    assert file_map.stored_bytes(ONE) == 12
    assert file_map.has_tail(OTHER)
