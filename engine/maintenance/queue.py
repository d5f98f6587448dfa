"""Work that waits, most exposed first, in bounded memory (P8)."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Final

from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.progress import KindCount
from engine.policy.ordering import WorkKey, WorkKind, WorkOrder, work_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One extent that differs from what policy wants. ``total_bytes``: to write."""

    order: WorkOrder
    total_bytes: int

    @property
    def extent_id(self) -> ExtentId:
        """The extent."""
        return self.order.extent_id


class WorkQueue:
    """The most urgent work, sorted. Not thread-safe: one step at a time uses it.

    Holds at most *items_max*; what is less urgent is counted and left to the
    next scan, which ``overflowed`` asks for.
    """

    def __init__(self, *, items_max: int = RECONCILE_ITEMS_MAX) -> None:
        self._items_max: Final = items_max
        self._keys: list[WorkKey] = []
        self._works: list[Work] = []
        self._known: set[ExtentId] = set()
        self._kinds: dict[WorkKind, tuple[int, int]] = {}
        self.overflowed = 0
        self.total_bytes = 0
        """Bytes to write for all work, what overflowed included."""

    def __len__(self) -> int:
        return len(self._works) + self.overflowed

    def add(self, work: Work) -> None:
        """Insert *work* in its place; an extent that is queued already stays as it is."""
        if work.extent_id in self._known:
            return
        key = work_key(work.order)
        at = bisect.bisect(self._keys, key)
        self._keys.insert(at, key)
        self._works.insert(at, work)
        self._known.add(work.extent_id)
        self._count(work, 1)
        self.total_bytes += work.total_bytes
        if len(self._works) > self._items_max:
            self._keys.pop()
            least = self._works.pop()
            self._known.discard(least.extent_id)
            self._count(least, -1)
            self.overflowed += 1

    def take(self) -> Work | None:
        """Remove and return the most urgent work."""
        if not self._works:
            return None
        self._keys.pop(0)
        work = self._works.pop(0)
        self._known.discard(work.extent_id)
        self._count(work, -1)
        self.total_bytes -= work.total_bytes
        return work

    def first(self, count: int) -> list[Work]:
        """Return the most urgent works without removing them."""
        return self._works[: max(0, count)]

    def kinds(self) -> tuple[KindCount, ...]:
        """Return what waits by kind, in the order of work; what overflowed is not in it."""
        counts = dict(self._kinds)
        return tuple(
            KindCount(kind=str(kind), queued_items=counts[kind][0], queued_bytes=counts[kind][1])
            for kind in WorkKind
            if counts.get(kind, (0, 0))[0]
        )

    def _count(self, work: Work, change: int) -> None:
        items, size = self._kinds.get(work.order.kind, (0, 0))
        self._kinds[work.order.kind] = (items + change, size + change * work.total_bytes)

    def clear(self) -> None:
        """Forget everything; a scan finds it again."""
        self._keys.clear()
        self._works.clear()
        self._known.clear()
        self._kinds.clear()
        self.overflowed = 0
        self.total_bytes = 0
