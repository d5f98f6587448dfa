"""Time as a dependency: nothing below ``pool`` reads the wall clock itself."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets time from. Thread-safe."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards."""

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        """Wait on *condition*, which the caller holds; return False on timeout."""


class SystemClock:
    """The machine's clock."""

    now_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        return condition.wait(timeout_s)


class ManualClock:
    """A clock that stands until told; for tests.

    >>> clock = ManualClock(now_ns=5)
    >>> clock.advance(1.0)
    >>> clock.now_ns(), clock.monotonic_s()
    (1000000005, 1.0)
    """

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = now_ns
        self._monotonic_s = 0.0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both readings forward by *seconds*."""
        self._now_ns += round(seconds * 1e9)
        self._monotonic_s += seconds

    def wait(self, condition: threading.Condition, timeout_s: float) -> bool:
        return condition.wait(0.01)
