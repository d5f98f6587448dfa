"""Tells in the event log when a condition comes and when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.observe.events import EventLog, EventSeverity
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.views import PoolView, VerdictView

LOOK_S: Final = 1.0

CALM_LOOKS: Final = 3
"""A condition is over when so many looks in a row did not find it: one that comes
and goes with every look would fill the log."""


class ConditionWatch:
    """Compares each view with the one before. One thread."""

    def __init__(self, view: Callable[[], PoolView], events: EventLog) -> None:
        self._view: Final = view
        self._events: Final = events
        self._known: dict[tuple[str, str], int] = {}
        """By code and subject: how many looks in a row have not found it."""

    def turn(self) -> float:
        """Take a view and tell what is new or over; return the seconds to rest."""
        found = {(one.code, one.subject): one for one in self._view().conditions}
        for key, condition in found.items():
            if key not in self._known:
                self._tell(condition)
            self._known[key] = 0
        for key in [one for one in self._known if one not in found]:
            self._known[key] += 1
            if self._known[key] >= CALM_LOOKS:
                del self._known[key]
                self._tell_over(*key)
        return LOOK_S

    def _tell(self, condition: VerdictView) -> None:
        severity = EventSeverity(MEANINGS[Code(condition.code)].severity)
        text = f"{condition.sentence} {condition.action}"
        self._events.record(severity, condition.subject or "pool", text, code=condition.code)

    def _tell_over(self, code: str, subject: str) -> None:
        about = f" ({subject})" if subject else ""
        text = f"No longer: {MEANINGS[Code(code)].title}{about}."
        self._events.record(EventSeverity.INFO, subject or "pool", text, code=code)
