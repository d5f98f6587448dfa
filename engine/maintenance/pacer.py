"""Rests between pieces of work, as the pace of the moment asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.clock import Clock
from engine.maintenance.steering import Steering
from engine.policy.pacing import Pace, limit_s, share_rest_s

LOOK_S: Final = 0.25
"""Over how long the foreground is watched: it must be heard soon after it begins."""

CALM_S: Final = 1.0
"""How long it counts as busy after it was last seen so: streams have gaps."""

ForegroundBytes = Callable[[], int]
"""Bytes that foreground operations moved since the pool was opened."""


class Pacer:
    """Says when the next piece of work may begin. Maintenance thread only."""

    def __init__(self, clock: Clock, steering: Steering, foreground: ForegroundBytes) -> None:
        self._clock: Final = clock
        self._steering: Final = steering
        self._foreground: Final = foreground
        self._seen_bytes = foreground()
        self._seen_s = clock.monotonic_s()
        self._busy_bytes_s = 0.0
        self._busy_until_s = float("-inf")
        self._began_s = float("-inf")
        self._share_until_s = self._limit_until_s = float("-inf")
        self._rested_for = Pace(share=1.0, in_flight=1)

    def pace(self) -> Pace:
        """Return the pace now; looks at the foreground every LOOK_S."""
        now_s = self._clock.monotonic_s()
        passed_s = now_s - self._seen_s
        if passed_s >= LOOK_S:
            total = self._foreground()
            bytes_s = (total - self._seen_bytes) / passed_s
            self._seen_bytes, self._seen_s = total, now_s
            if bytes_s >= self._busy_bytes_s or now_s >= self._busy_until_s:
                self._busy_bytes_s, self._busy_until_s = bytes_s, now_s + CALM_S
        return self._steering.pace(self._busy_bytes_s)

    def rest_s(self, pace: Pace) -> float:
        """Return for how long nothing may begin; another *pace* ends the rest."""
        if pace.share != self._rested_for.share:
            self._share_until_s = float("-inf")
        if pace.limit_bytes_s != self._rested_for.limit_bytes_s:
            self._limit_until_s = float("-inf")
        self._rested_for = pace
        until_s = max(self._share_until_s, self._limit_until_s)
        return max(0.0, until_s - self._clock.monotonic_s())

    def begin(self) -> None:
        """A piece of work begins."""
        self._began_s = self._clock.monotonic_s()

    def wrote(self, pace: Pace, written_bytes: int) -> None:
        """Account for what this piece wrote; several may, each owes its part."""
        since_s = max(self._limit_until_s, self._began_s)
        self._limit_until_s = since_s + limit_s(pace, written_bytes)

    def end(self, pace: Pace) -> None:
        """The piece ended: rest for the foreground's sake."""
        now_s = self._clock.monotonic_s()
        self._share_until_s = now_s + share_rest_s(pace, now_s - self._began_s)
        self._rested_for = pace
