"""The phases of one scrub, stepped by the maintenance thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.errors import EngineError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.limits import FINDINGS_MAX
from engine.maintenance.listing import UnnamedFile, is_named
from engine.maintenance.progress import Rate
from engine.maintenance.scrub_findings import Findings
from engine.maintenance.scrub_pace import ScrubPace
from engine.maintenance.scrub_parts import ScrubParts
from engine.maintenance.scrub_reading import ExtentReading, ReadExtent
from engine.maintenance.scrub_records import Proof, ScrubRecords
from engine.maintenance.scrub_state import Phase, ScrubState
from engine.maintenance.scrub_target import TargetKind, parse_target
from engine.maintenance.scrub_walk import TargetWalk, count_all, count_some
from engine.observe.events import EventSeverity
from engine.units import NS_PER_S

COUNT_PIECE_EXTENTS: Final = 10_000
IDS_PER_READ: Final = 64
FORGET_PIECE: Final = 512

SECOND_LOOK_S: Final = 5.0
"""A file nobody names is looked at again after this long: its row may come."""


RENEWAL_S_MAX: Final = 60.0
"""How long the end waits for journals that are copied anew; later ones are told as queued."""


class InterruptedScrubError(EngineError):
    """The operator stopped or paused the scrub, or the pool closes."""


@dataclass(frozen=True, slots=True)
class ScrubMemory:
    """What one scrub leaves to the next: rests, proofs, findings and the rate."""

    pace: ScrubPace
    records: ScrubRecords
    findings: Findings
    rate: Rate


class ScrubSteps:
    """One scrub, from its beginning or from where a restart left it.

    Changes *state*, which others read. ``step``, ``interrupts`` and what they
    call belong to the maintenance thread, ``note_mended`` to any.
    """

    def __init__(
        self,
        parts: ScrubParts,
        memory: ScrubMemory,
        state: ScrubState,
        *,
        before: list[ExtentId],
    ) -> None:
        """*before* are the extents that the last scrub found wanting."""
        self._parts: Final = parts
        self._clock: Final = parts.clock
        self._state: Final = state
        self._pace: Final = memory.pace
        self._records: Final = memory.records
        self._findings: Final = memory.findings
        self._rate: Final = memory.rate
        self._before: Final = before
        self._reading: Final = ExtentReading(
            tables=parts.tables, events=parts.events, inspector=parts.inspector
        )
        self._walk: Final = TargetWalk(parts.readers, memory.records)
        self._issues: Final = parts.metrics.counter("scrub_issues_found_total")
        self._repairs: Final = parts.metrics.counter("scrub_repairs_attempted_total")
        self._repaired: Final = parts.metrics.counter("scrub_repairs_successful_total")
        self._lock: Final = threading.Lock()
        self._target: Final = parse_target(state.target)
        self._disk_id: Final = self._disk_of_target()
        self.interrupted = False
        """Set by any thread: the work in hand is not worth finishing."""
        self.finished = False
        self.partial_bytes = 0
        """Read of the extent in hand; it is in the state once that was judged."""
        self._ids: list[ExtentId] = []
        self._count_cursor = 0
        self._gathering: Iterator[list[ExtentId]] | None = None
        self._mending: dict[ExtentId, int] = {}
        self._unnamed: list[UnnamedFile] = []
        self._listed_s = 0.0
        self._forget_cursor = ExtentId(0)
        self._go_on()

    def _go_on(self) -> None:
        """Take up what a restart interrupted; what is quick is done again."""
        state = self._state
        if state.phase == Phase.COUNT:
            state.total_fragments = state.total_bytes = 0
        elif state.phase not in (Phase.IDLE, Phase.METADATA):
            state.phase, state.unreferenced = Phase.VERIFY, 0
        if state.running and state.repair:
            # What was asked of reconcile is gone with the process that asked.
            for one in self._findings.fragments:
                if not one.outcome.is_settled:
                    self._mending[one.extent_id] = self._mending.get(one.extent_id, 0) + 1
            self._parts.reconcile.mend(list(self._mending))

    def _disk_of_target(self) -> DiskId | None:
        if self._target.kind is not TargetKind.DISK:
            return None
        disks = self._parts.topology.disks()
        named = [one.disk_id for one in disks if one.name == self._target.name]
        # A disk that left meanwhile has nothing to read: no disk has the id 0.
        return named[0] if named else DiskId(0)

    def note_mended(self, extent_id: ExtentId, fragments: int) -> None:
        """Count a commit of reconcile, if this scrub asked for it."""
        with self._lock:
            found = self._mending.pop(extent_id, 0)
            self._state.repaired += min(found, fragments)
        self._repaired.add(min(found, fragments))

    def step(self) -> bool:
        """Verify one extent, or do one piece of what comes before and after.

        Raises:
            InterruptedScrubError: ``interrupted`` was set; nothing is lost by it.
            EngineStoppedError: the store is closed.
        """
        match Phase(self._state.phase):
            case Phase.COUNT:
                return self._count() if self._target.kind is TargetKind.ALL else self._gather()
            case Phase.METADATA:
                return self._look_at_metadata()
            case Phase.VERIFY:
                return self._verify_next()
            case Phase.LIST:
                return self._list()
            case Phase.FORGET:
                return self._forget()
            case Phase.SECOND_LOOK:
                return self._look_again()
            case Phase.IDLE:
                return False

    def _heed(self) -> None:
        """Raise if the work in hand is to be interrupted."""
        if self.interrupted:
            raise InterruptedScrubError("the scrub was interrupted")

    def _count(self) -> bool:
        """Add up what is to be read, a piece of the extents at a time."""
        with self._parts.readers.read() as connection:
            counted = count_all(connection, self._count_cursor, COUNT_PIECE_EXTENTS)
        if counted is None:
            self._state.phase = Phase.METADATA
        else:
            self._count_cursor, fragments, size = counted
            self._state.total_fragments += fragments
            self._state.total_bytes += size
        return True

    def _gather(self) -> bool:
        """List the extents of the target, a piece at a time."""
        if self._gathering is None:
            self._records.begin_wanted()
            self._gathering = self._walk.extents(
                self._target,
                disk_id=self._disk_id,
                before=self._before,
                now_ns=self._state.started_ns,
            )
        piece = next(self._gathering, None)
        if piece is None:
            # Metadata has no place in a directory; it is not what was bad there.
            self._state.phase = Phase.VERIFY
        else:
            new = self._records.add_wanted(piece)
            with self._parts.readers.read() as connection:
                fragments, size = count_some(connection, new, self._disk_id)
            self._state.total_fragments += fragments
            self._state.total_bytes += size
        return True

    def _look_at_metadata(self) -> bool:
        checked = self._parts.metadata.step(self._heed)
        if checked is not None:
            self._state.metadata_checked += checked
            return True
        repair = self._state.repair
        found = self._parts.metadata.repair() if repair else self._parts.metadata.findings()
        self._findings.add_metadata(found)
        self._state.metadata_damaged = len(found)
        self._issues.add(len(found))
        for one in found:
            where = f"disk {one.disk}: " if one.disk else ""
            self._parts.events.record(
                EventSeverity.WARNING,
                "scrub",
                f"{where}{one.name} is not what was written: {one.cause}",
            )
        self._state.phase = Phase.VERIFY
        return True

    def _verify_next(self) -> bool:
        if not self._ids:
            self._ids = self._next_ids()
        if not self._ids:
            self._begin_listing()
            return True
        extent_id = self._ids[0]
        began_s, self.partial_bytes = self._clock.monotonic_s(), 0
        read = self._reading.read(extent_id, self._disk_id, self._note_bytes)
        self._pace.note(began_s, self.partial_bytes)
        self.partial_bytes = 0
        if read is not None:
            # Disks that are missing are done with, though nothing was read of them.
            self._state.done_bytes += read.planned_bytes
            self._note(read)
        self._ids.pop(0)
        self._state.cursor = extent_id
        self._findings.name_files(now=False)
        return True

    def _next_ids(self) -> list[ExtentId]:
        """Return the next extents, newest first."""
        if self._target.kind is not TargetKind.ALL:
            return self._records.wanted_below(self._state.cursor, IDS_PER_READ)
        with self._parts.readers.read() as connection:
            rows = connection.execute(
                "SELECT id FROM extent WHERE id < ? ORDER BY id DESC LIMIT ?",
                (self._state.cursor, IDS_PER_READ),
            )
            return [ExtentId(row[0]) for row in rows]

    def _note_bytes(self, count: int) -> None:
        self._heed()
        self.partial_bytes += count
        self._rate.add(count)

    def _note(self, read: ReadExtent) -> None:
        bad = self._reading.note(read, self._clock.now_ns())
        found = list(read.verdicts.values())
        with self._lock:
            state = self._state
            state.done_fragments += len(found)
            state.intact += found.count(Verdict.INTACT)
            state.corrupt += found.count(Verdict.CORRUPT)
            # A missing disk's fragments are missing, without asking it.
            state.missing += found.count(Verdict.MISSING) + found.count(Verdict.UNREACHABLE)
            state.misplaced += found.count(Verdict.MISPLACED)
            state.parity_mismatches += found.count(Verdict.PARITY)
            if bad and state.repair and len(self._mending) < FINDINGS_MAX:
                self._mending[read.record.extent_id] = len(bad)
        now_s = self._clock.now_ns() // NS_PER_S
        for index, verdict in read.verdicts.items():
            if verdict is not Verdict.UNREACHABLE:
                proof = Proof(read.record.fragments[index].layout, now_s)
                known = proof if verdict is Verdict.INTACT else None
                self._records.note_proof(read.record.extent_id, index, known)
        if bad:
            self._findings.add(read.record, read.verdicts, bad, repair=state.repair)
            self._issues.add(len(bad))
        if bad and state.repair:
            self._repairs.add(len(bad))
            self._parts.reconcile.mend([read.record.extent_id])

    def _begin_listing(self) -> None:
        """Begin to look for stray files, where the target has whole disks."""
        disks = [one.disk_id for one in self._parts.topology.disks() if one.readable]
        if self._target.kind is TargetKind.DISK:
            disks = [one for one in disks if one == self._disk_id]
        elif self._target.kind is not TargetKind.ALL:
            disks = []
        self._parts.listing.begin(disks)
        self._state.phase = Phase.LIST

    def _list(self) -> bool:
        files = self._parts.listing.next_files()
        if files is None:
            self._listed_s = self._clock.monotonic_s()
            whole = self._target.kind is TargetKind.ALL
            self._state.phase = Phase.FORGET if whole else Phase.SECOND_LOOK
        else:
            self._unnamed += files[: FINDINGS_MAX - len(self._unnamed)]
        return True

    def _forget(self) -> bool:
        """Drop proofs of extents that are no more, so that they do not pile up (P8)."""
        known = self._records.known_extents(self._forget_cursor, FORGET_PIECE)
        if not known:
            self._state.phase = Phase.SECOND_LOOK
            return True
        with self._parts.readers.read() as connection:
            query = "SELECT id FROM extent WHERE id BETWEEN ? AND ?"
            there = {row[0] for row in connection.execute(query, (known[0], known[-1]))}
        self._records.forget([one for one in known if one not in there])
        self._forget_cursor = known[-1]
        return True

    def _look_again(self) -> bool:
        """Count files that still have no row, then wait for repairs, then end."""
        if self._unnamed:
            if self._clock.monotonic_s() - self._listed_s < SECOND_LOOK_S:
                return False
            files, self._unnamed = self._unnamed[:IDS_PER_READ], self._unnamed[IDS_PER_READ:]
            with self._parts.tables.store.lock:
                self._parts.tables.store.require_running()
                connection = self._parts.tables.store.connection
                stray = [f for f in files if not is_named(connection, f.disk_id, f.name)]
            self._state.unreferenced += len(stray)
            self._issues.add(len(stray))
            for file in stray:
                self._parts.unreferenced.offer(file)
            return True
        if self._findings.name_files(now=True):
            return True
        repair = self._state.repair
        if repair and self._mending and self._parts.reconcile.has_work():
            return False
        if repair and self._findings.metadata:
            waited_s = self._clock.monotonic_s() - self._listed_s
            if self._parts.metadata.is_busy() and waited_s < RENEWAL_S_MAX:
                return False
            again = self._parts.metadata.look_again(list(self._findings.metadata), self._heed)
            self._findings.replace_metadata(again)
        self.finished = True
        return True
