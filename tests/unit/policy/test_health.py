"""The transition function of disk health: its table, and what holds whatever is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.disk import DiskState
from engine.policy.health import (
    DEFAULT_THRESHOLDS,
    Bearing,
    Observation,
    SmartVerdict,
    Standing,
    Thresholds,
    Transition,
    held_back,
    next_state,
)

HEALTHY, DEGRADED, SUSPECT = DiskState.HEALTHY, DiskState.DEGRADED, DiskState.SUSPECT
DRAINING, FAILED = DiskState.DRAINING, DiskState.FAILED
BADNESS = {HEALTHY: 0, DEGRADED: 1, SUSPECT: 2, FAILED: 3}
PLENTY = Bearing(may_fail=2, writers=6, writers_needed=3)
SECOND_NS = 1_000_000_000
NOW_NS = 10**18
LONG_AGO_NS = NOW_NS - 100_000 * SECOND_NS


def due(
    state: DiskState,
    seen: Observation,
    *,
    wished: DiskState = HEALTHY,
    since_ns: int = LONG_AGO_NS,
    bearing: Bearing = PLENTY,
) -> Transition | None:
    standing = Standing(state=state, wished=wished, since_ns=since_ns)
    return next_state(standing, seen, DEFAULT_THRESHOLDS, bearing, now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("seen", "from_healthy", "from_suspect"),
    [
        (Observation(io=4, quiet_s=0), None, None),
        (Observation(io=5, quiet_s=0), DEGRADED, None),
        (Observation(io=20, quiet_s=0), SUSPECT, None),
        (Observation(io=100, quiet_s=0), SUSPECT, FAILED),
        (Observation(checksum=63, quiet_s=0), None, None),
        (Observation(checksum=64, quiet_s=0), DEGRADED, None),
        (Observation(checksum=512, quiet_s=0), SUSPECT, None),
        (Observation(checksum=10**6, quiet_s=0), SUSPECT, None),
        (Observation(timeouts=1, quiet_s=0), SUSPECT, None),
        (Observation(timeouts=4, quiet_s=0), SUSPECT, FAILED),
        (Observation(stuck_s=599), None, None),
        (Observation(stuck_s=600), SUSPECT, FAILED),
        (Observation(denied=1, quiet_s=0), SUSPECT, None),
        (Observation(trials_failed=1), SUSPECT, None),
        (Observation(trials_failed=3), SUSPECT, FAILED),
        (Observation(p99_s=0.9, siblings_p99_s=0.1), DEGRADED, None),
        (Observation(p99_s=0.7, siblings_p99_s=0.1), None, None),
        (Observation(p99_s=0.09, siblings_p99_s=0.001), None, None),
        (Observation(p99_s=9.0, siblings_p99_s=0.0), None, None),
        (Observation(smart=SmartVerdict.WARNING), DEGRADED, None),
        (Observation(smart=SmartVerdict.FAILED), SUSPECT, None),
        (Observation(smart=SmartVerdict.PASSED), None, None),
        (Observation(io=10**6, timeouts=99, present=False), None, None),
    ],
)
def test_the_table_says_what_each_observation_makes_of_a_disk(
    seen: Observation, from_healthy: DiskState | None, from_suspect: DiskState | None
) -> None:
    healthy, suspect = due(HEALTHY, seen), due(SUSPECT, seen)

    assert (None if healthy is None else healthy.state) == from_healthy
    assert (None if suspect is None else suspect.state) == from_suspect


@pytest.mark.parametrize("state", [DEGRADED, SUSPECT])
def test_a_quiet_disk_that_passed_its_test_recovers(state: DiskState) -> None:
    recovered = due(state, Observation(trial_passed=True))

    assert recovered == Transition(state=HEALTHY, reason="no errors for 15 minutes")


@pytest.mark.parametrize(
    "seen",
    [
        Observation(trial_passed=True, quiet_s=899),
        Observation(trial_passed=True, stuck_s=1),
        Observation(trial_passed=True, io=1, quiet_s=10, present=True),
        Observation(trial_passed=True, p99_s=0.5, siblings_p99_s=0.1),
        Observation(trial_passed=False),
        Observation(trial_passed=True, present=False),
        Observation(trial_passed=True, smart=SmartVerdict.FAILED),
    ],
)
def test_a_suspect_disk_stays_so_while_anything_speaks_against_it(seen: Observation) -> None:
    assert due(SUSPECT, seen) is None


def test_a_state_without_errors_behind_it_lasts_as_long_as_one_with_them() -> None:
    calm = Observation(trial_passed=True)

    assert due(DEGRADED, calm, since_ns=NOW_NS - 899 * SECOND_NS) is None
    assert due(DEGRADED, calm, since_ns=NOW_NS - 900 * SECOND_NS) is not None


def test_a_disk_rises_to_what_the_operator_wished_and_no_further() -> None:
    calm = Observation(trial_passed=True)

    assert due(DEGRADED, calm, wished=DEGRADED) is None
    assert due(SUSPECT, calm, wished=SUSPECT) is None
    risen = due(SUSPECT, calm, wished=DEGRADED)
    assert risen is not None
    assert risen.state is DEGRADED


def test_a_disk_that_the_data_needs_is_not_failed_and_that_is_said() -> None:
    needed = replace(PLENTY, may_fail=0)
    seen = Observation(io=999, quiet_s=0)
    standing = Standing(state=SUSPECT)

    assert due(SUSPECT, seen, bearing=needed) is None
    assert "that would lose data" in held_back(standing, seen, DEFAULT_THRESHOLDS, needed)
    assert held_back(standing, seen, DEFAULT_THRESHOLDS, PLENTY) == ""


def test_a_disk_is_not_taken_from_writing_when_too_few_would_be_left() -> None:
    last_three = Bearing(may_fail=0, writers=3, writers_needed=3)
    seen = Observation(io=20, quiet_s=0)

    assert due(HEALTHY, seen, bearing=last_three) is None
    said = held_back(Standing(state=HEALTHY), seen, DEFAULT_THRESHOLDS, last_three)
    assert "too few disks" in said
    # One that takes no new data anyway costs nothing.
    worse = due(DEGRADED, seen, bearing=last_three)
    assert worse is not None
    assert worse.state is SUSPECT


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    for wrong in (
        {"io_degraded": 21},
        {"io_suspect": 101},
        {"checksum_degraded": 513},
        {"slow_ratio_ended": 9.0},
    ):
        with pytest.raises(ValueError, match="better|at once"):
            Thresholds(**wrong)


# What holds whatever is seen

COUNTS = st.integers(min_value=0, max_value=1000)
SECONDS = st.floats(min_value=0, max_value=2000)
OBSERVATIONS = st.builds(
    Observation,
    present=st.booleans(),
    io=COUNTS,
    checksum=COUNTS,
    timeouts=st.integers(0, 8),
    denied=st.integers(0, 3),
    stuck_s=SECONDS,
    quiet_s=SECONDS | st.just(math.inf),
    p99_s=st.floats(0, 20),
    siblings_p99_s=st.floats(0, 2),
    trials_failed=st.integers(0, 5),
    trial_passed=st.booleans(),
    smart=st.sampled_from(SmartVerdict),
) | st.builds(Observation, trial_passed=st.booleans(), present=st.booleans())
"""Anything at all; and a disk at peace, which the first would hardly ever be."""

STATES = st.sampled_from(DiskState)
BEARINGS = st.builds(
    Bearing,
    may_fail=st.integers(0, 3),
    writers=st.integers(0, 6),
    writers_needed=st.integers(1, 3),
)


@given(st.sampled_from([FAILED, DRAINING]), STATES, OBSERVATIONS, BEARINGS)
def test_failed_and_draining_never_end_by_themselves(
    state: DiskState, wished: DiskState, seen: Observation, bearing: Bearing
) -> None:
    assert due(state, seen, wished=wished, bearing=bearing) is None


@given(STATES, STATES, OBSERVATIONS, BEARINGS)
def test_a_transition_goes_somewhere_and_never_above_the_wish(
    state: DiskState, wished: DiskState, seen: Observation, bearing: Bearing
) -> None:
    moved = due(state, seen, wished=wished, bearing=bearing)

    if moved is not None:
        assert moved.state is not state
        assert moved.state is not DRAINING
        if BADNESS[moved.state] < BADNESS[state]:
            assert moved.state is wished


@given(STATES, OBSERVATIONS, BEARINGS)
def test_no_disk_is_failed_that_cannot_be_spared_nor_without_being_suspect_first(
    state: DiskState, seen: Observation, bearing: Bearing
) -> None:
    moved = due(state, seen, bearing=bearing)

    if moved is not None and moved.state is FAILED:
        assert state is SUSPECT
        assert bearing.may_fail > 0


@given(
    OBSERVATIONS,
    st.sampled_from([HEALTHY, DEGRADED, SUSPECT]),
    st.fixed_dictionaries(
        {
            "io": COUNTS,
            "checksum": COUNTS,
            "timeouts": COUNTS,
            "denied": COUNTS,
            "stuck_s": SECONDS,
            "trials_failed": COUNTS,
        }
    ),
)
def test_more_of_anything_bad_never_leads_to_a_better_state(
    seen: Observation, state: DiskState, more: dict[str, float]
) -> None:
    worse = replace(
        seen,
        trial_passed=False,
        quiet_s=0.0,
        **{name: getattr(seen, name) + amount for name, amount in more.items()},
    )

    def after(observation: Observation) -> int:
        moved = due(state, observation)
        return BADNESS[state if moved is None else moved.state]

    assert after(worse) >= after(seen)


@given(
    st.sampled_from([HEALTHY, DEGRADED, SUSPECT]),
    STATES.filter(lambda state: state is not DRAINING),
    st.lists(st.tuples(OBSERVATIONS, st.integers(1, 40)), max_size=60),
)
def test_two_transitions_are_never_closer_than_the_dwell(
    state: DiskState, wished: DiskState, looks: list[tuple[Observation, int]]
) -> None:
    standing, now_ns = Standing(state=state, wished=wished), NOW_NS
    moments = []

    for seen, rest_s in looks:
        now_ns += rest_s * SECOND_NS
        moved = next_state(standing, seen, DEFAULT_THRESHOLDS, PLENTY, now_ns=now_ns)
        if moved is not None:
            standing = replace(standing, state=moved.state, since_ns=now_ns)
            moments.append(now_ns)

    gaps = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    assert all(gap >= DEFAULT_THRESHOLDS.dwell_s * SECOND_NS for gap in gaps)


@given(st.sampled_from([HEALTHY, DEGRADED, SUSPECT]), OBSERVATIONS)
def test_one_thing_seen_over_and_over_ends_in_one_state(
    state: DiskState, seen: Observation
) -> None:
    """No flapping: what is seen does not change, so after a few steps nothing does."""
    standing, now_ns, states = Standing(state=state), NOW_NS, [state]

    for _ in range(400):
        now_ns += 10 * SECOND_NS
        moved = next_state(standing, seen, DEFAULT_THRESHOLDS, PLENTY, now_ns=now_ns)
        if moved is not None:
            standing = replace(standing, state=moved.state, since_ns=now_ns)
            states.append(moved.state)

    # At most down to failed through suspect, or up once; never both.
    assert len(states) <= 3
    steps = [BADNESS[b] - BADNESS[a] for a, b in zip(states, states[1:], strict=False)]
    assert all(step > 0 for step in steps) or all(step < 0 for step in steps)


@given(OBSERVATIONS, st.integers(0, NOW_NS))
def test_a_clock_that_was_set_back_does_not_freeze_a_disks_health(
    seen: Observation, ahead_ns: int
) -> None:
    settled = due(HEALTHY, seen, since_ns=LONG_AGO_NS)

    assert due(HEALTHY, seen, since_ns=NOW_NS + 1 + ahead_ns) == settled
