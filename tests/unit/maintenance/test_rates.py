"""Rate and ETA: right from the first amount on, and honest about their margin."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.maintenance.progress import PRIOR_S, Rate


@given(
    st.floats(0.01, 3.0),
    st.integers(1, 400),
    st.integers(1_000, 50_000_000),
)
def test_a_constant_rate_is_known_at_once_and_exactly(
    step_s: float, steps: int, step_bytes: int
) -> None:
    clock = ManualClock()
    rate = Rate(clock)
    for _ in range(steps):
        clock.advance(step_s)
        rate.add(step_bytes)

    true_eta_s = 10**9 / (step_bytes / step_s)

    assert rate.eta_s(10**9) == pytest.approx(true_eta_s, rel=0.001)


def test_the_margin_holds_the_true_end_while_the_rate_is_noisy() -> None:
    chance = random.Random(7)
    inside = 0
    for _ in range(50):
        clock = ManualClock()
        rate = Rate(clock)
        for _ in range(120):
            clock.advance(chance.uniform(0.2, 1.8))
            rate.add(10_000_000)
        left = 500_000_000
        true_s = left / 10_000_000  # One second a step, on the average.
        eta_s = rate.eta_s(left)
        assert eta_s is not None
        inside += abs(eta_s - true_s) <= rate.margin_s(left)
        assert abs(eta_s - true_s) < 0.2 * true_s
    assert inside >= 40


def test_a_steady_rate_has_a_smaller_margin_than_a_young_one() -> None:
    clock = ManualClock()
    rate = Rate(clock)
    margins = []
    for _ in range(60):
        clock.advance(1.0)
        rate.add(1000)
        margins.append(rate.margin_s(100_000))

    assert margins == sorted(margins, reverse=True)
    assert margins[-1] < 0.05 * 100


def test_time_in_which_nothing_was_to_be_done_does_not_count() -> None:
    clock = ManualClock()
    rate = Rate(clock)
    clock.advance(1.0)
    rate.add(1000)

    clock.advance(3600.0)
    rate.hold()
    clock.advance(1.0)
    rate.add(1000)

    assert rate.bytes_s == pytest.approx(1000)


def test_a_rate_from_before_a_restart_is_believed_until_better_is_known() -> None:
    clock = ManualClock()
    rate = Rate(clock)
    rate.restart(500.0)
    assert rate.eta_s(1000) == pytest.approx(2.0)

    for _ in range(30 * round(PRIOR_S)):
        clock.advance(1.0)
        rate.add(1000)

    assert rate.bytes_s == pytest.approx(1000, rel=0.02)
