"""Critical events that nobody acknowledged at this console."""

from __future__ import annotations

from collections.abc import Sequence

from engine.status.views import EventView, Severity


class Alarms:
    """Keeps what must be seen until somebody says so. For the UI thread.

    Events of before the console was started are history, not alarms.
    """

    def __init__(self) -> None:
        self._seen: int | None = None
        self._open: tuple[EventView, ...] = ()

    @property
    def open(self) -> tuple[EventView, ...]:
        """The alarms nobody acknowledged, oldest first."""
        return self._open

    def observe(self, events: Sequence[EventView]) -> bool:
        """Take the newest timeline, which may overlap with the one before; say if alarms came."""
        newest = max((event.sequence for event in events), default=0)
        if self._seen is None:
            self._seen = newest
        new = tuple(
            event
            for event in events
            if event.sequence > self._seen and event.severity is Severity.CRITICAL
        )
        self._open += new
        self._seen = max(newest, self._seen)
        return bool(new)

    def acknowledge(self) -> None:
        """Put away all that are open."""
        self._open = ()
