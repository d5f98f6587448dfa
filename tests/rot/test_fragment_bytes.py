"""Every byte of the fragments of an extent: reads are right or refused, scrub sees it."""

from __future__ import annotations

import pytest

from engine.errors import EngineError, ExtentUnrecoverableError
from engine.extents.verdict import Verdict
from tests.rot.conftest import Made
from tests.rot.flips import PATTERNS, pattern_at
from tests.rot.rotten_pool import REDUNDANCY, pattern
from tests.rot.small_extent import SmallExtent
from tests.rot.still_disks import read_fresh, verdict_fresh

FRAGMENTS = range(REDUNDANCY.data + REDUNDANCY.parity)
TRUTH = pattern(9000, 1) + pattern(300, 2) + pattern(5000, 3)
"""The three files of the first life, in the order they were written."""


@pytest.fixture
def extent(made: Made) -> SmallExtent:
    return SmallExtent(made.place, made.samples.closed)


def test_the_extent_holds_the_files_in_the_order_they_were_written(extent: SmallExtent) -> None:
    assert read_fresh(extent.disks, extent.record) == TRUTH


@PATTERNS
@pytest.mark.parametrize("index", FRAGMENTS)
def test_scrub_sees_every_byte_of_a_fragment(
    extent: SmallExtent, index: int, patterns: int
) -> None:
    unseen = []
    for offset in range(len(extent.files[index])):
        with extent.flipped(index, offset, pattern_at(offset, patterns)):
            verdict = verdict_fresh(extent.disks, extent.record, index)
        if verdict is not Verdict.CORRUPT:
            unseen.append((offset, verdict))

    assert unseen == []


@PATTERNS
@pytest.mark.parametrize("index", range(REDUNDANCY.data))
def test_a_read_is_right_whichever_byte_of_a_data_fragment_is_wrong(
    extent: SmallExtent, index: int, patterns: int
) -> None:
    differing = []
    for offset in range(patterns % 4, len(extent.files[index]), 4):
        with extent.flipped(index, offset, pattern_at(offset, patterns)):
            if read_fresh(extent.disks, extent.record) != TRUTH:
                differing.append(offset)

    assert differing == []


@PATTERNS
@pytest.mark.parametrize("index", FRAGMENTS)
def test_a_read_that_needs_the_rotten_fragment_is_refused_by_name(
    extent: SmallExtent, index: int, patterns: int
) -> None:
    extent.let_answer({index, (index + 1) % len(FRAGMENTS)})
    answered = []
    for offset in range(len(extent.files[index])):
        with extent.flipped(index, offset, pattern_at(offset, patterns)):
            answer: bytes | EngineError
            try:
                answer = read_fresh(extent.disks, extent.record)
            except ExtentUnrecoverableError:
                continue
        answered.append((offset, answer == TRUTH))

    assert answered == []
    assert read_fresh(extent.disks, extent.record) == TRUTH


@pytest.mark.parametrize("index", FRAGMENTS)
def test_a_fragment_cut_anywhere_near_a_boundary_is_not_used(
    extent: SmallExtent, index: int
) -> None:
    whole = bytes(extent.files[index])
    extent.let_answer({index, (index + 1) % len(FRAGMENTS)})
    ends = {edge + by for edge in range(0, len(whole) + 1, 512) for by in (-1, 0, 1)}

    for end in sorted(ends & set(range(len(whole)))):
        extent.files[index][:] = whole[:end]
        with pytest.raises(ExtentUnrecoverableError):
            read_fresh(extent.disks, extent.record)


@pytest.mark.parametrize("index", FRAGMENTS)
def test_the_fragment_of_another_index_in_its_place_is_not_used(
    extent: SmallExtent, index: int
) -> None:
    other = (index + 1) % len(FRAGMENTS)
    extent.let_answer({index, other})
    extent.files[index][:] = extent.files[other]

    with pytest.raises(ExtentUnrecoverableError):
        read_fresh(extent.disks, extent.record)
    assert verdict_fresh(extent.disks, extent.record, index) is Verdict.MISPLACED
