"""How far reconcile and scrub are: frozen, published whole, read without a lock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp
from typing import Final

from engine.clock import Clock
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId

RATE_WINDOW_S: Final = 60.0
"""Time constant of the rates: long enough to be steady, short enough to follow."""

ITEMS_SHOWN_MAX: Final = 200
"""Items listed in a progress; the counts are exact."""


class ItemState(StrEnum):
    """States of one piece of work."""

    QUEUED = "queued"
    RUNNING = "running"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemProgress:
    """One extent in reconcile's hands. ``exposure`` -1 is lost."""

    extent_id: ExtentId
    kind: str
    state: ItemState
    exposure: int
    done_bytes: int = 0
    total_bytes: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileProgress:
    """All of reconcile. ``failed_items`` includes ``lost_items``."""

    active: bool = False
    """Something runs, waits its turn or is being looked for; what is only
    pending, or waits for a retry, does not count."""
    scanning: bool = False
    paused: bool = False
    waiting_s: float = 0.0
    waiting_reason: str = ""
    done_items: int = 0
    total_items: int = 0
    pending_items: int = 0
    failed_items: int = 0
    lost_items: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    written_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    items: tuple[ItemProgress, ...] = ()
    last_result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fragment that a scrub found wanting. ``path`` is empty until one is known."""

    extent_id: ExtentId
    index: int
    disk_id: DiskId
    verdict: Verdict
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubProgress:
    """A scrub that runs, or the last one. Times are epoch nanoseconds."""

    running: bool = False
    repair: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    done_fragments: int = 0
    total_fragments: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    intact: int = 0
    corrupt: int = 0
    missing: int = 0
    misplaced: int = 0
    unreferenced: int = 0
    parity_mismatches: int = 0
    repaired: int = 0
    findings: tuple[Finding, ...] = ()
    runs_completed: int = 0


class Rate:
    """Bytes per second as a moving average; one thread adds.

    >>> from engine.clock import ManualClock
    >>> clock = ManualClock()
    >>> rate = Rate(clock)
    >>> clock.advance(2.0)
    >>> rate.add(100)
    >>> rate.bytes_s
    50.0
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._last_s = clock.monotonic_s()
        self._waiting = 0
        self._known = False
        self.bytes_s = 0.0

    def restart(self) -> None:
        """Forget the past: the next amount is measured from now on."""
        self._last_s = self._clock.monotonic_s()
        self._waiting = 0
        self._known = False
        self.bytes_s = 0.0

    def add(self, count: int) -> None:
        """Count *count* bytes done since the last call."""
        self._waiting += count
        took_s = self._clock.monotonic_s() - self._last_s
        if took_s <= 0:
            return
        now = self._waiting / took_s
        weight = 1.0 - exp(-took_s / RATE_WINDOW_S) if self._known else 1.0
        self.bytes_s += weight * (now - self.bytes_s)
        self._known = True
        self._last_s += took_s
        self._waiting = 0

    def eta_s(self, left_bytes: int) -> float | None:
        """Return the seconds *left_bytes* will take; None when nothing is known."""
        if left_bytes <= 0:
            return 0.0
        return left_bytes / self.bytes_s if self.bytes_s > 0 else None
