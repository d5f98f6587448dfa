"""The newest events of a pool, for the timeline; bounded (P8)."""

from __future__ import annotations

import threading
from collections import deque
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


class EventLog:
    """A ring of the newest events. Thread-safe; readers take no lock.

    >>> from engine.clock import ManualClock
    >>> log = EventLog(ManualClock())
    >>> first = log.record(EventSeverity.INFO, "pool", "opened")
    >>> [event.text for event in log.since(0)], log.since(first.sequence)
    (['opened'], ())
    """

    def __init__(self, clock: Clock, *, events_max: int = EVENTS_MAX) -> None:
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._ring: Final[deque[Event]] = deque(maxlen=events_max)
        self._published: tuple[Event, ...] = ()
        self._last = 0

    def record(self, severity: EventSeverity, source: str, text: str) -> Event:
        """Add an event of now; the oldest one goes when the ring is full."""
        with self._lock:
            self._last += 1
            event = Event(
                sequence=self._last,
                time_ns=self._clock.now_ns(),
                severity=severity,
                source=source,
                text=text,
            )
            self._ring.append(event)
            self._published = tuple(self._ring)
        return event

    def since(self, sequence: int) -> tuple[Event, ...]:
        """Return the kept events after *sequence*, oldest first; 0 for all."""
        events = self._published
        if not events:
            return ()
        return events[max(0, sequence + 1 - events[0].sequence) :]
