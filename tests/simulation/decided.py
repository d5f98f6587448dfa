"""Each legal choice in turn, for recordings so small that one can list them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TypeVar

from tests.simulation.arrival import sectors
from tests.simulation.events import ContentEvent, Node, Reserved, Written
from tests.simulation.replay import ContentChange, NameChange

_Item = TypeVar("_Item")


class Decided:
    """Takes one decision for each file or folder that it is asked about.

    A decision is a number whose bits say which of the changes arrived.
    """

    def __init__(self, decisions: Sequence[int], *, sector_bytes: int | None) -> None:
        """Decide by *decisions*, then 0 where there are no more."""
        self._decisions = list(decisions)
        self._sector_bytes = sector_bytes
        self._bounds: list[int] = []

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the one whose ``str`` is *text*."""
        numbers, _, sector = text.partition(" by ")
        decisions = [int(one) for one in numbers.split(".")]
        return cls(decisions, sector_bytes=int(sector) if sector else None)

    def __str__(self) -> str:
        """Say what was decided, as text to make it again."""
        numbers = ".".join(str(one) for one in self._decisions) or "0"
        return numbers if self._sector_bytes is None else f"{numbers} by {self._sector_bytes}"

    def next(self) -> list[int] | None:
        """Return the decisions to take after these; None when these were the last."""
        decisions = self._decisions[: len(self._bounds)]
        while decisions:
            number = decisions.pop() + 1
            if number < self._bounds[len(decisions)]:
                return [*decisions, number]
        return None

    def _chosen(self, items: Sequence[_Item]) -> list[_Item]:
        asked = len(self._bounds)
        self._bounds.append(1 << len(items))
        if asked == len(self._decisions):
            self._decisions.append(0)
        bits = self._decisions[asked]
        return [item for place, item in enumerate(items) if bits >> place & 1]

    def names(self, root: Node, changes: Sequence[NameChange]) -> Sequence[NameChange]:
        """Return those that were decided to arrive."""
        return self._chosen(changes)

    def contents(self, root: Node, changes: Sequence[ContentChange]) -> Sequence[ContentEvent]:
        """Return those that were decided to arrive, and the sectors of writes."""
        parts = list[ContentEvent]()
        for change in changes:
            parts += self._parts(change.event)
        return self._chosen(parts)

    def _parts(self, event: ContentEvent) -> list[ContentEvent]:
        if self._sector_bytes is None or not isinstance(event, Written):
            return [event]
        length = Reserved(event.node, event.offset_bytes + len(event.data))
        return [*sectors(event, self._sector_bytes), length]
