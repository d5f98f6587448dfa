"""Errors of work that is repeated: each new one is told, none ends the work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from engine.clock import Clock
from engine.errors import EngineError
from engine.observe.events import EventLog, EventSeverity

logger = logging.getLogger(__name__)

REST_S: Final = 1.0
"""How long work rests that ended in an error, whatever would wake it."""


class TurnErrors:
    """Tells an error of the work *name* once, until it went well again. One thread's."""

    def __init__(self, name: str, events: EventLog) -> None:
        self._name: Final = name
        self._events: Final = events
        self._last = ""

    def note(self, error: Exception) -> None:
        """The work ended in *error*."""
        text = str(error) or type(error).__name__
        if not isinstance(error, EngineError):
            logger.error("%s failed unexpectedly", self._name, exc_info=error)
        if text != self._last:
            self._last = text
            self._events.record(EventSeverity.ERROR, self._name, text)

    def clear(self) -> None:
        """The work went well."""
        self._last = ""


class Parts:
    """The parts of a turn: an error of one is told, and the others get their step (P4, P7).

    One row that cannot be read, which one part needs, must not keep the pool from
    repairing all others. One thread's.
    """

    def __init__(self, clock: Clock, events: EventLog) -> None:
        self._clock: Final = clock
        self._events: Final = events
        self._errors: Final[dict[str, TurnErrors]] = {}
        self._again_s: Final[dict[str, float]] = {}

    def step(self, name: str, step: Callable[[], bool]) -> bool:
        """Step the part *name*, unless it rests from an error; return whether it did something."""
        now_s = self._clock.monotonic_s()
        if now_s < self._again_s.get(name, now_s):
            return False
        errors = self._errors.setdefault(name, TurnErrors(name, self._events))
        try:
            did = step()
        except Exception as error:  # the other parts must go on
            errors.note(error)
            self._again_s[name] = self._clock.monotonic_s() + REST_S
            return False
        errors.clear()
        return did
