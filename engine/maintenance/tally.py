"""Counts reconcile's work: running, held with a reason, done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from engine.clock import Clock
from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.progress import (
    ITEMS_SHOWN_MAX,
    ItemProgress,
    ItemState,
    Rate,
    ReconcileProgress,
)
from engine.maintenance.queue import Work, WorkQueue
from engine.observe.metrics import Metrics
from engine.policy.exposure import LOST

RETRY_FIRST_S: Final = 5.0
RETRY_S_MAX: Final = 600.0
RETRIES_MAX: Final = 10
"""Later an item waits until the disks change (P8)."""

PUBLISH_S: Final = 0.25
"""Between two pictures of work in progress."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An item that cannot proceed. ``retry_s``: monotonic second, None for never."""

    work: Work
    state: ItemState
    reason: str
    tries: int = 0
    retry_s: float | None = None
    lost: bool = False


class Tally:
    """What happened to the work of this round. One thread; ``progress`` by any."""

    def __init__(self, clock: Clock, metrics: Metrics, queue: WorkQueue) -> None:
        self._clock: Final = clock
        self._queue: Final = queue
        self._rate: Final = Rate(clock)
        self._attempted: Final = metrics.counter("rebuilds_attempted_total")
        self._successful: Final = metrics.counter("rebuilds_successful_total")
        self._failed: Final = metrics.counter("rebuilds_failed_total")
        self._written: Final = metrics.counter("rebuild_bytes_written_total")
        self._held: dict[ExtentId, _Held] = {}
        self._tries: dict[ExtentId, int] = {}
        self._unlisted_pending = self._unlisted_lost = 0
        self._running: Work | None = None
        self._running_bytes = 0
        self._done_items = self._done_bytes = self._written_bytes = 0
        self._worked = False
        self._last_result = ""
        self._published_s = float("-inf")
        self._changed = False
        self._progress = ReconcileProgress()

    # Items

    def begin(self, work: Work) -> None:
        """Note that *work* runs."""
        if not self._worked:
            self._worked = True
            self._done_items = self._done_bytes = self._written_bytes = 0
            self._rate.restart()
        self._running, self._running_bytes = work, 0
        self._attempted.add()
        self._publish()

    def add_bytes(self, count: int) -> None:
        """Count payload bytes of the running item."""
        self._running_bytes += count
        self._rate.add(count)
        if self._clock.monotonic_s() - self._published_s >= PUBLISH_S:
            self._publish()

    def done(self, work: Work, written_bytes: int) -> None:
        """Note that the running item was committed."""
        self._done_items += 1
        self._done_bytes += work.total_bytes
        self._written_bytes += written_bytes
        self._written.add(written_bytes)
        self._successful.add()
        self._tries.pop(work.extent_id, None)
        self.put_back()

    def put_back(self) -> None:
        """Note that nothing runs."""
        self._running = None
        self._publish()

    def hold_pending(self, work: Work, reason: str) -> None:
        """Keep *work* until the facts change."""
        self._hold(_Held(work, ItemState.PENDING, reason))

    def hold_lost(self, work: Work, reason: str) -> None:
        """Keep *work* as irrecoverable until the facts change."""
        if self._running is not None:
            self._failed.add()
        self._worked = True
        self._hold(_Held(work, ItemState.FAILED, reason, lost=True))

    def hold_failed(self, work: Work, reason: str) -> None:
        """Keep *work* for a later try, each later than the one before."""
        self._failed.add()
        tries = self._tries.get(work.extent_id, 0) + 1
        self._tries[work.extent_id] = tries
        delay_s = min(RETRY_S_MAX, RETRY_FIRST_S * 2 ** (tries - 1))
        retry_s = self._clock.monotonic_s() + delay_s if tries < RETRIES_MAX else None
        self._hold(_Held(work, ItemState.FAILED, reason, tries, retry_s))

    def _hold(self, held: _Held) -> None:
        extent_id = held.work.extent_id
        if len(self._held) < RECONCILE_ITEMS_MAX or extent_id in self._held:
            self._held[extent_id] = held
        elif held.lost:
            self._unlisted_lost += 1
        elif held.state is ItemState.PENDING:
            self._unlisted_pending += 1
        # A failed one that is not listed is found by the next scan.
        self._running = None
        self._changed = True

    def release(self, extent_id: ExtentId) -> None:
        """Forget what held *extent_id*."""
        if self._held.pop(extent_id, None) is not None:
            self._changed = True

    def forget_held(self) -> None:
        """The facts changed: what was held may be possible now."""
        self._held.clear()
        self._tries.clear()
        self._unlisted_pending = self._unlisted_lost = 0
        self._changed = True

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

    def lost_extents(self) -> list[ExtentId]:
        """Return the extents that cannot be mended, by id."""
        return sorted(extent_id for extent_id, held in self._held.items() if held.lost)

    @property
    def holds_any(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    @property
    def active(self) -> bool:
        """Whether this round did something that has not been told as finished."""
        return self._worked

    def finish(self, lost_names: list[str]) -> str:
        """End the round; return its result, one sentence."""
        listed = sum(held.lost for held in self._held.values())
        lost = listed + self._unlisted_lost
        text = f"finished, {lost} irrecoverable"
        if lost:
            text += ": " + ", ".join(lost_names) + (", …" if lost > len(lost_names) else "")
        pending = [one for one in self._held.values() if one.state is ItemState.PENDING]
        if pending:
            text += f"; {len(pending) + self._unlisted_pending} pending: {pending[0].reason}"
        retried = sum(one.state is ItemState.FAILED for one in self._held.values()) - listed
        if retried:
            text += f"; {retried} failed and tried again later"
        self._worked = False
        self._last_result = text
        self._publish()
        return text

    # Picture

    def progress(
        self, *, active: bool, scanning: bool, paused: bool, waiting_s: float, reason: str
    ) -> ReconcileProgress:
        """Return the newest picture. Any thread."""
        return replace(
            self._progress,
            active=active,
            scanning=scanning,
            paused=paused,
            waiting_s=waiting_s,
            waiting_reason=reason,
        )

    def publish_changes(self) -> None:
        """Take a new picture if items came or went since the last one."""
        if self._changed:
            self._publish()

    def _publish(self) -> None:
        self._changed = False
        self._published_s = self._clock.monotonic_s()
        running = self._running
        pending = sum(one.state is ItemState.PENDING for one in self._held.values())
        failed = len(self._held) - pending
        queued = len(self._queue)
        left_bytes = self._queue.total_bytes
        if running is not None:
            left_bytes += max(0, running.total_bytes - self._running_bytes)
        done_bytes = self._done_bytes + (self._running_bytes if running is not None else 0)
        self._progress = ReconcileProgress(
            done_items=self._done_items,
            total_items=self._done_items
            + queued
            + len(self._held)
            + self._unlisted_pending
            + self._unlisted_lost
            + (running is not None),
            pending_items=pending + self._unlisted_pending,
            failed_items=failed + self._unlisted_lost,
            lost_items=sum(one.lost for one in self._held.values()) + self._unlisted_lost,
            done_bytes=done_bytes,
            total_bytes=done_bytes + left_bytes,
            written_bytes=self._written_bytes,
            rate_bytes_s=self._rate.bytes_s,
            eta_s=self._rate.eta_s(left_bytes),
            items=self._listed(),
            last_result=self._last_result,
        )

    def _listed(self) -> tuple[ItemProgress, ...]:
        """Return items: the running one, those held, then those queued; bounded."""
        items = []
        if self._running is not None:
            items.append(_item(self._running, ItemState.RUNNING, done_bytes=self._running_bytes))
        for held in self._held.values():
            if len(items) >= ITEMS_SHOWN_MAX:
                break
            exposure = LOST if held.lost else None
            items.append(_item(held.work, held.state, reason=held.reason, exposure=exposure))
        for work in self._queue.first(ITEMS_SHOWN_MAX - len(items)):
            items.append(_item(work, ItemState.QUEUED))
        return tuple(items)


def _item(
    work: Work,
    state: ItemState,
    *,
    done_bytes: int = 0,
    reason: str = "",
    exposure: int | None = None,
) -> ItemProgress:
    return ItemProgress(
        extent_id=work.extent_id,
        kind=str(work.order.kind),
        state=state,
        exposure=work.order.exposure if exposure is None else exposure,
        done_bytes=done_bytes,
        total_bytes=work.total_bytes,
        reason=reason,
    )
