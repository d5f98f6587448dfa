"""How hard maintenance may work: a table, and what holds for all foregrounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.pacing import (
    BUSY_BYTES_S,
    IN_FLIGHT_MAX,
    Pace,
    Priority,
    choose_pace,
    limit_s,
    share_rest_s,
)

BUSY = 100e6


@pytest.mark.parametrize(
    ("priority", "foreground_bytes_s", "share_max", "in_flight"),
    [
        (Priority.LOW, 0.0, 0.5, 1),
        (Priority.LOW, BUSY, 0.05, 1),
        (Priority.NORMAL, 0.0, 1.0, 1),
        (Priority.NORMAL, BUSY, 0.30, 1),
        (Priority.HIGH, 0.0, 1.0, IN_FLIGHT_MAX),
        (Priority.HIGH, BUSY, 1.0, IN_FLIGHT_MAX),
    ],
)
def test_the_table_of_paces(
    priority: Priority, foreground_bytes_s: float, share_max: float, in_flight: int
) -> None:
    pace = choose_pace(priority, foreground_bytes_s=foreground_bytes_s)

    assert 0 < pace.share <= share_max
    assert pace.in_flight == in_flight


@given(st.lists(st.floats(0.001, 5.0), min_size=1, max_size=30))
def test_a_busy_foreground_has_the_disks_to_itself_for_seven_tenths_of_the_time(
    works_s: list[float],
) -> None:
    pace = choose_pace(Priority.NORMAL, foreground_bytes_s=BUSY)

    rests_s = [share_rest_s(pace, work_s) for work_s in works_s]

    assert sum(works_s) <= 0.3 * (sum(works_s) + sum(rests_s)) + 1e-6


@given(
    st.sampled_from(list(Priority)),
    st.floats(0, 1e10),
    st.floats(0, 1e10),
    st.integers(0, 1 << 40),
)
def test_more_foreground_and_less_priority_never_mean_more_work(
    priority: Priority, some: float, other: float, limit: int
) -> None:
    order = list(Priority)
    less, more = sorted((some, other))

    calm = choose_pace(priority, foreground_bytes_s=less, limit_bytes_s=limit)
    busy = choose_pace(priority, foreground_bytes_s=more, limit_bytes_s=limit)

    assert busy.share <= calm.share
    for lower in order[: order.index(priority)]:
        below = choose_pace(lower, foreground_bytes_s=more, limit_bytes_s=limit)
        assert (below.share, below.in_flight) <= (busy.share, busy.in_flight)
    assert calm.limit_bytes_s == limit


@given(st.lists(st.integers(0, 1 << 26), max_size=20), st.integers(1, 1 << 30))
def test_writing_takes_at_least_as_long_as_the_limit_says(writes: list[int], limit: int) -> None:
    pace = Pace(share=1.0, in_flight=1, limit_bytes_s=limit)

    total_s = sum(limit_s(pace, written) for written in writes)

    assert total_s * limit == pytest.approx(sum(writes))


def test_a_trickle_is_no_stream() -> None:
    assert choose_pace(Priority.NORMAL, foreground_bytes_s=BUSY_BYTES_S / 2).share == 1.0
