"""Mends what the queue gives: one extent after the other, or some side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from engine.errors import (
    CorruptionError,
    DeviceError,
    EngineError,
    EngineStoppedError,
    ExtentUnrecoverableError,
    NoSpaceError,
)
from engine.extents.writer import fragment_file_bytes
from engine.ids import ExtentId
from engine.maintenance.desired import Action, PoolFacts
from engine.maintenance.in_flight import EndedWork, InFlight
from engine.maintenance.mending import Mender
from engine.maintenance.pacer import Pacer
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.reconcile_parts import ReconcileParts
from engine.maintenance.scan import Difference
from engine.maintenance.tally import Tally
from engine.model.redundancy import fragment_count
from engine.policy.pacing import Pace

WINDOW_S: Final = 1.0
"""For how long one step keeps several extents in flight."""

Look: TypeAlias = Callable[[ExtentId, PoolFacts], Difference | None]
LookAgain: TypeAlias = Callable[[ExtentId, PoolFacts], None]


class InterruptedWorkError(EngineError):
    """Maintenance was paused or is closing; the work is found again later."""


@dataclass(frozen=True, slots=True)
class WorkBench:
    """What the works of a round share."""

    mender: Mender
    queue: WorkQueue
    tally: Tally
    pacer: Pacer


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
        self._look: Final = look
        self._look_again: Final = look_again
        self._stops: Final = stops
        self._in_flight: Final = InFlight(bench.mender)
        self._taken: dict[ExtentId, int] = {}
        self.mended = False
        """Something was committed since the last scan began."""
        self.on_mended: list[Callable[[ExtentId, int], None]] = []

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
            if found is None or found.desired.action not in (Action.REBUILD, Action.RECODE):
                self._look_again(work.extent_id, facts)
            elif self._has_room(work, found):
                self._tally.begin(work)
                self._in_flight.start(work, found, partial(self._note_bytes, work.extent_id))

    def _has_room(self, work: Work, found: Difference) -> bool:
        """Reserve room for what *found* writes; hold *work* when there is none (P6)."""
        record, desired = found.record, found.desired
        form = desired.redundancy or record.redundancy
        count = fragment_count(form) if desired.redundancy else len(desired.indexes)
        size = fragment_file_bytes(form, record.length_bytes)
        try:
            self._taken[work.extent_id] = self._room.take(size, count)
        except NoSpaceError as error:
            self._hold_for_room(work, error)
            return False
        return True

    def _hold_for_room(self, work: Work, error: NoSpaceError) -> None:
        self._tally.hold_pending(work, str(error), room_bytes=self._room.free_bytes())

    def _note_bytes(self, extent_id: ExtentId, done_bytes: int) -> None:
        """Hear of progress, in the thread that mends."""
        if self._stops():
            raise InterruptedWorkError("maintenance was paused")
        self._tally.add_bytes(extent_id, done_bytes)

    def _settle(self, ended: EndedWork, facts: PoolFacts, pace: Pace) -> None:
        """File what became of a work."""
        work = ended.work
        committed = False
        try:
            mended = ended.result()
            committed = mended.committed
        except (InterruptedWorkError, EngineStoppedError):
            self._tally.put_back(work)
            self._queue.add(work)
            raise
        except ExtentUnrecoverableError as error:
            self._tally.hold_lost(work, str(error))
        except NoSpaceError as error:
            self._hold_for_room(work, error)
        except (CorruptionError, DeviceError) as error:
            self._tally.hold_failed(work, str(error))
        else:
            if committed:
                self.mended = True
                self._pacer.wrote(pace, mended.written_bytes)
                self._tally.done(work, mended.written_bytes)
                for hear in self.on_mended:
                    hear(work.extent_id, mended.fragments)
            else:
                self._tally.put_back(work)
            # Part of it may be left: the fragments for which there was no disk.
            self._look_again(work.extent_id, facts)
        finally:
            self._room.give_back(self._taken.pop(work.extent_id), written=committed)
