"""Which extents are worth compacting, by table and by property."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ids import ExtentId
from engine.policy.compaction import (
    DEAD_BYTES_MIN,
    PRESSED_FILL_RATIO,
    PRESSED_PERCENT,
    QUIET_S,
    ExtentShare,
    is_worth_compacting,
    quiet_s,
    threshold_percent,
)
from engine.policy.ordering import WorkKind, WorkOrder, work_key
from engine.units import KIB, MIB

SHARES = st.builds(
    lambda length, live: ExtentShare(
        extent_id=ExtentId(1), length_bytes=length, live_bytes=min(live, length)
    ),
    st.integers(1, 8 * MIB),
    st.integers(0, 8 * MIB),
)


@pytest.mark.parametrize(
    ("length", "live", "percent", "worth"),
    [
        (8 * MIB, 4 * MIB - 1, 50, True),
        (8 * MIB, 4 * MIB, 50, False),
        (8 * MIB, 1, 50, True),
        (8 * MIB, 0, 50, False),  # It goes by itself.
        (8 * MIB, 8 * MIB, 90, False),
        (8 * MIB, 1, 0, False),  # Turned off.
        (8 * MIB, 5 * MIB, 75, True),
        (64 * KIB, 1, 50, False),  # Less than a page is not worth a commit.
        (128 * KIB, 64 * KIB - 1, 50, True),
        (128 * KIB - 2, 62 * KIB, 50, True),
    ],
)
def test_an_extent_is_worth_it_by_its_live_share(
    length: int, live: int, percent: int, *, worth: bool
) -> None:
    share = ExtentShare(extent_id=ExtentId(1), length_bytes=length, live_bytes=live)

    assert is_worth_compacting(share, percent) is worth


@given(SHARES, st.integers(0, 90))
def test_what_is_freed_is_never_less_than_the_threshold_promises(
    share: ExtentShare, percent: int
) -> None:
    if is_worth_compacting(share, percent):
        assert share.dead_bytes >= DEAD_BYTES_MIN
        assert share.dead_bytes * percent > share.live_bytes * (100 - percent)


@given(SHARES, st.integers(0, 89))
def test_a_higher_threshold_takes_all_that_a_lower_one_takes(
    share: ExtentShare, percent: int
) -> None:
    if is_worth_compacting(share, percent):
        assert is_worth_compacting(share, percent + 1)


@given(SHARES, st.integers(0, 90))
def test_what_was_compacted_is_not_worth_it_again(share: ExtentShare, percent: int) -> None:
    """Hysteresis: a new extent is alive whole, whatever the threshold."""
    fresh = ExtentShare(
        extent_id=ExtentId(2), length_bytes=share.live_bytes, live_bytes=share.live_bytes
    )

    assert not is_worth_compacting(fresh, percent)


@given(st.integers(0, 90), st.floats(0, 1))
def test_a_full_pool_is_never_less_eager_and_an_idle_one_waits_for_quiet(
    wanted: int, fill: float
) -> None:
    now = threshold_percent(wanted, fill_ratio=fill)

    assert now >= wanted
    assert (now == 0) == (wanted == 0)
    if wanted and fill >= PRESSED_FILL_RATIO:
        assert now >= PRESSED_PERCENT
        assert quiet_s(fill_ratio=fill, asked=False) == 0
    else:
        assert now == wanted
        pressed = fill >= PRESSED_FILL_RATIO
        assert quiet_s(fill_ratio=fill, asked=False) == (0 if pressed else QUIET_S)
    assert quiet_s(fill_ratio=fill, asked=True) == 0


def test_the_deadest_go_first_then_the_oldest_behind_all_that_makes_data_safer() -> None:
    works = [
        WorkOrder(extent_id=ExtentId(number), kind=kind, exposure=exposure, live_permille=live)
        for number, kind, exposure, live in [
            (9, WorkKind.REBUILD, 3, 0),
            (8, WorkKind.REBALANCE, 2, 0),
            (7, WorkKind.COMPACT, 0, 100),
            (2, WorkKind.COMPACT, 0, 300),
            (3, WorkKind.COMPACT, 0, 300),
        ]
    ]
    random.Random(1).shuffle(works)

    assert [one.extent_id for one in sorted(works, key=work_key)] == [8, 9, 7, 2, 3]
