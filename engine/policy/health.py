"""When a disk changes its health state by itself. Pure: facts in, one transition out.

What moves a disk. Counts are of the last ``window_s`` seconds; growth is the
alarm, so neither lifetime totals nor what was repaired appear here:

==================================  ===========  ==============================
observation                         becomes      comes back when
==================================  ===========  ==============================
I/O errors, 5 / 20 / 100            degraded / suspect / failed
                                                 quiet for ``quiet_s``
checksum errors, 64 / 512 fragments degraded / suspect
                                                 quiet for ``quiet_s``
no answer, once / 4 times, or       suspect /    quiet for ``quiet_s``
stuck for ``stuck_failed_s``        failed
refuses changes (read-only), once   suspect      quiet for ``quiet_s``
p99 over 8 times its siblings'      degraded     under 4 times, for ``quiet_s``
SMART: an attribute failing now     degraded     SMART says otherwise
SMART: the drive predicts failure   suspect      SMART says otherwise
failed its test, 1 / 3 in a row     suspect / failed
                                                 a test is passed
full                                stays        placement passes it over
missing, other directory, wrong or  stays        is absent, a fact of its own;
no label                                         on return it is tested, and
                                                 suspect until that is passed
operator                            any state    by the operator only
==================================  ===========  ==============================

What each state allows:

=========  =====  ========  ================  ==============
state      reads  new data  fragments count   journals
=========  =====  ========  ================  ==============
healthy    yes    yes       yes               first choice
degraded   later  no        yes               second choice
suspect    last   no        until replaced    third choice
draining   last   no        until replaced    only in need
failed     no     no        no                never
=========  =====  ========  ================  ==============

Rules over all of it: failed is reached through suspect only; failed and
draining never end by themselves; nothing rises above what the operator wished
(H4); two transitions of a disk are at least ``dwell_s`` apart (H3); and no disk
is failed that the data could not bear to lose, nor taken from writing when too
few would be left to keep the tolerance (H5, P3, P4): then it stays, and
``held_back`` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.model.disk import DiskState

_RANK: Final = {
    DiskState.HEALTHY: 0,
    DiskState.DEGRADED: 1,
    DiskState.SUSPECT: 2,
    DiskState.FAILED: 3,
}
_BY_ITSELF: Final = (DiskState.DEGRADED, DiskState.SUSPECT, DiskState.FAILED)
"""What a disk can become without being asked, by rank."""

_NS: Final = 1_000_000_000


class SmartVerdict(StrEnum):
    """What a drive says of itself."""

    UNKNOWN = "unknown"
    PASSED = "passed"
    WARNING = "warning"
    """An attribute is at or below its threshold now."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where states begin: counts within the window, seconds, ratios."""

    window_s: float = 600.0
    io_degraded: int = 5
    """One bad sector is read a few times over before its fragment is replaced."""
    io_suspect: int = 20
    io_failed: int = 100
    checksum_degraded: int = 64
    checksum_suspect: int = 512
    timeouts_failed: int = 4
    stuck_failed_s: float = 600.0
    slow_ratio: float = 8.0
    slow_ratio_ended: float = 4.0
    slow_floor_s: float = 0.1
    """Below this p99 no disk is called slow, whatever the others do."""
    trials_failed: int = 3
    dwell_s: float = 30.0
    quiet_s: float = 900.0

    def __post_init__(self) -> None:
        if not 0 < self.io_degraded <= self.io_suspect <= self.io_failed:
            raise ValueError("more I/O errors cannot mean a better state")
        if not 0 < self.checksum_degraded <= self.checksum_suspect:
            raise ValueError("more checksum errors cannot mean a better state")
        if not 1 <= self.slow_ratio_ended <= self.slow_ratio:
            raise ValueError("a disk would be slow and not slow at once")


DEFAULT_THRESHOLDS: Final = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a disk stands: its state, what the operator wished, and since when.

    ``since_ns`` 0 means longer than anybody knows.
    """

    state: DiskState
    wished: DiskState = DiskState.HEALTHY
    since_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is known of a disk now; counts are those within the window."""

    present: bool = True
    io: int = 0
    checksum: int = 0
    """Fragments, each counted once."""
    timeouts: int = 0
    denied: int = 0
    stuck_s: float = 0.0
    """How long a call has been stuck in it."""
    quiet_s: float = math.inf
    """Seconds since the last error of any kind."""
    p99_s: float = 0.0
    siblings_p99_s: float = 0.0
    """The median of the other disks of its tier; 0 when too little is known."""
    trials_failed: int = 0
    """Tests failed in a row; a test that is passed makes it 0."""
    trial_passed: bool = False
    """Whether its newest test was passed, since it came into its state."""
    smart: SmartVerdict = SmartVerdict.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """What the pool can bear now.

    ``may_fail``: more disks that may be lost, any of them, without loss.
    ``writers`` take new data now; ``writers_needed`` keep the tolerance.
    """

    may_fail: int
    writers: int
    writers_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A new state, and why, for people."""

    state: DiskState
    reason: str


def next_state(
    standing: Standing,
    observation: Observation,
    thresholds: Thresholds,
    bearing: Bearing,
    *,
    now_ns: int,
) -> Transition | None:
    """Return the transition due now, None when the disk stays as it is.

    >>> next_state(Standing(state=DiskState.HEALTHY), Observation(io=20, quiet_s=0.0),
    ...            DEFAULT_THRESHOLDS, Bearing(may_fail=2, writers=6, writers_needed=3),
    ...            now_ns=0)
    Transition(state=<DiskState.SUSPECT: 'suspect'>, reason='I/O errors: 20 in 10 minutes')
    """
    if _is_settled(standing, observation) or _age_s(standing, now_ns) < thresholds.dwell_s:
        return None
    worse = _worsening(standing, observation, thresholds)
    if worse is not None:
        return worse if _is_bearable(standing, worse, bearing) else None
    return _recovery(standing, observation, thresholds, now_ns)


def held_back(
    standing: Standing, observation: Observation, thresholds: Thresholds, bearing: Bearing
) -> str:
    """Return why a disk keeps a state that its errors would end; empty when it need not.

    >>> held_back(Standing(state=DiskState.SUSPECT), Observation(io=100),
    ...           DEFAULT_THRESHOLDS, Bearing(may_fail=0, writers=5, writers_needed=3))
    'it would be failed (I/O errors: 100 in 10 minutes), but that would lose data'
    """
    if _is_settled(standing, observation):
        return ""
    worse = _worsening(standing, observation, thresholds)
    if worse is None or _is_bearable(standing, worse, bearing):
        return ""
    cost = (
        "that would lose data"
        if worse.state is DiskState.FAILED
        else "too few disks would be left to write to"
    )
    return f"it would be {worse.state} ({worse.reason}), but {cost}"


def is_slow(observation: Observation, ratio: float, floor_s: float) -> bool:
    """Whether the disk's p99 is over *ratio* times its siblings', and over *floor_s* seconds."""
    siblings_s = observation.siblings_p99_s
    return siblings_s > 0 and observation.p99_s > max(floor_s, ratio * siblings_s)


def _is_settled(standing: Standing, observation: Observation) -> bool:
    """Whether nothing the engine sees may move the disk."""
    return not observation.present or standing.state in (DiskState.FAILED, DiskState.DRAINING)


def _age_s(standing: Standing, now_ns: int) -> float:
    """Return how long the state has lasted; a clock that was set back proves nothing."""
    if not standing.since_ns or now_ns < standing.since_ns:
        return math.inf
    return (now_ns - standing.since_ns) / _NS


def _worsening(
    standing: Standing, observation: Observation, thresholds: Thresholds
) -> Transition | None:
    """Return the worst that the observation asks for, when that is worse than now."""
    found = max(_findings(observation, thresholds), key=lambda one: _RANK[one.state], default=None)
    if found is None or _RANK[found.state] <= _RANK[standing.state]:
        return None
    if found.state is DiskState.FAILED and standing.state is not DiskState.SUSPECT:
        return Transition(state=DiskState.SUSPECT, reason=found.reason)
    return found


def _is_bearable(standing: Standing, worse: Transition, bearing: Bearing) -> bool:
    if worse.state is DiskState.FAILED:
        return bearing.may_fail > 0
    leaves = standing.state is DiskState.HEALTHY
    return not leaves or bearing.writers > bearing.writers_needed


def _recovery(
    standing: Standing, observation: Observation, thresholds: Thresholds, now_ns: int
) -> Transition | None:
    if _RANK[standing.state] <= _RANK.get(standing.wished, math.inf):
        return None
    calm = (
        observation.quiet_s >= thresholds.quiet_s
        and _age_s(standing, now_ns) >= thresholds.quiet_s
        and not observation.stuck_s
        and not is_slow(observation, thresholds.slow_ratio_ended, thresholds.slow_floor_s / 2)
    )
    # A worse finding would not be here, but one that only keeps the state may be.
    if not calm or next(_findings(observation, thresholds), None) is not None:
        return None
    if standing.state is DiskState.SUSPECT and not observation.trial_passed:
        return None
    minutes = round(thresholds.quiet_s / 60)
    return Transition(state=standing.wished, reason=f"no errors for {minutes} minutes")


def _findings(seen: Observation, limits: Thresholds) -> Iterator[Transition]:
    """Yield every state that an observation asks for. Monotone: more is never better."""
    window = f"in {round(limits.window_s / 60)} minutes"
    never = math.inf
    steps: tuple[tuple[str, int, tuple[float, float, float], str], ...] = (
        ("I/O errors", seen.io, (limits.io_degraded, limits.io_suspect, limits.io_failed), window),
        (
            "damaged fragments",
            seen.checksum,
            (limits.checksum_degraded, limits.checksum_suspect, never),
            window,
        ),
        ("changes refused", seen.denied, (never, 1, never), window),
        ("calls without an answer", seen.timeouts, (never, 1, limits.timeouts_failed), window),
        ("tests failed", seen.trials_failed, (never, 1, limits.trials_failed), "in a row"),
    )
    for noun, count, bounds, span in steps:
        for state, bound in zip(_BY_ITSELF, bounds, strict=True):
            if count >= bound:
                yield Transition(state=state, reason=f"{noun}: {count} {span}")
    if seen.stuck_s >= limits.stuck_failed_s:
        yield Transition(
            state=DiskState.FAILED, reason=f"a call has been stuck for {round(seen.stuck_s)} s"
        )
    if is_slow(seen, limits.slow_ratio, limits.slow_floor_s):
        yield Transition(
            state=DiskState.DEGRADED,
            reason=f"slow: p99 {seen.p99_s:.2g} s, its siblings {seen.siblings_p99_s:.2g} s",
        )
    if seen.smart is SmartVerdict.WARNING:
        yield Transition(state=DiskState.DEGRADED, reason="SMART: an attribute is failing")
    if seen.smart is SmartVerdict.FAILED:
        yield Transition(state=DiskState.SUSPECT, reason="SMART: the drive predicts its failure")
