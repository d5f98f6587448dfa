"""Verbs of scrubs on an open pool (``engine.status.facets.ScrubControl``). Thread-safe."""

from __future__ import annotations

import threading
from typing import Final

from engine.errors import ReadOnlyError, UsageError
from engine.maintenance.scrub import Scrub
from engine.maintenance.scrub_ages import Ages, count_ages
from engine.maintenance.scrub_target import ScrubTarget, TargetKind, parse_target
from engine.policy.scrub_pacing import ScrubIntensity
from engine.policy.scrub_schedule import parse_schedule
from engine.pool.pool import Pool
from engine.status.answers import AgeBucketView, ScrubHistoryView, ScrubRunView
from engine.units import format_bytes

AGES_S: Final = 10.0
COUNTING_SHARE: Final = 0.05
"""Ages are counted anew after so long at least, and in this share of the time at most."""

KEPT_S_MAX: Final = 30.0
"""How long a verb waits until what it set is on the disks of the journals."""


class ScrubVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._scrub: Final[Scrub] = pool.maintenance.scrub
        self._clock: Final = pool.engine.base.clock
        self._lock: Final = threading.Lock()
        self._ages: Ages | None = None
        self._count_s = float("-inf")

    def start(self, target: str, *, repair: bool) -> str:
        """Scrub *target*: ``all``, ``disk NAME``, ``directory PATH``, ``bad``, ``older DAYS``."""
        self._require_writable()
        return self._woken(self._scrub.start(repair=repair, target=self._resolved(target)))

    def _resolved(self, text: str) -> ScrubTarget:
        """Return the target, a disk by its name whatever it was called."""
        target = parse_target(text)
        if target.kind is not TargetKind.DISK:
            return target
        record = self._pool.membership.find(target.name)
        return ScrubTarget(kind=TargetKind.DISK, name=record.name)

    def pause(self) -> str:
        """Interrupt the running scrub; ``resume`` goes on at its cursor, also after a restart."""
        self._require_writable()
        return self._woken(self._scrub.pause())

    def resume(self) -> str:
        """End ``pause``."""
        self._require_writable()
        return self._woken(self._scrub.resume())

    def set_intensity(self, intensity: str) -> str:
        """Set low, medium or high; takes effect at once and is kept."""
        self._require_writable()
        try:
            wanted = ScrubIntensity(intensity)
        except ValueError as error:
            known = ", ".join(ScrubIntensity)
            raise UsageError(f"{intensity!r} is no intensity: {known}") from error
        self._scrub.settings.set_intensity(wanted)
        return self._kept(f"scrubs run at intensity {wanted}")

    def limit(self, bytes_s: int) -> str:
        """Read at most *bytes_s*; 0 takes the limit away."""
        self._require_writable()
        if bytes_s < 0:
            raise UsageError("a limit is a number of bytes, or 0 for none")
        self._scrub.settings.set_limit(bytes_s)
        limit = f"at most {format_bytes(bytes_s)}/s" if bytes_s else "as fast as they can"
        return self._kept(f"scrubs read {limit}")

    def schedule(self, when: str) -> str:
        """Set ``nightly``, ``every N h`` or ``manual``; kept in the pool."""
        self._require_writable()
        schedule = parse_schedule(when)
        self._scrub.settings.set_schedule(schedule)
        return self._kept(f"scrubs start {schedule}")

    def history(self) -> ScrubHistoryView:
        """Return runs and the ages of fragments; the ages may be some seconds old."""
        ages = self._counted()
        return ScrubHistoryView(
            runs=tuple(
                ScrubRunView(
                    run=number,
                    started_ns=run.started_ns,
                    finished_ns=run.finished_ns,
                    target=run.target,
                    repair=run.repair,
                    word=run.word,
                    fragments=run.fragments,
                    bytes=run.bytes,
                    bad=run.bad,
                    repaired=run.repaired,
                    unrepaired=max(0, run.bad - run.repaired),
                )
                for number, run in self._scrub.records.runs()
            ),
            ages=tuple(
                AgeBucketView(
                    days_min=one.days_min,
                    days_max=one.days_max,
                    fragments=one.fragments,
                    bytes=one.bytes,
                )
                for one in ages.buckets
            ),
            never_fragments=ages.never_fragments,
            never_bytes=ages.never_bytes,
        )

    def _counted(self) -> Ages:
        """Return the ages, counted anew when that costs little."""
        with self._lock:
            began_s = self._clock.monotonic_s()
            if self._ages is None or began_s >= self._count_s:
                base = self._pool.engine.base
                self._ages = count_ages(
                    self._pool.engine.readers, self._scrub.records, base.clock.now_ns()
                )
                took_s = self._clock.monotonic_s() - began_s
                self._count_s = began_s + max(AGES_S, took_s / COUNTING_SHARE)
            return self._ages

    def _kept(self, sentence: str) -> str:
        """Answer once what was set is safe: a kill right after must not undo it."""
        engine = self._pool.engine
        with engine.base.store.lock:
            generation = engine.base.store.open_generation
        engine.make_safe(generation, KEPT_S_MAX)
        return self._woken(sentence)

    def _woken(self, sentence: str) -> str:
        self._pool.maintenance.wake.set()
        return sentence

    def _require_writable(self) -> None:
        reason = self._pool.engine.refusal()
        if reason:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
