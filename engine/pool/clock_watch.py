"""Notices that the wall clock was set while the pool was open."""

from __future__ import annotations

from typing import Final

from engine.clock import Clock

JUMP_S_MIN: Final = 30.0
"""What time synchronisation corrects in small steps is less than this."""

REMEMBERED_S: Final = 3600.0
"""How long a jump is told: an hour, so that somebody sees it."""


class ClockWatch:
    """Compares the wall clock with one that cannot be set. One thread at a time.

    >>> from engine.clock import ManualClock
    >>> clock = ManualClock()
    >>> watch = ClockWatch(clock)
    >>> watch.jump_s()
    0.0
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._offset_ns = self._offset()
        self._jump_s = 0.0
        self._noticed_s = 0.0

    def jump_s(self) -> float:
        """Return by how many seconds the clock was set lately; negative is back, 0 not at all."""
        offset_ns = self._offset()
        moved_s = (offset_ns - self._offset_ns) / 1e9
        # Slow corrections move the offset, too: each look starts from the last one.
        self._offset_ns = offset_ns
        now_s = self._clock.monotonic_s()
        if abs(moved_s) >= JUMP_S_MIN:
            self._jump_s, self._noticed_s = moved_s, now_s
        elif self._jump_s and now_s - self._noticed_s > REMEMBERED_S:
            self._jump_s = 0.0
        return self._jump_s

    def _offset(self) -> int:
        return self._clock.now_ns() - round(self._clock.monotonic_s() * 1e9)
