"""The newest events of a pool, for the timeline; bounded (P8)."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.clock import Clock
from engine.limits import EVENTS_MAX


class EventSeverity(StrEnum):
    """How loud an event is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``sequence`` starts at 1 and only grows."""

    sequence: int
    time_ns: int
    severity: EventSeverity
    source: str
    """The part of the engine that tells it, one word."""
    text: str
    """One sentence for people."""
    code: str = ""
    """``DFS-nnnn`` when it tells of a condition that came or went."""


class EventLog:
    """A ring of the newest events. Thread-safe; readers take no lock.

    >>> from engine.clock import ManualClock
    >>> log = EventLog(ManualClock())
    >>> first = log.record(EventSeverity.INFO, "pool", "opened")
    >>> [event.text for event in log.since(0)], log.since(first.sequence)
    (['opened'], ())
    """

    def __init__(
        self, clock: Clock, *, events_max: int = EVENTS_MAX, past: Sequence[Event] = ()
    ) -> None:
        """Begin behind *past*, events of earlier processes by ascending sequence."""
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._ring: Final[deque[Event]] = deque(past, maxlen=events_max)
        self._published: tuple[Event, ...] = tuple(self._ring)
        self._last = past[-1].sequence if past else 0
        self.inherited: Final = self._last
        """The number of the newest event of earlier processes; 0 without one."""
        self.recorded: Final = threading.Event()
        """Set by every record; whoever writes events down clears it first."""

    @property
    def last_sequence(self) -> int:
        """The number of the newest event; 0 when there was never one."""
        return self._last

    def skip_to(self, sequence: int) -> None:
        """Number the next event above *sequence*: numbers up to it may have been given."""
        with self._lock:
            self._last = max(self._last, sequence)

    def record(self, severity: EventSeverity, source: str, text: str, *, code: str = "") -> Event:
        """Add an event of now; the oldest one goes when the ring is full."""
        with self._lock:
            self._last += 1
            event = Event(
                sequence=self._last,
                time_ns=self._clock.now_ns(),
                severity=severity,
                source=source,
                text=text,
                code=code,
            )
            self._ring.append(event)
            self._published = tuple(self._ring)
        self.recorded.set()
        return event

    def since(self, sequence: int) -> tuple[Event, ...]:
        """Return the kept events after *sequence*, oldest first; 0 for all."""
        events = self._published
        return events[bisect_right(events, sequence, key=lambda event: event.sequence) :]
