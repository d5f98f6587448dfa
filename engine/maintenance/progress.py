"""How far reconcile is, and rates: frozen, published whole, read without a lock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp, sqrt
from typing import Final

from engine.clock import Clock
from engine.ids import ExtentId
from engine.policy.pacing import Priority
from engine.policy.waiting import WaitCount, WaitsFor

RATE_WINDOW_S: Final = 60.0
"""Time constant of the rates: long enough to be steady, short enough to follow."""

PRIOR_S: Final = 10.0
"""For how many seconds a rate from before a restart counts beside what is measured."""

SAMPLE_S: Final = 1.0
"""Pieces of time by which the steadiness of a rate is judged."""

MARGIN_SIGMAS: Final = 1.5
"""The margin of an ETA in standard deviations of its rate."""

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
    waits_for: WaitsFor | None = None
    """Of what is pending."""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """Work of one kind that waits."""

    kind: str
    queued_items: int
    queued_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileProgress:
    """All of reconcile. ``failed_items`` includes ``lost_items``."""

    active: bool = False
    """Something runs, waits its turn or is being looked for; what is only
    pending, or waits for a retry, does not count."""
    scanning: bool = False
    paused: bool = False
    cancelled: bool = False
    priority: Priority = Priority.NORMAL
    limit_bytes_s: int = 0
    full_speed_until_ns: int = 0
    preferred: tuple[str, ...] = ()
    rebalancing: bool = False
    compacting: bool = False
    reclaimable_bytes: int = 0
    """User bytes that compacting would free; as of the last look."""
    started_ns: int = 0
    average_bytes_s: float = 0.0
    eta_margin_s: float = 0.0
    kinds: tuple[KindCount, ...] = ()
    irrecoverable: tuple[str, ...] = ()
    waiting_s: float = 0.0
    waiting_reason: str = ""
    done_items: int = 0
    total_items: int = 0
    pending_items: int = 0
    waits: tuple[WaitCount, ...] = ()
    """What the pending ones wait for, most of them first."""
    failed_items: int = 0
    lost_items: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    written_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    items: tuple[ItemProgress, ...] = ()
    last_result: str = ""


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
        self._bytes = self._seconds = 0.0
        self._sample_bytes = self._sample_s = 0.0
        self._samples = 0
        self._variance = 0.0

    def restart(self, bytes_s: float = 0.0) -> None:
        """Forget the past; *bytes_s* is believed until better is known, 0 is unknown."""
        self.hold()
        self._waiting = self._samples = 0
        self._seconds = PRIOR_S if bytes_s > 0 else 0.0
        self._bytes = bytes_s * self._seconds
        self._sample_bytes = self._sample_s = self._variance = 0.0

    def hold(self) -> None:
        """Leave out the time since the last amount: nothing was to be done."""
        self._last_s = self._clock.monotonic_s()

    @property
    def bytes_s(self) -> float:
        """Bytes by seconds, both fading alike: right from the first amount on."""
        return self._bytes / self._seconds if self._seconds > 0 else 0.0

    def add(self, count: int) -> None:
        """Count *count* bytes done since the last call."""
        self._waiting += count
        took_s = self._clock.monotonic_s() - self._last_s
        if took_s <= 0:
            return
        fade = exp(-took_s / RATE_WINDOW_S)
        self._bytes = self._bytes * fade + self._waiting
        self._seconds = self._seconds * fade + took_s
        self._last_s += took_s
        self._note_sample(took_s)
        self._waiting = 0

    def _note_sample(self, took_s: float) -> None:
        """Take note of how steady it is, in pieces of SAMPLE_S."""
        self._sample_bytes += self._waiting
        self._sample_s += took_s
        if self._sample_s >= SAMPLE_S:
            off = self._sample_bytes / self._sample_s - self.bytes_s
            self._samples += 1
            weight = max(1 / self._samples, SAMPLE_S / RATE_WINDOW_S)
            self._variance += weight * (off * off - self._variance)
            self._sample_bytes = self._sample_s = 0.0

    def margin_s(self, left_bytes: int) -> float:
        """Return by how much ``eta_s`` may be off either way: less, the steadier it is."""
        eta_s = self.eta_s(left_bytes)
        if not eta_s:
            return 0.0
        spread = MARGIN_SIGMAS * sqrt(self._variance) / self.bytes_s / sqrt(max(1, self._samples))
        return eta_s * min(1.0, spread + 1 / (1 + self._samples))

    def eta_s(self, left_bytes: int) -> float | None:
        """Return the seconds *left_bytes* will take; None when nothing is known."""
        if left_bytes <= 0:
            return 0.0
        return left_bytes / self.bytes_s if self.bytes_s > 0 else None
