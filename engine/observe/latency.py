"""How long the newest calls took, kept without a lock.

A ring of the last samples: whoever adds takes the next slot by a counter that
the interpreter steps atomically, and replaces one reference. Nothing waits,
and a reader copies the ring in one step.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

SAMPLES_MAX: Final = 512
"""Calls remembered; enough for a p99, and sorted in well under a millisecond."""

SAMPLE_S_MAX: Final = 300.0
"""Samples older than this say nothing about now."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that half, and all but a hundredth, of *count* calls stayed below."""

    count: int = 0
    p50_s: float = 0.0
    p99_s: float = 0.0


class LatencyRing:
    """The newest calls of one disk. Thread-safe without a lock.

    >>> ring = LatencyRing()
    >>> for call in range(100):
    ...     ring.add(call / 100, at_s=0.0)
    >>> ring.latency(now_s=1.0)
    Latency(count=100, p50_s=0.5, p99_s=0.99)
    >>> ring.latency(now_s=1000.0).count
    0
    """

    __slots__ = ("_next", "_samples")

    def __init__(self) -> None:
        self._next: Final = itertools.count()
        self._samples: list[tuple[float, float] | None] = [None] * SAMPLES_MAX

    def add(self, seconds: float, *, at_s: float) -> None:
        """Remember a call of so many *seconds* that ended at *at_s*."""
        self._samples[next(self._next) % SAMPLES_MAX] = (at_s, seconds)

    def latency(self, *, now_s: float) -> Latency:
        """Return the percentiles of the calls of the last minutes (nearest rank)."""
        kept = [one for one in self._samples[:] if one is not None]
        taken = sorted(seconds for at_s, seconds in kept if now_s - at_s <= SAMPLE_S_MAX)
        if not taken:
            return Latency()
        count = len(taken)
        return Latency(count, taken[count // 2], taken[min(count - 1, count * 99 // 100)])
