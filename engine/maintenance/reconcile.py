"""Brings every extent to what policy wants of it: rebuild, drain, narrow, widen,
another policy, even filling, no half-dead extents.

One mechanism: facts change, all extents are compared with what is wanted, the
differences are queued with the most exposed first, and each is closed by
copy, commit, delete (P5). Which work there is, is never stored: after a
restart the same comparison finds what is left. Totals and the operator's
wishes are kept (``steering``). While nothing changes, nothing is read.

Damage that is known is a fact for everyone; it is mended only where someone
allowed it: a read that met it, a scrub with repair, or ``start_now``, so a
plain scrub changes no fragment, ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Protocol

from engine.errors import DamagedDatabaseError, EngineStoppedError
from engine.ids import ExtentId
from engine.maintenance.compaction import Compaction
from engine.maintenance.deciding import Decider
from engine.maintenance.desired import CHANGES, Action, PoolFacts
from engine.maintenance.ending import Ending
from engine.maintenance.mending import bytes_to_write
from engine.maintenance.observed import FactsObserver
from engine.maintenance.pacer import Pacer
from engine.maintenance.paths import PathFinder
from engine.maintenance.preferred import PreferredExtents
from engine.maintenance.progress import ItemProgress, ReconcileProgress
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.rebalance import Rebalance
from engine.maintenance.reconcile_parts import ReconcileParts
from engine.maintenance.requests import Requests
from engine.maintenance.scan import Difference, ExtentScan
from engine.maintenance.steering import Steering
from engine.maintenance.tally import Tally
from engine.maintenance.working import InterruptedWorkError, Working, make_bench
from engine.observe.events import EventSeverity
from engine.policy.ordering import WorkOrder
from engine.policy.pacing import Pace, Priority

ASKED_PER_STEP: Final = 64
NAMED_LOST_MAX: Final = 8
"""Files named in the sentence a rebuild ends with."""


class MendRequests(Protocol):
    """Where permission to mend known damage is given. Thread-safe."""

    def mend(self, extents: Iterable[ExtentId]) -> None:
        """Let the damage of *extents* be mended."""

    def has_work(self) -> bool:
        """Whether something is being mended or about to be."""


class Reconcile:
    """The one mechanism of repair. ``step`` by one thread; the rest by any."""

    def __init__(self, parts: ReconcileParts) -> None:
        clock = parts.clock
        self._events: Final = parts.events
        self.ending: Final = Ending(
            "reconcile", topology=parts.topology, store=parts.tables.store, events=parts.events
        )
        self._policies: Final = parts.policies
        self._store: Final = parts.tables.store
        self._room: Final = parts.room
        self._paths: Final = PathFinder(parts.readers)
        self.steering: Final = Steering(clock, parts.state_path)
        self._pacer: Final = Pacer(clock, self.steering, parts.foreground)
        self._requests: Final = Requests()
        self._observer: Final = FactsObserver(clock, parts.topology, parts.policies)
        self._rebalance: Final = Rebalance(parts.readers, parts.disks)
        self._compaction: Final = Compaction(
            clock=clock,
            tables=parts.tables,
            readers=parts.readers,
            disks=parts.disks,
            percent=parts.topology.compact_percent,
            wishes=lambda: self.steering.state,
        )
        self._decide: Final = Decider(
            parts.policies, self._rebalance, self._compaction, mends=self._requests.may_mend
        )
        self._scan: Final = ExtentScan(parts.readers, self._decide)
        self.preferred: Final = PreferredExtents(parts.readers)
        self._queue: Final = WorkQueue()
        self._tally: Final = Tally(clock, parts.metrics, self._queue, self.steering.state.totals)
        bench = make_bench(parts, self._queue, self._tally, self._pacer)
        self._mender: Final = bench.mender
        self._working: Final = Working(
            parts, bench, look=self._look, look_again=self._look_again, stops=self._stops
        )
        self._interrupted = False
        self._closing = False
        self._facts: PoolFacts | None = None
        self._scanning = True
        self._working.on_mended.append(lambda extent_id, _count: self._rebalance.moved(extent_id))
        self._working.on_compacted.append(self._compaction.forget)
        self.on_mended: Final = self._working.on_mended
        """Hear (extent, fragments) of each commit, in the maintenance thread."""
        if self.steering.state.hasty:
            self._hurry()
        if self.steering.state.widening:
            self._observer.widen_now()

    # Any thread

    def mend(self, extents: Iterable[ExtentId]) -> None:
        """Let the damage of *extents* be mended, soon. Bounded (P8)."""
        self._requests.mend(extents)

    def has_work(self) -> bool:
        """Whether something is being mended, looked for, or about to be."""
        looking = self._scanning and self._facts is not None
        asked = self._requests.waiting or self.steering.state.compacting
        busy = looking or asked or len(self._queue) or self._tally.active
        return bool(busy) and not self.steering.state.paused

    def start_now(self) -> None:
        """Do now what delays and a cancellation hold back, and mend all known damage."""
        self.steering.end_cancel()
        self.steering.set_hasty(hasty=True)
        self._hurry()

    def _hurry(self) -> None:
        self._requests.mend_all()
        self._observer.skip_delays()

    def look_anew(self) -> None:
        """Compare everything once more: a wish changed what comes first."""
        self._requests.look_anew()

    def pause(self) -> None:
        """Interrupt the work in hand and do nothing until ``resume``; kept."""
        self.steering.pause()

    def resume(self) -> None:
        """End ``pause`` and ``cancel``."""
        self.steering.resume()
        self.look_anew()

    def cancel(self) -> None:
        """End this round; what is left waits for ``resume`` or other disks; kept."""
        self.steering.cancel(self._observer.facts().fingerprint())
        self.steering.set_compacting(compacting=False)
        self._interrupted = True
        self.look_anew()

    def rebalance(self) -> None:
        """Spread fragments evenly, once."""
        self.steering.set_rebalancing(rebalancing=True)
        self.look_anew()

    def compact(self) -> None:
        """Compact every half-dead extent, once, without waiting for it to be quiet."""
        self.steering.set_compacting(compacting=True)

    def close(self) -> None:
        """Interrupt the work in hand for good."""
        self._closing = True
        self._working.close()
        self.steering.keep_totals(self._tally.totals, at_once=True)

    def rest_s(self) -> float:
        """Return for how long a step would only rest from work; 0 when it would not.

        Without work there is nothing to rest from: the next look can wait.
        """
        return self._pacer.rest_s(self._pacer.pace()) if self.has_work() else 0.0

    def progress(self) -> ReconcileProgress:
        """Return where things stand; quick."""
        waiting_s, reason = self._observer.waiting()
        wishes = self.steering.state
        return replace(
            self._tally.progress(),
            active=self.has_work(),
            scanning=self._scanning,
            paused=wishes.paused,
            cancelled=bool(wishes.cancelled),
            priority=Priority(wishes.priority),
            limit_bytes_s=wishes.limit_bytes_s,
            full_speed_until_ns=self.steering.full_speed_until_ns,
            preferred=wishes.preferred,
            rebalancing=wishes.rebalancing,
            compacting=wishes.compacting,
            reclaimable_bytes=self._compaction.reclaimable_bytes,
            waiting_s=waiting_s,
            waiting_reason=reason,
        )

    def list_items(self, limit: int) -> tuple[ItemProgress, ...]:
        """Return at most *limit* items in their order, with a file each where one is found."""
        items = self._tally.list_items(limit)
        paths = self._paths.find(one.extent_id for one in items)
        return tuple(replace(one, path=paths.get(one.extent_id, "")) for one in items)

    # The maintenance thread

    def step(self) -> bool:
        """Look at one piece of the extents, or mend some; False when it rests, too."""
        if self._closing or self._store.stopped:
            return False
        if self.steering.state.paused:
            self._tally.hold_clock()
            return False
        pace = self._pacer.pace()
        if self._pacer.rest_s(pace) > 0:
            return False
        self._pacer.begin()
        try:
            return self._step(self._current_facts(), pace)
        except (EngineStoppedError, InterruptedWorkError):
            return False
        finally:
            self._pacer.end(pace)
            self._tally.publish_changes()
            self.steering.keep_totals(self._tally.totals, at_once=not self._tally.active)

    def _current_facts(self) -> PoolFacts:
        """Return the facts; when they changed, everything is compared anew."""
        facts = self._observer.facts()
        cancelled = self.steering.state.cancelled
        if cancelled and cancelled != facts.fingerprint():
            self.steering.end_cancel()
        self._interrupted = False
        started = self._requests.take_look_anew()
        if facts != self._facts or started:
            if self._facts is not None and facts.wants_other(self._facts):
                # A policy is obeyed at once; only a return to it waits (WIDEN).
                self._observer.widen_now()
                self.steering.set_widening(widening=True)
                facts = self._observer.facts()
            self._facts = facts
            self._tally.forget_held()
            if started:
                # Damage that was found a moment ago may not be committed; scans read what is.
                self.ending.make_safe()
            self._restart_scan()
        return facts

    def _step(self, facts: PoolFacts, pace: Pace) -> bool:
        if self._look_at_asked(facts):
            return True
        if self._scanning:
            self._scan_piece(facts)
            return True
        if len(self._queue):
            self._working.run(facts, pace)
            return True
        retry = self._tally.held.due_retry()
        if retry is not None:
            self._look_again(retry, facts)
            return True
        fitting = self._tally.held.fitting(self._room.free_bytes())
        if fitting or self._working.lending.is_worth_another_try():
            self._tally.forget_held()
            self._restart_scan()
            return True
        if self._look_for_dead_bytes():
            return True
        return self._finish()

    def _look_for_dead_bytes(self) -> bool:
        """Measure live bytes, or have half-dead extents looked at; False when neither is due."""
        measured = self._compaction.step()
        due = self._compaction.due()
        self._requests.look_at(due)
        return measured or bool(due)

    def _restart_scan(self) -> None:
        self._queue.clear()
        self._compaction.offer_again()
        self._scan.restart()
        self._scanning = True
        self._working.mended = False
        wishes = self.steering.state
        self.preferred.refresh(wishes.preferred)
        if self._facts is not None and self._facts.policy_version:
            self._policies.refresh()
        if wishes.rebalancing:
            self._rebalance.begin()

    def _stops(self) -> bool:
        """Whether the work in hand is to be interrupted. Any thread."""
        return self._closing or self._interrupted or self.steering.state.paused

    def _look_at_asked(self, facts: PoolFacts) -> bool:
        asked = self._requests.take(ASKED_PER_STEP)
        for extent_id in asked:
            self._look_again(extent_id, facts)
        return bool(asked)

    def _look(self, extent_id: ExtentId, facts: PoolFacts) -> Difference | None:
        try:
            return self._mender.look(extent_id, facts, self._decide)
        except DamagedDatabaseError as error:
            # Its record says nothing that can be acted on; the others go on.
            self._events.record(EventSeverity.ERROR, "reconcile", str(error))
            return None

    def _look_again(self, extent_id: ExtentId, facts: PoolFacts) -> None:
        found = self._look(extent_id, facts)
        if found is None or found.desired.action in (Action.KEEP, Action.WAIT):
            self._settled(extent_id)
        else:
            self._take_up(found)

    def _settled(self, extent_id: ExtentId) -> None:
        self._tally.release(extent_id)
        self._requests.settled(extent_id)

    def _scan_piece(self, facts: PoolFacts) -> None:
        piece = self._scan.next_piece(facts, every=self._rebalance.active)
        for sentence in piece.damaged:
            self._events.record(EventSeverity.ERROR, "reconcile", sentence)
        cancelled = bool(self.steering.state.cancelled)
        for found in piece.differences:
            if self._tally.held.waits_for_retry(found.record.extent_id):
                continue
            if cancelled:
                self._hold_cancelled(found.record.extent_id, facts)
            elif found.desired.action in (Action.PENDING, Action.LOST):
                self._look_again(found.record.extent_id, facts)  # It may be mended by now.
            else:
                self._take_up(found)
        self._scanning = not piece.complete

    def _hold_cancelled(self, extent_id: ExtentId, facts: PoolFacts) -> None:
        """List an extent as left over; a scan may not have seen yet that it is mended."""
        found = self._look(extent_id, facts)
        if found is None or found.desired.action in (Action.KEEP, Action.WAIT):
            self._settled(extent_id)
        elif found.desired.action in CHANGES:
            self._tally.hold_cancelled(self._work_for(found))
        else:
            self._take_up(found)

    def _work_for(self, found: Difference) -> Work:
        record, desired = found.record, found.desired
        order = WorkOrder(
            extent_id=record.extent_id,
            kind=desired.kind,
            exposure=desired.exposure,
            priority=int(record.extent_id in self.preferred),
            live_permille=desired.live_bytes * 1000 // record.length_bytes,
        )
        return Work(order=order, total_bytes=bytes_to_write(record, desired))

    def _take_up(self, found: Difference) -> None:
        """Queue a difference, or hold it with the reason why it cannot be closed."""
        work, desired = self._work_for(found), found.desired
        match desired.action:
            case Action.REBUILD | Action.RECODE | Action.COMPACT:
                self._tally.release(work.extent_id)
                self._queue.add(work)
            case Action.PENDING:
                self._tally.hold_pending(work, desired.reason, desired.waits_for)
            case Action.LOST:
                self._tally.hold_lost(work, desired.reason)
            case Action.KEEP | Action.WAIT:
                pass

    def _finish(self) -> bool:
        """Scan again after work, for what came meanwhile; else say the result."""
        if self._queue.overflowed or self._working.mended:
            self._restart_scan()
            return True
        if self._compaction.waiting:
            return False
        if not self._tally.active:
            self._compaction.end(self.steering)
            return False
        self.ending.prepare()
        lost = self._tally.held.lost_extents()
        paths = self._paths.find(lost[:NAMED_LOST_MAX])
        names = [paths.get(one) or f"extent {one}" for one in lost[:NAMED_LOST_MAX]]
        word = "cancelled" if self.steering.state.cancelled else "finished"
        result = self._tally.finish(word, names)
        severity = EventSeverity.CRITICAL if lost else EventSeverity.INFO
        self._events.record(severity, "reconcile", result)
        if not self._tally.held:
            self._requests.end_mending()
        self._end_wishes()
        return False

    def _end_wishes(self) -> None:
        """What was asked for once, is done."""
        self._observer.end_haste()
        self._rebalance.end()
        self.steering.set_hasty(hasty=False)
        self.steering.set_widening(widening=False)
        self.steering.set_rebalancing(rebalancing=False)
        self._compaction.end(self.steering)
