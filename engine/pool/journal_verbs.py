"""Events and audit trail of an open pool (``engine.status.facets.JournalControl``). Thread-safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import CorruptionError, UsageError
from engine.observe.events import Event
from engine.pool.pool import Pool
from engine.status.answers import AuditView
from engine.status.views import EventView, Severity

LINES_MAX: Final = 10_000
"""How many events or lines one answer carries: some 2 MiB of text."""


class JournalVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def events_since(self, sequence: int, limit: int) -> Sequence[EventView]:
        """Return events after *sequence*, oldest first, also of earlier processes."""
        return [event_view(one) for one in self._pool.events_since(sequence, _bounded(limit))]

    def audit(self, limit: int) -> Sequence[AuditView]:
        """Return the newest lines of the audit trail, oldest first."""
        return self._pool.audit.newest(_bounded(limit))

    def verify_audit(self) -> str:
        """Check the chain of hashes; return one sentence.

        Raises:
            CorruptionError: it does not hold; the sentence names the line.
        """
        found = self._pool.audit.verify()
        if found.problem:
            raise CorruptionError(found.sentence)
        return found.sentence


def _bounded(limit: int) -> int:
    if limit < 1:
        raise UsageError("at least one line must be asked for")
    return min(limit, LINES_MAX)


def event_view(event: Event) -> EventView:
    """Return an event as it travels."""
    return EventView(
        sequence=event.sequence,
        time_ns=event.time_ns,
        severity=Severity(event.severity),
        source=event.source,
        text=event.text,
        code=event.code,
    )
