"""Counts reconcile's work: running, held with a reason, done."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

from engine.clock import Clock
from engine.ids import ExtentId
from engine.maintenance.held import Held, HeldWorks
from engine.maintenance.progress import (
    ITEMS_SHOWN_MAX,
    ItemProgress,
    ItemState,
    Rate,
    ReconcileProgress,
)
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.work_state import RoundTotals
from engine.observe.metrics import Metrics
from engine.policy.exposure import LOST
from engine.policy.waiting import WaitsFor

PUBLISH_S: Final = 0.25
"""Between two pictures of work in progress."""

CANCELLED: Final = "cancelled: waits for resume, rebuild or a change of the disks"


@dataclass(slots=True)
class _InHand:
    """A piece of work that runs, and how many payload bytes of it are done."""

    work: Work
    done_bytes: int = 0


class Tally:
    """What happened to the work of this round.

    ``add_bytes`` by the threads that mend, ``progress`` by any, the rest by
    the maintenance thread.
    """

    def __init__(
        self, clock: Clock, metrics: Metrics, queue: WorkQueue, totals: RoundTotals
    ) -> None:
        """*totals* are those of a round that a restart interrupted, or of the last one."""
        self._clock: Final = clock
        self._queue: Final = queue
        self._lock: Final = threading.Lock()
        self._rate: Final = Rate(clock)
        self._attempted: Final = metrics.counter("rebuilds_attempted_total")
        self._successful: Final = metrics.counter("rebuilds_successful_total")
        self._failed: Final = metrics.counter("rebuilds_failed_total")
        self._written: Final = metrics.counter("rebuild_bytes_written_total")
        self.held: Final = HeldWorks(clock)
        self._in_hand: dict[ExtentId, _InHand] = {}
        self._totals = totals
        self._rate.restart(totals.rate_bytes_s if totals.running else 0.0)
        self._last_s = clock.monotonic_s()
        self._published_s = float("-inf")
        self._changed = False
        self._progress = ReconcileProgress()
        self._publish()

    # Time

    def hold_clock(self) -> None:
        """Leave out the time until the next work: nothing may be done."""
        with self._lock:
            self._last_s = self._clock.monotonic_s()
            self._rate.hold()

    def _pass_time(self) -> float:
        now_s = self._clock.monotonic_s()
        passed_s, self._last_s = now_s - self._last_s, now_s
        return passed_s

    # Items

    def begin(self, work: Work) -> None:
        """Note that *work* runs."""
        self.begin_round()
        with self._lock:
            self._in_hand[work.extent_id] = _InHand(work)
        self._attempted.add()
        self._publish()

    def begin_round(self) -> None:
        """Count from zero, unless a round runs."""
        if self._totals.running:
            return
        with self._lock:
            self._totals = RoundTotals(running=True, started_ns=self._clock.now_ns())
            self._last_s = self._clock.monotonic_s()
            self._rate.restart()

    def add_bytes(self, extent_id: ExtentId, count: int) -> None:
        """Count payload bytes of a running item. Any thread."""
        with self._lock:
            one = self._in_hand.get(extent_id)
            if one is None:
                return
            # What is read for a re-encoding is another amount than what is written.
            count = min(count, one.work.total_bytes - one.done_bytes)
            one.done_bytes += count
            self._rate.add(count)
        if self._clock.monotonic_s() - self._published_s >= PUBLISH_S:
            self._publish()

    def done(self, work: Work, written_bytes: int) -> None:
        """Note that a running item was committed."""
        with self._lock:
            one = self._in_hand.get(work.extent_id)
            self._rate.add(work.total_bytes - (one.done_bytes if one else 0))
            totals = self._totals
            self._totals = replace(
                totals,
                worked_s=totals.worked_s + self._pass_time(),
                rate_bytes_s=self._rate.bytes_s,
                done_items=totals.done_items + 1,
                done_bytes=totals.done_bytes + work.total_bytes,
                written_bytes=totals.written_bytes + written_bytes,
            )
        self._written.add(written_bytes)
        self._successful.add()
        self.held.succeeded(work.extent_id)
        self.put_back(work)

    def put_back(self, work: Work) -> None:
        """Note that *work* runs no more."""
        with self._lock:
            self._in_hand.pop(work.extent_id, None)
        self._publish()

    def hold_pending(self, work: Work, reason: str, waits_for: WaitsFor) -> None:
        """Keep *work* until the facts change."""
        self._hold(Held(work, ItemState.PENDING, reason, waits_for=waits_for))

    def hold_cancelled(self, work: Work) -> None:
        """Keep *work* until the operator resumes, or the facts change."""
        self.hold_pending(work, CANCELLED, WaitsFor.RESUME)

    def hold_for_room(self, work: Work, reason: str, free_bytes: int) -> None:
        """Keep *work* until the facts change, or there is more room than *free_bytes*."""
        held = Held(work, ItemState.PENDING, reason, room_bytes=free_bytes, waits_for=WaitsFor.ROOM)
        self._hold(held)

    def hold_lost(self, work: Work, reason: str) -> None:
        """Keep *work* as irrecoverable until the facts change."""
        if work.extent_id in self._in_hand:
            self._failed.add()
        self.begin_round()
        self._hold(Held(work, ItemState.FAILED, reason, lost=True))

    def hold_failed(self, work: Work, reason: str) -> None:
        """Keep *work* for a later try, each later than the one before."""
        self._failed.add()
        self._hold(self.held.failed(work, reason))

    def _hold(self, held: Held) -> None:
        with self._lock:
            self.held.add(held)
            self._in_hand.pop(held.work.extent_id, None)
        self._changed = True

    def release(self, extent_id: ExtentId) -> None:
        """Forget what held *extent_id*."""
        with self._lock:
            self._changed |= self.held.release(extent_id)

    def forget_held(self) -> None:
        """The facts changed: what was held may be possible now."""
        with self._lock:
            self.held.clear()
            self._changed = True

    @property
    def active(self) -> bool:
        """Whether this round did something that has not been told as finished."""
        return self._totals.running

    @property
    def totals(self) -> RoundTotals:
        """The totals to keep across a restart."""
        return self._totals

    def finish(self, word: str, lost_names: list[str]) -> str:
        """End the round; return its result, one sentence that begins with *word*."""
        lost = self.held.lost_count
        text = f"{word}, {lost} irrecoverable"
        if lost:
            text += ": " + ", ".join(lost_names) + (", …" if lost > len(lost_names) else "")
        text += self.held.sentence()
        with self._lock:
            self._totals = replace(
                self._totals,
                running=False,
                last_result=text,
                irrecoverable=tuple(lost_names),
                rate_bytes_s=self._rate.bytes_s,
            )
        self._publish()
        return text

    # Picture

    def progress(self) -> ReconcileProgress:
        """Return the newest picture; whoever steers adds the wishes. Any thread."""
        return self._progress

    def list_items(self, limit: int) -> tuple[ItemProgress, ...]:
        """Return items as ``ReconcileProgress`` has, more of them. Any thread."""
        with self._lock:
            return self._items(limit)

    def publish_changes(self) -> None:
        """Take a new picture if items came or went since the last one."""
        if self._changed:
            self._publish()

    def _publish(self) -> None:
        with self._lock:
            self._changed = False
            self._published_s = self._clock.monotonic_s()
            self._progress = self._picture()

    def _picture(self) -> ReconcileProgress:
        totals, held, running = self._totals, self.held, list(self._in_hand.values())
        in_hand_bytes = sum(one.done_bytes for one in running)
        left_bytes = self._queue.total_bytes
        left_bytes += sum(one.work.total_bytes for one in running) - in_hand_bytes
        done_bytes = totals.done_bytes + in_hand_bytes
        waiting = held.pending_count + held.failed_count
        average = totals.done_bytes / totals.worked_s if totals.worked_s > 0 else 0.0
        return ReconcileProgress(
            started_ns=totals.started_ns,
            done_items=totals.done_items,
            total_items=totals.done_items + len(self._queue) + waiting + len(running),
            pending_items=held.pending_count,
            waits=held.waits(),
            failed_items=held.failed_count,
            lost_items=held.lost_count,
            done_bytes=done_bytes,
            total_bytes=done_bytes + left_bytes,
            written_bytes=totals.written_bytes,
            rate_bytes_s=self._rate.bytes_s,
            average_bytes_s=average,
            eta_s=self._rate.eta_s(left_bytes),
            eta_margin_s=self._rate.margin_s(left_bytes),
            kinds=self._queue.kinds(),
            items=self._items(ITEMS_SHOWN_MAX),
            last_result=totals.last_result,
            irrecoverable=totals.irrecoverable,
        )

    def _items(self, limit: int) -> tuple[ItemProgress, ...]:
        """Return items: those running, those held, then those queued; at most *limit*."""
        items = [
            _item(one.work, ItemState.RUNNING, done_bytes=one.done_bytes)
            for one in self._in_hand.values()
        ]
        for held in self.held.first(limit - len(items)):
            items.append(_held_item(held))
        items += [_item(work, ItemState.QUEUED) for work in self._queue.first(limit - len(items))]
        return tuple(items)


def _held_item(held: Held) -> ItemProgress:
    return replace(
        _item(held.work, held.state),
        reason=held.reason,
        waits_for=held.waits_for if held.state is ItemState.PENDING else None,
        exposure=LOST if held.lost else held.work.order.exposure,
    )


def _item(work: Work, state: ItemState, *, done_bytes: int = 0) -> ItemProgress:
    return ItemProgress(
        extent_id=work.extent_id,
        kind=str(work.order.kind),
        state=state,
        exposure=work.order.exposure,
        done_bytes=done_bytes,
        total_bytes=work.total_bytes,
    )
