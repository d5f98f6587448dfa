"""Keeps the events of an open pool on file, and takes up those of earlier processes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.observe.event_file import EVENTS_NAME, EventFile
from engine.observe.events import Event, EventLog, EventSeverity

REST_S: Final = 5.0
"""How long the keeper rests when no event wakes it."""

UNWRITTEN_MAX: Final = 1000
"""After a crash numbers go on so much higher: what was told and not yet written
down had numbers, too, and a follower must not see them twice."""

CLOSED: Final = "the pool is closed"


def open_event_log(pool_dir: Path, clock: Clock) -> EventLog:
    """Return a log that goes on behind the events on file; nothing is written."""
    past = EventFile(pool_dir / EVENTS_NAME).load()
    log = EventLog(clock, past=past)
    if past and past[-1].text != CLOSED:
        log.skip_to(past[-1].sequence + UNWRITTEN_MAX)
    return log


class EventKeeper:
    """Writes down what *events* get. ``turn`` and ``close`` from one thread at a time."""

    def __init__(self, pool_dir: Path, events: EventLog) -> None:
        self._file: Final = EventFile(pool_dir / EVENTS_NAME)
        self._events: Final = events
        past = self._file.load()
        self._written = past[-1].sequence if past else 0
        self._closed_well = not past or past[-1].text == CLOSED

    def begin(self) -> None:
        """Tell that the pool is open, and when it had not been closed."""
        if not self._closed_well:
            text = "the process that had the pool open before ended without closing it"
            self._events.record(EventSeverity.WARNING, "pool", text)
        self._events.record(EventSeverity.INFO, "pool", "the pool is open")

    def turn(self) -> float:
        """Write what is new; what the disk refuses is tried again at the next turn."""
        self._events.recorded.clear()
        fresh = self._events.since(self._written)
        # A full pool directory is told in its own place; events stay in memory meanwhile.
        with suppress(OSError):
            self._file.append(fresh)
            self._written = fresh[-1].sequence if fresh else self._written
        return REST_S

    def close(self) -> None:
        """Write the last events, and that this is a proper end."""
        self._events.record(EventSeverity.INFO, "pool", CLOSED)
        self.turn()

    def since(self, sequence: int, limit: int) -> list[Event]:
        """Return up to *limit* events after *sequence*, oldest first, from file where needed."""
        kept = self._events.since(sequence)
        known = self._events.since(0)
        if known and known[0].sequence > sequence + 1:
            older = [one for one in self._file.load() if one.sequence < known[0].sequence]
            kept = (*(one for one in older if one.sequence > sequence), *kept)
        return list(kept[:limit])
