"""Mends what the queue gives: one extent after the other, or some side by side.

Extents to compact are taken several at once, as many as fill a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from engine.errors import (
    CorruptionError,
    DeviceError,
    EngineError,
    EngineStoppedError,
    ExtentUnrecoverableError,
    NoSpaceError,
)
from engine.extents.buffers import SpareBuffers
from engine.extents.writer import fragment_file_bytes
from engine.ids import ExtentId
from engine.maintenance.batches import Batches, Look, LookAgain
from engine.maintenance.compacting import Compacted, Compactor
from engine.maintenance.desired import CHANGES, Action, PoolFacts
from engine.maintenance.in_flight import EndedWork, InFlight
from engine.maintenance.lending import Lending
from engine.maintenance.mending import Mended, Mender
from engine.maintenance.pacer import Pacer
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.reconcile_parts import ReconcileParts
from engine.maintenance.scan import Difference
from engine.maintenance.tally import Tally
from engine.model.redundancy import fragment_count
from engine.policy.pacing import Pace
from engine.policy.placement import Purpose

WINDOW_S: Final = 1.0
"""For how long one step keeps several extents in flight."""


class InterruptedWorkError(EngineError):
    """Maintenance was paused or is closing; the work is found again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkBench:
    """What the works of a round share."""

    mender: Mender
    compactor: Compactor
    queue: WorkQueue
    tally: Tally
    pacer: Pacer


def make_bench(parts: ReconcileParts, queue: WorkQueue, tally: Tally, pacer: Pacer) -> WorkBench:
    """Return what works are done with; mending and compacting share their memory."""
    buffers = SpareBuffers()
    return WorkBench(
        mender=Mender(
            tables=parts.tables,
            disks=parts.disks,
            rebuilder=parts.rebuilder,
            writer=parts.writer,
            buffers=buffers,
        ),
        compactor=Compactor(
            tables=parts.tables,
            readers=parts.readers,
            rebuilder=parts.rebuilder,
            writer=parts.writer,
            buffers=buffers,
            percent=parts.topology.compact_percent,
        ),
        queue=queue,
        tally=tally,
        pacer=pacer,
    )


class Working:
    """Takes works from the queue and closes them. ``run`` by the maintenance thread."""

    def __init__(
        self,
        parts: ReconcileParts,
        bench: WorkBench,
        *,
        look: Look,
        look_again: LookAgain,
        stops: Callable[[], bool],
    ) -> None:
        """*look* decides on an extent once more, *look_again* files what is left of it.

        *stops* says whether the work in hand is to be interrupted.
        """
        self._clock: Final = parts.clock
        self._room: Final = parts.room
        self._queue: Final = bench.queue
        self._tally: Final = bench.tally
        self._pacer: Final = bench.pacer
        self._mender: Final = bench.mender
        self._compactor: Final = bench.compactor
        self._batches: Final = Batches(bench.queue, look=look, look_again=look_again)
        self._look: Final = look
        self._look_again: Final = look_again
        self._stops: Final = stops
        self._in_flight: Final = InFlight()
        self._taken: dict[ExtentId, int] = {}
        self.lending: Final = Lending(parts.room, parts.tables, parts.disks)
        self.mended = False
        """Something was committed since the last scan began."""
        self.on_mended: list[Callable[[ExtentId, int], None]] = []
        self.on_compacted: list[Callable[[ExtentId], None]] = []
        """Hear of each extent that was tried, whether anything could be moved or not."""

    def close(self) -> None:
        """Take no more works."""
        self._in_flight.close()

    def run(self, facts: PoolFacts, pace: Pace) -> None:
        """Mend the most urgent, at a high pace several at once; all of them end in here.

        Raises:
            InterruptedWorkError, EngineStoppedError: what was not committed is queued again.
        """
        ends_s = self._clock.monotonic_s() + (WINDOW_S if pace.in_flight > 1 else 0.0)
        stopped: EngineError | None = None
        try:
            self._start_works(facts, pace.in_flight)
            while len(self._in_flight):
                try:
                    self._settle(self._in_flight.wait_one(), facts, pace)
                except (InterruptedWorkError, EngineStoppedError) as error:
                    stopped = error
                in_time = self._clock.monotonic_s() < ends_s and not self._stops()
                if stopped is None and in_time and self._pacer.rest_s(pace) <= 0:
                    self._start_works(facts, pace.in_flight)
        finally:
            self._in_flight.drop_all()
        if stopped is not None:
            raise stopped

    def _start_works(self, facts: PoolFacts, count: int) -> None:
        while len(self._in_flight) < count:
            work = self._queue.take()
            if work is None:
                return
            # Decided once more: its record and the disks may be others by now.
            found = self._look(work.extent_id, facts)
            if found is None or found.desired.action not in CHANGES:
                self._look_again(work.extent_id, facts)
            elif found.desired.action is Action.COMPACT:
                self._start_batch(self._batches.gather(work, found, facts))
            elif self._has_room(work, found, length_bytes=found.record.length_bytes):
                self._tally.begin(work)
                progress = partial(self._note_bytes, work.extent_id)
                self._in_flight.start((work,), partial(self._mender.mend, found, progress))

    def _start_batch(self, batch: list[tuple[Work, Difference]]) -> None:
        """Begin to compact the extents of *batch* into one; all wait if it has no room."""
        works = tuple(work for work, _ in batch)
        records = [found.record for _, found in batch]
        live_bytes = sum(found.desired.live_bytes for _, found in batch)
        purpose = self._room_for_batch(*batch[0], live_bytes)
        if purpose is None:
            for work in works[1:]:
                self._queue.add(work)
            return
        for work in works:
            self._tally.begin(work)
        compact = partial(self._compactor.compact, records, self._note_bytes, purpose=purpose)
        self._in_flight.start(works, compact)

    def _room_for_batch(self, work: Work, found: Difference, live_bytes: int) -> Purpose | None:
        """Reserve or borrow room for a new extent; hold *work* when neither is to be had."""
        file_bytes, count = _files_of(found, live_bytes)
        try:
            self._taken[work.extent_id] = self._room.take(file_bytes, count)
            return Purpose.NEW_DATA
        except NoSpaceError as error:
            short = error
        try:
            self._taken[work.extent_id] = self.lending.take(work.extent_id, file_bytes, count)
            return Purpose.COMPACTION
        except NoSpaceError as error:
            self._hold_for_room(work, NoSpaceError(f"{short}; {error}"))
            return None

    def _has_room(self, work: Work, found: Difference, *, length_bytes: int) -> bool:
        """Reserve room for what *found* writes; hold *work* when there is none (P6)."""
        try:
            self._taken[work.extent_id] = self._room.take(*_files_of(found, length_bytes))
        except NoSpaceError as error:
            self._hold_for_room(work, error)
            return False
        return True

    def _hold_for_room(self, work: Work, error: NoSpaceError) -> None:
        self._tally.hold_for_room(work, str(error), self._room.free_bytes())

    def _note_bytes(self, extent_id: ExtentId, done_bytes: int) -> None:
        """Hear of progress, in the thread that mends."""
        if self._stops():
            raise InterruptedWorkError("maintenance was paused")
        self._tally.add_bytes(extent_id, done_bytes)

    def _settle(self, ended: EndedWork, facts: PoolFacts, pace: Pace) -> None:
        """File what became of works that were done as one."""
        works, leader, written = ended.works, ended.works[0].extent_id, False
        try:
            done = ended.result()
            written = bool(done.moved) if isinstance(done, Compacted) else done.committed
        except (InterruptedWorkError, EngineStoppedError):
            for work in works:
                self._tally.put_back(work)
                self._queue.add(work)
            raise
        except (ExtentUnrecoverableError, NoSpaceError, CorruptionError, DeviceError) as error:
            for work in works:
                self._hold(work, error)
        else:
            if isinstance(done, Compacted):
                self._settle_compacted(works, done, pace)
                works = tuple(one for one in works if one.extent_id not in done.failed)
            else:
                self._settle_mended(works[0], done, pace)
            # Part of it may be left: the fragments for which there was no disk.
            for work in works:
                self._look_again(work.extent_id, facts)
        finally:
            self._room.give_back(self._taken.pop(leader), written=written)
            self.lending.end(leader, moved=written)

    def _hold(self, work: Work, error: EngineError) -> None:
        """Keep *work* with the reason why it could not be done."""
        if isinstance(error, ExtentUnrecoverableError):
            self._tally.hold_lost(work, str(error))
        elif isinstance(error, NoSpaceError):
            self._hold_for_room(work, error)
        else:
            self._tally.hold_failed(work, str(error))

    def _settle_mended(self, work: Work, mended: Mended, pace: Pace) -> None:
        if not mended.committed:
            self._tally.put_back(work)
            return
        self.mended = True
        self._pacer.wrote(pace, mended.written_bytes)
        self._tally.done(work, mended.written_bytes)
        for hear in self.on_mended:
            hear(work.extent_id, mended.fragments)

    def _settle_compacted(self, works: tuple[Work, ...], done: Compacted, pace: Pace) -> None:
        self._pacer.wrote(pace, done.written_bytes)
        moved_bytes = sum(done.moved.values())
        for work in works:
            extent_id = work.extent_id
            if extent_id in done.failed:
                self._tally.hold_failed(work, done.failed[extent_id])
                continue
            if extent_id in done.moved:
                share = done.moved[extent_id] / moved_bytes
                self._tally.done(work, round(done.written_bytes * share))
            else:
                self._tally.put_back(work)
            if extent_id not in done.unfitting:
                for hear in self.on_compacted:
                    hear(extent_id)


def _files_of(found: Difference, length_bytes: int) -> tuple[int, int]:
    """Return the bytes of each fragment file that *found* writes, and how many there are."""
    desired = found.desired
    form = desired.redundancy or found.record.redundancy
    count = fragment_count(form) if desired.redundancy else len(desired.indexes)
    return fragment_file_bytes(form, length_bytes), count
