"""Tells a scrub when it may go on: pauses between batches, bytes per second."""

from __future__ import annotations

from typing import Final

from engine.clock import Clock
from engine.policy.scrub_pacing import ScrubIntensity, limit_s, pause_s


class ScrubPace:
    """Rests of one scrub. ``rest_s`` from any thread, the rest from one."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self.intensity = ScrubIntensity.HIGH
        self.limit_bytes_s = 0
        self._in_a_row = 0
        self._paused_until_s = float("-inf")
        self._paid_until_s = float("-inf")

    def set_intensity(self, intensity: ScrubIntensity) -> None:
        """Choose the pauses; the present one ends."""
        self.intensity = intensity
        self._paused_until_s = float("-inf")

    def set_limit(self, bytes_s: int) -> None:
        """Choose the limit, 0 for none; what is owed to the old one is forgiven."""
        self.limit_bytes_s = bytes_s
        self._paid_until_s = float("-inf")

    def rest_s(self) -> float:
        """Return for how long nothing may be read now; 0 when it may."""
        until_s = max(self._paused_until_s, self._paid_until_s)
        return max(0.0, until_s - self._clock.monotonic_s())

    def note(self, began_s: float, read_bytes: int) -> None:
        """Take note of one extent, begun at *began_s*, that cost *read_bytes*."""
        # Counted from the start of the work: what that took is paid already.
        owed_from_s = max(self._paid_until_s, began_s)
        self._paid_until_s = owed_from_s + limit_s(self.limit_bytes_s, read_bytes)
        self._in_a_row += 1
        pause = pause_s(self.intensity, self._in_a_row)
        if pause:
            self._in_a_row = 0
            self._paused_until_s = self._clock.monotonic_s() + pause
