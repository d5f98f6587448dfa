"""Keeps every disk in the state that what it does asks for.

Looks at all disks now and then, lets ``policy.health`` decide, commits what it
decided; tests disks that came back or are suspect; asks drives for SMART; and
keeps the statistics. One thread, which never holds up a program (P7).
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from engine.ids import DiskId
from engine.limits import PROBE_S
from engine.model.disk import DiskState
from engine.observe.error_window import ErrorKind
from engine.observe.events import EventSeverity
from engine.observe.latency import Latency
from engine.policy.health import (
    DEFAULT_THRESHOLDS,
    Bearing,
    Observation,
    Standing,
    Thresholds,
    Transition,
    held_back,
    next_state,
)
from engine.policy.placement import minimum_disks
from engine.pool.assembly import Engine
from engine.pool.disk_set import DiskPresence
from engine.pool.disk_statistics import DiskMeter
from engine.pool.disk_trial import DiskTrial, TrialResult
from engine.pool.membership import Membership
from engine.pool.smart import SmartWatch

TRIAL_EVERY_S: Final = 60.0
"""Between two tests of a disk that is suspect."""

FLUSH_S: Final = 10.0
"""How often statistics are written when they changed."""

SAMPLES_MIN: Final = 64
SIBLINGS_MIN: Final = 2
"""With fewer calls, or fewer disks to compare with, none is called slow."""

_LOUD: Final = {DiskState.FAILED: EventSeverity.ERROR, DiskState.HEALTHY: EventSeverity.INFO}


@dataclass(slots=True)
class _Memory:
    """What the keeper remembers of a disk between two looks."""

    trials_failed: int = 0
    trial_passed: bool = False
    trial_due_s: float = 0.0
    problem: str = ""
    held_back: str = ""


class HealthKeeper:
    """The health of all disks of one pool. ``turn`` is for one thread; the rest for any."""

    def __init__(
        self,
        engine: Engine,
        membership: Membership,
        *,
        may_fail: Callable[[], int],
        on_change: Callable[[], None],
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
        smart: SmartWatch | None = None,
    ) -> None:
        """*may_fail* counts, on fresh figures, the disks that may be lost without loss.

        *on_change* hears, without a lock, that a disk's state changed.
        """
        self._engine: Final = engine
        self._base: Final = engine.base
        self._disks: Final = engine.base.disks
        self._membership: Final = membership
        self._may_fail: Final = may_fail
        self._on_change: Final = on_change
        self._thresholds: Final = thresholds
        self.smart: Final = smart or SmartWatch(engine.base.clock)
        self._trial: Final = DiskTrial(engine)
        self._memory: dict[DiskId, _Memory] = {}
        self._latencies: Mapping[DiskId, Latency] = MappingProxyType({})
        self._flush_due_s = 0.0
        self._told = engine.base.disks.statistics.trouble
        self.wake: Final = threading.Event()
        """Set to have the next turn at once."""

    def start(self) -> None:
        """From now on a disk that comes back is suspect until it is tested."""
        self._membership.on_return.append(self._note_return)

    def close(self) -> None:
        """Keep the statistics; harmless when they cannot be."""
        self._disks.statistics.flush()

    def latency(self, disk_id: DiskId) -> Latency:
        """Return how long calls to the disk took lately."""
        return self._latencies.get(disk_id, Latency())

    def problem(self, disk_id: DiskId) -> str:
        """Return what the newest test found, or why the disk keeps its state; empty if nothing."""
        memory = self._memory.get(disk_id, _Memory())
        return memory.problem or memory.held_back

    def turn(self) -> float:
        """Look at every disk once; return how long to rest."""
        self.wake.clear()
        presences = self._disks.presences()
        self._latencies = {
            one.record.disk_id: self._meter(one).latency() for one in presences if one.present
        }
        self._forget_others(presences)
        for one in presences:
            self._test_if_due(one)
        for one in self._disks.presences():
            self._judge(one)
        self.smart.look({one.record.path: one.present for one in presences})
        self._keep_statistics()
        return PROBE_S

    # Tests

    def _note_return(self, disk_id: DiskId) -> None:
        self._memory[disk_id] = _Memory()
        self.wake.set()

    def _test_if_due(self, one: DiskPresence) -> None:
        disk_id, now_s = one.record.disk_id, self._base.clock.monotonic_s()
        memory = self._memory.setdefault(disk_id, _Memory())
        doubtful = one.on_trial or one.committed is DiskState.SUSPECT
        if not one.present or not doubtful or now_s < memory.trial_due_s:
            return
        result = self._trial.run(one.record)
        memory.trial_due_s = self._base.clock.monotonic_s() + TRIAL_EVERY_S
        memory.trials_failed = memory.trials_failed + 1 if result.problem else 0
        memory.trial_passed = not result.problem
        self._tell_result(one, memory, result)
        if memory.trial_passed and one.on_trial:
            self._disks.end_trial(disk_id)
            # It takes new data again, so there is more room than a moment ago.
            self._engine.measure_space()
            self._on_change()

    def _tell_result(self, one: DiskPresence, memory: _Memory, result: TrialResult) -> None:
        name, events = one.record.name, self._base.events
        if result.problem and result.problem != memory.problem:
            events.record(
                EventSeverity.ERROR, name, f"{name} did not pass its test: {result.problem}"
            )
        elif one.on_trial and not result.problem:
            events.record(
                EventSeverity.INFO,
                name,
                f"{name} passed its test: label, roots, {result.sampled} fragments"
                + (f", {result.bad} of them damaged" if result.bad else ""),
            )
        memory.problem = result.problem

    # Judging

    def _judge(self, one: DiskPresence) -> None:
        memory = self._memory.setdefault(one.record.disk_id, _Memory())
        standing = Standing(
            state=one.committed, wished=one.marks.wished, since_ns=one.marks.since_ns
        )
        seen = self._observe(one, memory)
        lenient = Bearing(may_fail=1, writers=1, writers_needed=0)
        now_ns = self._base.clock.now_ns()
        if next_state(standing, seen, self._thresholds, lenient, now_ns=now_ns) is None:
            memory.held_back = ""
            return  # The usual case: figures need not be fresh to see that nothing is due.
        bearing = self._bearing()
        due = next_state(standing, seen, self._thresholds, bearing, now_ns=now_ns)
        text = held_back(standing, seen, self._thresholds, bearing)
        if text and not memory.held_back:
            name = one.record.name
            self._base.events.record(EventSeverity.ERROR, name, f"{name}: {text}")
        memory.held_back = text
        if due is not None and not self._engine.refusal():
            self._follow(one, due)

    def _observe(self, one: DiskPresence, memory: _Memory) -> Observation:
        meter = self._meter(one)
        slow_since_s = one.slow_since_s
        now_s = self._base.clock.monotonic_s()
        own, siblings_s = self.latency(one.record.disk_id), self._siblings_p99_s(one)
        return Observation(
            present=one.present,
            io=meter.recent(ErrorKind.IO),
            checksum=meter.recent(ErrorKind.CHECKSUM),
            timeouts=meter.recent(ErrorKind.TIMEOUT),
            denied=meter.recent(ErrorKind.DENIED),
            stuck_s=0.0 if slow_since_s is None else now_s - slow_since_s,
            quiet_s=meter.quiet_s(),
            p99_s=own.p99_s if own.count >= SAMPLES_MIN else 0.0,
            siblings_p99_s=siblings_s,
            trials_failed=memory.trials_failed,
            trial_passed=memory.trial_passed,
            smart=self.smart.report(one.record.path).verdict,
        )

    def _siblings_p99_s(self, one: DiskPresence) -> float:
        """Return the median p99 of the other disks of its tier, 0 when too little is known."""
        others = [
            latency.p99_s
            for other in self._disks.presences()
            if other.record.tier is one.record.tier
            and other.record.disk_id != one.record.disk_id
            and (latency := self.latency(other.record.disk_id)).count >= SAMPLES_MIN
        ]
        return statistics.median(others) if len(others) >= SIBLINGS_MIN else 0.0

    def _bearing(self) -> Bearing:
        writers = sum(
            one.present and one.record.state is DiskState.HEALTHY and not one.marks.spare
            for one in self._disks.presences()
        )
        return Bearing(
            may_fail=self._may_fail(),
            writers=writers,
            writers_needed=minimum_disks(self._engine.properties.redundancy),
        )

    def _follow(self, one: DiskPresence, due: Transition) -> None:
        """Commit a transition, unless the operator was quicker."""
        record = one.record
        with self._membership.lock:
            now = {other.record.disk_id: other for other in self._disks.presences()}
            current = now.get(record.disk_id)
            if current is None or current.marks != one.marks or current.committed != one.committed:
                return
            self._membership.commit_state(
                replace(record, state=one.committed), due.state, cause=due.reason
            )
        if due.state is DiskState.SUSPECT:
            # What a test said before it became suspect proves nothing now.
            self._memory[record.disk_id].trial_passed = False
        again = " again" if due.state is DiskState.HEALTHY else ""
        self._base.events.record(
            _LOUD.get(due.state, EventSeverity.WARNING),
            record.name,
            f"{record.name} is {due.state}{again}: {due.reason}",
        )
        self._membership.settle_journal_set()
        self._engine.measure_space()
        self._on_change()

    # Statistics

    def _meter(self, one: DiskPresence) -> DiskMeter:
        return self._disks.statistics.meter(one.record.uuid)

    def _forget_others(self, presences: Sequence[DiskPresence]) -> None:
        known = {one.record.disk_id for one in presences}
        for disk_id in [one for one in self._memory if one not in known]:
            del self._memory[disk_id]

    def _keep_statistics(self) -> None:
        now_s = self._base.clock.monotonic_s()
        kept = self._disks.statistics
        if now_s >= self._flush_due_s:
            self._flush_due_s = now_s + FLUSH_S
            kept.flush()
        if kept.trouble and kept.trouble != self._told:
            self._base.events.record(EventSeverity.WARNING, "statistics", kept.trouble)
        self._told = kept.trouble
