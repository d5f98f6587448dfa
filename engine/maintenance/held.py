"""Work that cannot proceed: pending with its reason, failed with a later try, lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from engine.clock import Clock
from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.progress import ItemState
from engine.maintenance.queue import Work
from engine.policy.ordering import WorkKind
from engine.policy.waiting import WaitCount, WaitsFor

RETRY_FIRST_S: Final = 5.0
RETRY_S_MAX: Final = 600.0
RETRIES_MAX: Final = 10
"""Later an item waits until the disks change (P8)."""


_Wait: TypeAlias = tuple[WorkKind, WaitsFor]


@dataclass(frozen=True, slots=True)
class Held:
    """An item that cannot proceed. ``retry_s``: monotonic second, None for never.

    ``room_bytes``: what the disks had free when there was not enough of it.
    """

    work: Work
    state: ItemState
    reason: str
    tries: int = 0
    retry_s: float | None = None
    lost: bool = False
    room_bytes: int | None = None
    waits_for: WaitsFor = WaitsFor.DISKS

    @property
    def wait(self) -> _Wait:
        """What it waits for, and as what kind of work."""
        return self.work.order.kind, self.waits_for


class HeldWorks:
    """At most RECONCILE_ITEMS_MAX of them by extent; the others are counted (P8).

    Not thread-safe: ``Tally`` guards it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._held: dict[ExtentId, Held] = {}
        self._tries: dict[ExtentId, int] = {}
        self._unlisted_pending: Counter[_Wait] = Counter()
        self._unlisted_lost = 0

    def __bool__(self) -> bool:
        return bool(self._held)

    def failed(self, work: Work, reason: str) -> Held:
        """Return *work* with the time of its next try."""
        tries = self._tries.get(work.extent_id, 0) + 1
        self._tries[work.extent_id] = tries
        delay_s = min(RETRY_S_MAX, RETRY_FIRST_S * 2 ** (tries - 1))
        retry_s = self._clock.monotonic_s() + delay_s if tries < RETRIES_MAX else None
        return Held(work, ItemState.FAILED, reason, tries, retry_s)

    def succeeded(self, extent_id: ExtentId) -> None:
        """Forget how often it failed."""
        self._tries.pop(extent_id, None)

    def add(self, held: Held) -> None:
        """Keep *held*; a failed one too many is found by the next scan."""
        extent_id = held.work.extent_id
        if len(self._held) < RECONCILE_ITEMS_MAX or extent_id in self._held:
            self._held[extent_id] = held
        elif held.lost:
            self._unlisted_lost += 1
        elif held.state is ItemState.PENDING:
            self._unlisted_pending[held.wait] += 1

    def release(self, extent_id: ExtentId) -> bool:
        """Forget what held *extent_id*; whether anything did."""
        return self._held.pop(extent_id, None) is not None

    def clear(self) -> None:
        """Forget all, and how often they failed."""
        self._held = {}
        self._tries = {}
        self._unlisted_pending.clear()
        self._unlisted_lost = 0

    def waits_for_retry(self, extent_id: ExtentId) -> bool:
        """Whether a scan must leave the extent alone: it failed a short while ago."""
        held = self._held.get(extent_id)
        return held is not None and held.state is ItemState.FAILED

    def due_retry(self) -> ExtentId | None:
        """Return an item whose delay has passed."""
        now_s = self._clock.monotonic_s()
        for extent_id, held in self._held.items():
            if held.retry_s is not None and held.retry_s <= now_s:
                return extent_id
        return None

    def fitting(self, free_bytes: int) -> list[ExtentId]:
        """Return items that waited for room and may find it now."""
        return [
            extent_id
            for extent_id, held in self._held.items()
            if held.room_bytes is not None and free_bytes > held.room_bytes
        ]

    def first(self, count: int) -> list[Held]:
        """Return at most *count* of them, oldest first."""
        return list(islice(self._held.values(), max(0, count)))

    def lost_extents(self) -> list[ExtentId]:
        """Return the extents that cannot be mended, by id."""
        return sorted(extent_id for extent_id, held in self._held.items() if held.lost)

    @property
    def lost_count(self) -> int:
        """How many cannot be mended."""
        return sum(held.lost for held in self._held.values()) + self._unlisted_lost

    @property
    def pending_count(self) -> int:
        """How many wait for disks or room."""
        listed = sum(one.state is ItemState.PENDING for one in self._held.values())
        return listed + self._unlisted_pending.total()

    def waits(self) -> tuple[WaitCount, ...]:
        """Return what pending work waits for, most of it first."""
        counts, reasons = self._unlisted_pending.copy(), dict[_Wait, str]()
        for held in self._held.values():
            if held.state is ItemState.PENDING:
                counts[held.wait] += 1
                reasons.setdefault(held.wait, held.reason)
        return tuple(
            WaitCount(
                kind=str(kind), waits_for=what, items=items, reason=reasons.get((kind, what), "")
            )
            for (kind, what), items in counts.most_common()
        )

    @property
    def failed_count(self) -> int:
        """How many failed, those that cannot be mended included."""
        listed = sum(one.state is ItemState.FAILED for one in self._held.values())
        return listed + self._unlisted_lost

    def sentence(self) -> str:
        """Return what waits, as the end of a sentence; empty when nothing does."""
        text = ""
        reason = next(
            (one.reason for one in self._held.values() if one.state is ItemState.PENDING), ""
        )
        if self.pending_count:
            text += f"; {self.pending_count} pending: {reason}"
        retried = self.failed_count - self.lost_count
        if retried:
            text += f"; {retried} failed and tried again later"
        return text
