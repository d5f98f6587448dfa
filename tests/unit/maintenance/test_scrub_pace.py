"""How fast a scrub reads: batches, pauses and the limit, on a manual clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.maintenance.scrub_pace import ScrubPace
from engine.policy.scrub_pacing import ScrubIntensity


def run(pace: ScrubPace, clock: ManualClock, extents: int, *, size: int, took_s: float) -> float:
    """Read *extents* of *size* bytes, resting as told; return the seconds it took."""
    start_s = clock.monotonic_s()
    for _ in range(extents):
        clock.advance(pace.rest_s())
        began_s = clock.monotonic_s()
        clock.advance(took_s)
        pace.note(began_s, size)
    clock.advance(pace.rest_s())
    return clock.monotonic_s() - start_s


@pytest.mark.parametrize(
    ("intensity", "pauses_s"),
    [
        # 100 extents: a pause of 100 ms after each, of 50 ms after 5, of 10 ms after 20.
        (ScrubIntensity.LOW, 10.0),
        (ScrubIntensity.MEDIUM, 1.0),
        (ScrubIntensity.HIGH, 0.05),
    ],
)
def test_an_intensity_pauses_after_each_batch(intensity: ScrubIntensity, pauses_s: float) -> None:
    clock = ManualClock()
    pace = ScrubPace(clock)
    pace.set_intensity(intensity)

    assert run(pace, clock, 100, size=1, took_s=0.001) == pytest.approx(0.1 + pauses_s)


@given(
    limit=st.integers(1, 10**9),
    size=st.integers(0, 10**8),
    took_s=st.floats(0.0, 1.0),
    extents=st.integers(1, 30),
)
def test_no_more_is_read_than_the_limit_lets(
    limit: int, size: int, took_s: float, extents: int
) -> None:
    clock = ManualClock()
    pace = ScrubPace(clock)
    pace.set_limit(limit)

    seconds = run(pace, clock, extents, size=size, took_s=took_s)

    assert seconds >= extents * size / limit * (1 - 1e-9)
    # Nor slower than it must be, but for the pauses: 10 ms after each 20.
    assert seconds <= extents * max(size / limit, took_s) + 0.02 + 1e-6


def test_a_new_limit_or_intensity_holds_at_once() -> None:
    clock = ManualClock()
    pace = ScrubPace(clock)
    pace.set_limit(1)
    pace.note(clock.monotonic_s(), 10**6)
    assert pace.rest_s() == pytest.approx(10**6)

    pace.set_limit(10**6)
    assert pace.rest_s() == 0

    pace.set_intensity(ScrubIntensity.LOW)
    pace.note(clock.monotonic_s(), 0)
    assert pace.rest_s() == pytest.approx(0.1)
    pace.set_intensity(ScrubIntensity.HIGH)
    assert pace.rest_s() == 0
