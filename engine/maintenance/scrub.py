"""Verifies the fragments of the pool, the parity and the metadata, and lists stray files.

Goes through the extents from the newest to the oldest. Their ids order the
directories of every disk, so each disk is read in its own order, all disks at
once, and each byte once: checksums and the trial reconstruction that proves
parity use the same read.

A scrub writes down what it finds and repairs nothing. With ``repair`` it also
lets reconcile mend it, and ends when that came to an end.
"""

from __future__ import annotations

import threading
from typing import Final

from engine.errors import EngineStoppedError, UsageError
from engine.ids import ExtentId
from engine.maintenance.ending import Ending
from engine.maintenance.paths import PathFinder
from engine.maintenance.progress import Rate
from engine.maintenance.scrub_findings import Findings
from engine.maintenance.scrub_pace import ScrubPace
from engine.maintenance.scrub_parts import ScrubParts
from engine.maintenance.scrub_progress import ScrubProgress
from engine.maintenance.scrub_records import ScrubRecords, ScrubRun
from engine.maintenance.scrub_run import InterruptedScrubError, ScrubMemory, ScrubSteps
from engine.maintenance.scrub_settings import ScrubSettings
from engine.maintenance.scrub_state import Phase, ScrubState, load_state, save_state
from engine.maintenance.scrub_target import ALL, ScrubTarget, TargetKind
from engine.maintenance.scrub_walk import TargetWalk
from engine.observe.events import EventSeverity
from engine.units import NS_PER_S

SAVE_S: Final = 5.0
"""Between two saves of the cursor: this much is verified twice after a crash."""

BEHIND_ALL: Final = 2**62
"""A cursor above every extent."""

SETTLED_PER_SAVE: Final = 256
"""Findings whose outcome is looked at with each save; the end looks at all."""


class Scrub:
    """One scrub at a time. ``step`` by one thread; the rest by any."""

    def __init__(self, parts: ScrubParts) -> None:
        """Go on where a scrub was when the pool was closed."""
        self._parts: Final = parts
        self._clock: Final = parts.clock
        self.ending: Final = Ending(
            "scrub", topology=parts.topology, store=parts.tables.store, events=parts.events
        )
        self._pace: Final = ScrubPace(parts.clock)
        self.settings: Final = ScrubSettings(parts.clock, parts.tables, self._pace, parts.zone)
        self.records: Final = ScrubRecords(
            parts.records_path,
            on_trouble=self._tell,
        )
        paths = PathFinder(parts.readers)
        self._findings: Final = Findings(parts.clock, parts.tables, paths, self.records)
        self._walk: Final = TargetWalk(parts.readers, self.records)
        self._rate: Final = Rate(parts.clock)
        self._memory: Final = ScrubMemory(self._pace, self.records, self._findings, self._rate)
        self._completed: Final = parts.metrics.counter("scrubs_completed_total")
        self._lock: Final = threading.Lock()
        self._saving: Final = threading.Lock()
        self._stop_wanted = self._closing = False
        self._saved_s = parts.clock.monotonic_s()
        self._state = load_state(parts.state_path)
        self._steps = ScrubSteps(parts, self._memory, self._state, before=[])

    def _tell(self, text: str) -> None:
        self._parts.events.record(EventSeverity.WARNING, "scrub", text)

    # Any thread

    def start(self, *, repair: bool, target: ScrubTarget = ALL) -> str:
        """Start a scrub; return one sentence.

        Raises:
            UsageError: one is running, or *target* names nothing.
        """
        self._require(target)
        with self._lock:
            if self._state.running:
                raise UsageError("a scrub is running; stop it first")
            now_ns, whole = self._clock.now_ns(), target.kind is TargetKind.ALL
            self._state = ScrubState(
                running=True,
                repair=repair,
                target=str(target),
                phase=Phase.COUNT,
                cursor=BEHIND_ALL,
                started_ns=now_ns,
                last_full_ns=now_ns if whole else self._state.last_full_ns,
                whole_ns=self._state.whole_ns,
                runs_completed=self._state.runs_completed,
            )
            before = sorted({one.extent_id for one in self._findings.fragments})
            self._findings.clear()
            self._rate.restart()
            self._steps = ScrubSteps(self._parts, self._memory, self._state, before=before)
            self._stop_wanted = False
        self._save()
        return f"scrub of {target} started" + (", with repair" if repair else "")

    def _require(self, target: ScrubTarget) -> None:
        """Raise UsageError unless what *target* names is there."""
        self._walk.require(target)
        names = [one.name for one in self._parts.topology.disks()]
        if target.kind is TargetKind.DISK and target.name not in names:
            raise UsageError(f"no disk is called {target.name!r}")

    def stop(self) -> str:
        """Stop the running scrub; return one sentence."""
        with self._lock:
            if not self._state.running:
                return "no scrub is running"
            self._stop_wanted = self._steps.interrupted = True
        return "the scrub stops"

    def pause(self) -> str:
        """Interrupt the work in hand until ``resume``; UsageError when none runs."""
        with self._lock:
            if not self._state.running:
                raise UsageError("no scrub is running")
            self._state.paused = self._steps.interrupted = True
        self._save()
        return "the scrub is paused"

    def resume(self) -> str:
        """Go on where ``pause`` interrupted; UsageError when none is paused."""
        with self._lock:
            if not (self._state.running and self._state.paused):
                raise UsageError("no scrub is paused")
            self._state.paused = False
            self._steps.interrupted = self._stop_wanted or self._closing
            self._rate.restart(self._rate.bytes_s)
        self._save()
        return "the scrub goes on"

    def close(self) -> None:
        """Interrupt the work in hand; the scrub goes on when the pool is opened."""
        self._closing = self._steps.interrupted = True

    def let_go(self) -> None:
        """Keep where it is, and close its files; behind the last step."""
        if self._state.running:
            self._save()
        self.records.close()

    def rest_s(self) -> float:
        """Return for how long a step would do nothing, as far as the pace is concerned."""
        return self._pace.rest_s() if self._state.running else 0.0

    def note_mended(self, extent_id: ExtentId, fragments: int) -> None:
        """Hear of a commit of reconcile; for ``Reconcile.on_mended``."""
        self._steps.note_mended(extent_id, fragments)

    def verified_ns(self, extent_id: ExtentId) -> int:
        """Return when an extent's fragments were all proven intact; 0 is never.

        Times are epoch nanoseconds. For few extents: each costs two look-ups.
        """
        with self._parts.readers.read() as connection:
            query = "SELECT position, layout FROM fragment WHERE extent = ?"
            placed = list(connection.execute(query, (extent_id,)))
        proofs = self.records.proofs(extent_id, extent_id)
        known = [proofs.get((extent_id, position)) for position, _ in placed]
        times = [
            proof.verified_s if proof is not None and proof.layout == layout else 0
            for proof, (_, layout) in zip(known, placed, strict=True)
        ]
        return min(times, default=0) * NS_PER_S

    def progress(self) -> ScrubProgress:
        """Return where the scrub is; quick."""
        state, pace = self._state, self._pace
        done_bytes = state.done_bytes + (self._steps.partial_bytes if state.running else 0)
        left = max(0, state.total_bytes - done_bytes)
        return ScrubProgress(
            running=state.running,
            paused=state.paused,
            repair=state.repair,
            target=state.target,
            intensity=pace.intensity,
            limit_bytes_s=pace.limit_bytes_s,
            schedule=str(self.settings.schedule),
            next_ns=self.settings.next_ns(state),
            started_ns=state.started_ns,
            finished_ns=state.finished_ns,
            whole_ns=state.whole_ns,
            done_fragments=state.done_fragments,
            total_fragments=max(state.total_fragments, state.done_fragments),
            done_bytes=done_bytes,
            total_bytes=max(state.total_bytes, done_bytes),
            rate_bytes_s=self._rate.bytes_s if state.running else 0.0,
            eta_s=self._rate.eta_s(left) if state.running else None,
            intact=state.intact,
            corrupt=state.corrupt,
            missing=state.missing,
            misplaced=state.misplaced,
            unreferenced=state.unreferenced,
            parity_mismatches=state.parity_mismatches,
            repaired=state.repaired,
            metadata_checked=state.metadata_checked,
            metadata_damaged=state.metadata_damaged,
            findings=self._findings.fragments,
            metadata_findings=self._findings.metadata,
            runs_completed=state.runs_completed,
        )

    # The maintenance thread

    def step(self) -> bool:
        """Do one piece of the scrub that runs, or start the one that is due."""
        if self._closing or self._parts.tables.store.stopped:
            return False
        did = False
        try:
            if self._state.running:
                did = self._step()
            elif not self._start_due():
                self._follow_up()
        except EngineStoppedError:
            return False
        if self._state.running and self._save_due():
            self._settle()
            self._save()
        return did

    def _step(self) -> bool:
        if self._stop_wanted:
            self._end("stopped")
            return False
        if self._state.paused or self._pace.rest_s() > 0:
            return False
        try:
            did = self._steps.step()
        except InterruptedScrubError:
            return self._stop_wanted
        if self._steps.finished:
            self._state.runs_completed += 1
            self._completed.add()
            if self._state.target == str(ALL):
                self._state.whole_ns = self._clock.now_ns()
            self._end("finished")
        return did

    def _start_due(self) -> bool:
        """Start what the schedule wants now."""
        next_ns = self.settings.next_ns(self._state)
        if not next_ns or next_ns > self._clock.now_ns():
            return False
        text = self.start(repair=self.settings.schedule.repair)
        self._parts.events.record(EventSeverity.INFO, "scrub", f"{text}, as scheduled")
        return True

    def _follow_up(self) -> None:
        """Go on saying what becomes of findings after the end."""
        if self._save_due():
            self._settle()
            self._saved_s = self._clock.monotonic_s()
            if self._findings.changed:
                self._save()

    def _save_due(self) -> bool:
        return self._clock.monotonic_s() - self._saved_s >= SAVE_S

    def _end(self, word: str) -> None:
        state = self._state
        self._findings.name_files(now=True)
        self._settle(limit=len(self._findings.fragments))
        self.ending.prepare()
        with self._lock:
            state.running = state.paused = False
            state.finished_ns = self._clock.now_ns()
            state.phase = Phase.IDLE
        self.records.add_run(
            ScrubRun(
                started_ns=state.started_ns,
                finished_ns=state.finished_ns,
                target=state.target,
                repair=state.repair,
                word=word,
                fragments=state.done_fragments,
                bytes=state.done_bytes,
                bad=state.bad + state.metadata_damaged,
                repaired=state.repaired + self._findings.repaired_metadata,
            )
        )
        self._save()
        self._parts.events.record(
            EventSeverity.WARNING if state.bad or state.metadata_damaged else EventSeverity.INFO,
            "scrub",
            f"{word}: {state.intact} fragments intact, {state.bad} not,"
            f" {state.unreferenced} unreferenced; {state.metadata_checked} records of the"
            f" metadata read, {state.metadata_damaged} not intact",
        )

    def _settle(self, *, limit: int = SETTLED_PER_SAVE) -> None:
        """Say of findings what became of them."""
        items = self._parts.reconcile.progress().items
        self._findings.settle(items, repair=self._state.repair, limit=limit)

    def _save(self) -> None:
        with self._saving:
            self._saved_s = self._clock.monotonic_s()
            self.records.flush()
            self._findings.save()
            save_state(self._parts.state_path, self._state)
