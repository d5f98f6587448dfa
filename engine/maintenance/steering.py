"""What the operator wants of reconcile, kept across restarts. Thread-safe."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.errors import UsageError
from engine.maintenance.work_state import (
    RoundTotals,
    WorkState,
    load_work_state,
    save_work_state,
)
from engine.policy.pacing import Pace, Priority, choose_pace
from engine.units import NS_PER_S

PREFERRED_MAX: Final = 16
"""Paths that may go first; with more, none would be first."""

FULL_SPEED_S_MAX: Final = 7 * 24 * 3600

SAVE_S: Final = 1.0
"""Between two writes of totals that only grow; a wish is written at once."""


class Steering:
    """The wishes, and the file they are kept in."""

    def __init__(self, clock: Clock, path: Path) -> None:
        self._clock: Final = clock
        self._path: Final = path
        self._lock: Final = threading.Lock()
        self._state = load_work_state(path)
        self._unsaved = False
        self._saved_s = clock.monotonic_s()

    @property
    def state(self) -> WorkState:
        """The wishes now."""
        return self._state

    def _change(self, **changes: bool | int | str | tuple[str, ...]) -> None:
        with self._lock:
            changed = replace(self._state, **changes)  # type: ignore[arg-type]
            if changed != self._state:
                self._state = changed
                save_work_state(self._path, changed)

    # Wishes

    def pause(self) -> None:
        """Have nothing done until ``resume``."""
        self._change(paused=True)

    def resume(self) -> None:
        """End pause and cancel."""
        self._change(paused=False, cancelled="")

    def cancel(self, basis: str) -> None:
        """Have nothing begun while the facts have the fingerprint *basis*."""
        self._change(cancelled=basis)

    def end_cancel(self) -> None:
        """What was left may be possible now."""
        self._change(cancelled="")

    def limit(self, bytes_s: int) -> None:
        """Write at most *bytes_s*; 0 for no limit. UsageError below 0."""
        if bytes_s < 0:
            raise UsageError("a limit cannot be negative; 0 takes it away")
        self._change(limit_bytes_s=bytes_s)

    def set_priority(self, priority: str) -> None:
        """Set low, normal or high; UsageError for anything else."""
        try:
            self._change(priority=str(Priority(priority)))
        except ValueError as error:
            raise UsageError(f"{priority!r} is no priority: {', '.join(Priority)}") from error

    def full_speed(self, seconds: int) -> None:
        """High priority and no limit for *seconds*; 0 ends it."""
        if not 0 <= seconds <= FULL_SPEED_S_MAX:
            raise UsageError(f"full speed is for 0 to {FULL_SPEED_S_MAX} seconds")
        until_ns = self._clock.now_ns() + seconds * NS_PER_S if seconds else 0
        self._change(full_speed_until_ns=until_ns)

    def prefer(self, path: str) -> None:
        """Let *path* go first too; an empty one forgets all."""
        preferred = self._state.preferred
        if not path:
            self._change(preferred=())
        elif path not in preferred:
            if len(preferred) >= PREFERRED_MAX:
                raise UsageError(f"{PREFERRED_MAX} paths are preferred; an empty one forgets them")
            self._change(preferred=(*preferred, path))

    def set_hasty(self, *, hasty: bool) -> None:
        """Note that this round was asked for, or is over."""
        self._change(hasty=hasty)

    def set_widening(self, *, widening: bool) -> None:
        """Note that a changed policy is being followed, or is."""
        self._change(widening=widening)

    def set_rebalancing(self, *, rebalancing: bool) -> None:
        """Note that fragments are to be spread evenly, or are."""
        self._change(rebalancing=rebalancing)

    def set_compacting(self, *, compacting: bool) -> None:
        """Note that half-dead extents are to be compacted now, or are."""
        self._change(compacting=compacting)

    # What follows from them

    @property
    def full_speed_until_ns(self) -> int:
        """Until when full speed holds; 0 when it does not."""
        until_ns = self._state.full_speed_until_ns
        return until_ns if until_ns > self._clock.now_ns() else 0

    def pace(self, foreground_bytes_s: float) -> Pace:
        """Return the pace beside a foreground that moves so much."""
        if self.full_speed_until_ns:
            return choose_pace(Priority.HIGH, foreground_bytes_s=foreground_bytes_s)
        return choose_pace(
            Priority(self._state.priority),
            foreground_bytes_s=foreground_bytes_s,
            limit_bytes_s=self._state.limit_bytes_s,
        )

    # Totals

    def keep_totals(self, totals: RoundTotals, *, at_once: bool) -> None:
        """Keep *totals*; in the file within SAVE_S, or now."""
        with self._lock:
            self._unsaved |= totals != self._state.totals
            self._state = replace(self._state, totals=totals)
            now_s = self._clock.monotonic_s()
            if self._unsaved and (at_once or now_s - self._saved_s >= SAVE_S):
                self._unsaved, self._saved_s = False, now_s
                save_work_state(self._path, self._state)
