"""The one place through which every verb that changes something passes, for the trail."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final, ParamSpec, TypeVar

from engine.clock import Clock
from engine.errors import EngineError
from engine.observe.events import EventLog, EventSeverity
from engine.pool.actor import current_actor
from engine.pool.audit import AuditTrail, Deed
from engine.status.control import PoolControl
from engine.status.facets import FACETS, verbs_of

P = ParamSpec("P")
R = TypeVar("R")

LOOKING: Final = frozenset(
    {
        "view",
        "check",
        "list_extents",
        "metrics",
        "disks.plan",
        "disks.what_if",
        "work.list_work",
        "work.plan_compaction",
        "scrubs.history",
        "files.where",
        "files.list_directory",
        "files.plan_redundancy",
        "files.list_policies",
        "files.find_orphans",
        "journal.events_since",
        "journal.audit",
        "journal.verify_audit",
    }
)
"""Verbs that change nothing. Every other one leaves a line, new ones too."""

POOL_VERBS: Final = tuple(name for name in verbs_of(PoolControl) if name not in LOOKING)
"""Verbs of the pool itself that leave a line."""

_JUDGEMENT: ContextVar[list[str] | None] = ContextVar("judgement", default=None)


def note_judgement(judgement: str) -> None:
    """Say in the line of the verb under way what its plan said; nothing outside of one."""
    under_way = _JUDGEMENT.get()
    if under_way is not None:
        under_way.append(judgement)


class AuditedVerbs:
    """Makes verbs leave a line in *trail*, also when they are refused. Thread-safe."""

    def __init__(self, trail: AuditTrail, events: EventLog, clock: Clock) -> None:
        self._trail: Final = trail
        self._events: Final = events
        self._clock: Final = clock

    def watch(self, control: object, facets: Mapping[str, object]) -> None:
        """Have every changing verb of *control* and its *facets* recorded from now on."""
        for name in POOL_VERBS:
            setattr(control, name, self.recorded(name, getattr(control, name)))
        for facet, target in facets.items():
            for verb in verbs_of(FACETS[facet]):
                full = f"{facet}.{verb}"
                if full not in LOOKING:
                    setattr(target, verb, self.recorded(full, getattr(target, verb)))

    def recorded(self, name: str, verb: Callable[P, R]) -> Callable[P, R]:
        """Return *verb* with a line in the trail for each call from outside."""

        @functools.wraps(verb)
        def call(*given: P.args, **named: P.kwargs) -> R:
            if _JUDGEMENT.get() is not None:
                # One verb of the operator that is made of another: one line.
                return verb(*given, **named)
            began_s = self._clock.monotonic_s()
            judgements: list[str] = []
            token = _JUDGEMENT.set(judgements)
            result = "it ended by an error that was not foreseen"
            try:
                answer = verb(*given, **named)
                result = _sentence(answer)
                return answer
            except EngineError as error:
                result = f"{type(error).__name__}: {error}"
                raise
            finally:
                _JUDGEMENT.reset(token)
                duration_s = self._clock.monotonic_s() - began_s
                arguments = [*map(str, given), *(f"{key}={value}" for key, value in named.items())]
                self._record(name, arguments, "".join(judgements[-1:]), result, duration_s)

        return call

    def _record(
        self, verb: str, arguments: list[str], judgement: str, result: str, duration_s: float
    ) -> None:
        actor = current_actor()
        deed = Deed(
            verb=verb,
            arguments=" ".join(arguments),
            judgement=judgement,
            result=result,
            duration_s=duration_s,
            user=actor.user,
            terminal=actor.terminal,
        )
        if self._trail.record(deed) is None:
            self._events.record(
                EventSeverity.ERROR,
                "audit",
                f"not in the audit trail ({self._trail.problem}): {actor.user} gave"
                f" {verb} {deed.arguments}: {result}",
            )


def _sentence(answer: object) -> str:
    """Return what a verb answered as one text."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list | tuple):
        return "; ".join(map(str, answer))
    return "done"
