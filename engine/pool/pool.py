"""An open pool: engine, threads, and the way it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.clock import Clock, SystemClock
from engine.errors import CorruptionError, EngineError, NoSpaceError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId, InodeId
from engine.metadata.inodes import NO_INODE
from engine.metadata.recovery import OpenMode
from engine.model.disk import DiskState
from engine.observe.events import Event, EventSeverity
from engine.policy.exposure import journal_exposure, may_fail
from engine.pool.audit import AUDIT_NAME, AuditTrail
from engine.pool.checkpoints import LOOK_S
from engine.pool.disk_set import CorruptionHook
from engine.pool.event_keeper import EventKeeper
from engine.pool.health_keeper import HealthKeeper
from engine.pool.keepers import Keeper, group_turn, probe_turn
from engine.pool.maintenance import Maintenance
from engine.pool.membership import Membership
from engine.pool.opening import open_pool
from engine.pool.removal import Removal, Successions
from engine.pool.topology import PoolTopology
from engine.status.figures import FigureSource
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.landing import LANDING_S_MAX

CLOSE_S_MAX = 120.0
"""How long a close waits for accepted data to become safe."""

FIGURES_S = 0.5
"""How often exposure is counted anew while something changes."""

_THREAD_S_MAX = 10.0
_ORPHANS_PER_STEP = 256


class Pool:
    """A pool that this process owns. Thread-safe; close it once, from any thread."""

    def __init__(
        self, pool_dir: Path, *, mode: OpenMode = OpenMode.READ_WRITE, clock: Clock | None = None
    ) -> None:
        """Open the pool in *pool_dir* and start its threads.

        Raises:
            PoolBusyError, PoolError, QuorumError, SplitHistoryError: why not.
        """
        self._hear: CorruptionHook = _forget
        opened = open_pool(
            pool_dir,
            mode=mode,
            clock=clock or SystemClock(),
            on_corruption=self._report,
        )
        self.pool_dir = pool_dir
        self.engine = opened.engine
        self._lock = opened.lock
        self.membership = Membership(self.engine)
        self._successions = Successions(self.engine, Removal(self.engine, self.membership))
        self.maintenance = Maintenance(self.engine, journal_bytes=opened.journal_bytes)
        self._hear = self.maintenance.report
        self.topology = PoolTopology(self.engine)
        self.figures = FigureSource(self.engine.base.clock, self.engine.readers)
        self.health = HealthKeeper(
            self.engine,
            self.membership,
            may_fail=self.may_fail,
            on_change=self._follow_health,
        )
        for work in (self.maintenance.reconcile, self.maintenance.scrub):
            work.ending.hooks.append(self.refresh_figures)
        self.maintenance.reconcile.on_mended.append(self.engine.base.disks.statistics.note_mended)
        self.read_only_wanted = mode is OpenMode.READ_ONLY
        self.audit = AuditTrail(pool_dir / AUDIT_NAME, self.engine.base.clock)
        self._event_keeper = EventKeeper(pool_dir, self.engine.base.events)
        self._keepers: list[Keeper] = []
        self._checkpoint_keeper = Keeper(
            "checkpoint", self.engine, self._make_checkpoint, threading.Event()
        )
        self._guests: dict[str, Callable[[], float]] = {}
        self._closed = False
        self.engine.measure_space()
        self.refresh_figures()
        if mode is not OpenMode.READ_ONLY:
            self._start()

    @property
    def filesystem(self) -> EngineFileSystem:
        """What a bridge serves."""
        return self.engine.filesystem

    def refresh_figures(self) -> None:
        """Count extents and exposure anew, if something can have changed."""
        self.figures.refresh(self.engine.base.store.template.generation, self.topology.disks())

    def heartbeats(self) -> dict[str, float]:
        """Return for each thread that keeps the pool going the seconds it is behind its turn.

        Takes no lock: it must answer about threads that hold one.
        """
        own = {keeper.name: keeper.late_s for keeper in self._keepers}
        # A checkpoint of a large database takes minutes, and nobody waits for its thread.
        return own | {name: late_s() for name, late_s in self._guests.items()}

    def watch(self, name: str, late_s: Callable[[], float]) -> None:
        """Count a thread of the program's among ``heartbeats``; *late_s* takes no lock."""
        self._guests = {**self._guests, name: late_s}

    def events_since(self, sequence: int, limit: int) -> list[Event]:
        """Return up to *limit* events after *sequence*, also of earlier processes."""
        return self._event_keeper.since(sequence, limit)

    def may_fail(self) -> int:
        """Return how many more disks may fail, any of them, without loss; counted now."""
        self.refresh_figures()
        template = self.engine.base.store.template
        answering = {
            one.record.uuid
            for one in self.engine.base.disks.presences()
            if one.present and one.record.state is not DiskState.FAILED
        }
        missing = sum(uuid not in answering for uuid in template.journal_set)
        journal = journal_exposure(tolerance=template.tolerance, missing=missing)
        return may_fail(self.figures.newest().least_exposure, journal)

    def _follow_health(self) -> None:
        """A disk's state changed by itself: exposure and work follow at once."""
        self.refresh_figures()
        self.maintenance.wake.set()

    def _look(self) -> None:
        self.membership.probe()
        self._successions.finish()
        # A disk that came or went changes the exposure of everything at once.
        self.refresh_figures()

    def _count(self) -> float:
        self.refresh_figures()
        return FIGURES_S

    def _make_checkpoint(self) -> float:
        self.maintenance.checkpoints.turn()
        return LOOK_S

    def _start(self) -> None:
        engine = self.engine
        self._event_keeper.begin()
        self._clean_up_after_crash()
        engine.files.make_room = self.maintenance.make_room
        engine.landing.start()
        self.membership.settle_journal_set()
        self.maintenance.checkpoints.catch_up()
        self._keepers = [
            Keeper("group-timer", engine, lambda: group_turn(engine), engine.base.store.pressure),
            Keeper(
                "probe",
                engine,
                lambda: probe_turn(engine, self._look),
                engine.base.disks.probe_wanted,
            ),
            Keeper("figures", engine, self._count, threading.Event()),
            Keeper("maintenance", engine, self.maintenance.turn, self.maintenance.wake),
            Keeper("health", engine, self.health.turn, self.health.wake),
            Keeper("events", engine, self._event_keeper.turn, engine.base.events.recorded),
        ]
        self.health.start()
        for keeper in (*self._keepers, self._checkpoint_keeper):
            keeper.start()

    def _clean_up_after_crash(self) -> None:
        """End inodes nobody has open any more; bring staged rows on their way (R8).

        What a damaged row keeps from that is told, and stays: the next open makes the
        database again (R6), and this one serves all the rest (P4).
        """
        for step in (self._end_orphans, self._move_staged):
            try:
                step()
            except CorruptionError as error:
                self._tell_left(str(error))

    def _end_orphans(self) -> None:
        tables, store = self.engine.base.tables, self.engine.base.store
        damage: list[str] = []
        last = NO_INODE
        while True:
            with store.lock:
                orphans = tables.inodes.orphans(_ORPHANS_PER_STEP, after=last)
            if not orphans:
                break
            last = orphans[-1]
            for inode_id in orphans:
                try:
                    self._end_orphan(inode_id)
                except CorruptionError as error:
                    damage.append(str(error))
        if damage:
            self._tell_left(f"{len(damage)} files without a name could not be ended: {damage[0]}")

    def _end_orphan(self, inode_id: InodeId) -> None:
        """End an inode without a name; a row that speaks of no such inode goes."""
        tables, store = self.engine.base.tables, self.engine.base.store
        with store.lock:
            inode = tables.inodes.get(inode_id)
        if inode is not None and inode.nlink == 0:
            self.engine.tree.end_orphan(inode_id)
            return
        with store.operation():
            tables.inodes.remove_orphan(inode_id)
        what = "is gone" if inode is None else "has a name"
        self._tell_left(f"inode {inode_id} was noted as without a name, but {what}")

    def _tell_left(self, text: str) -> None:
        self.engine.base.events.record(EventSeverity.WARNING, "open", text)

    def _move_staged(self) -> None:
        """Put staged bytes into builders as if just staged: landing replaces the rows."""
        tables, store = self.engine.base.tables, self.engine.base.store
        with store.lock:
            maps = set(tables.file_map.staged_maps())
            rows = store.rows.read("SELECT id, map FROM inode WHERE map != 0")
            inodes = [InodeId(inode) for inode, map_id in rows if map_id in maps] if maps else []
        for inode_id in inodes:
            try:
                self.engine.syncer.move_staged(inode_id)
            except CorruptionError as error:
                self._tell_left(str(error))
            except NoSpaceError as error:
                # They are safe where they are; a full pool must open, too (P4).
                self._tell_left(str(error))
                return

    def _report(self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict) -> None:
        # What readers find while the pool is still opening, a scrub finds again.
        self._hear(extent_id, index, disk_id, kind)

    def close(self) -> None:
        """Make everything safe and let go of the disks; harmless when repeated.

        Raises:
            EngineError: something accepted is not safe; the pool is closed all
                the same, and the sentence says what was lost.
        """
        if self._closed:
            return
        self._closed = True
        engine = self.engine
        failure: EngineError | None = None
        self.maintenance.checkpoints.give_up()
        self.maintenance.close()
        for keeper in (*self._keepers, self._checkpoint_keeper):
            keeper.stop(_THREAD_S_MAX)
        if self._keepers:
            self.health.close()
            self.maintenance.let_go()
        # Whatever refuses changes now: what was accepted before is made safe, or
        # the operator hears that it is not.
        if engine.base.store.started:
            try:
                engine.tree.accessed.store()
                # Where journals or disks are missing, waiting long brings nothing.
                engine.syncer.sync_all(_THREAD_S_MAX if engine.refusal() else LANDING_S_MAX)
            except EngineError as error:
                failure = error
        engine.filesystem.close()
        engine.landing.close(_THREAD_S_MAX)
        if engine.base.shipper is not None:
            engine.base.shipper.close(_THREAD_S_MAX)
        engine.readers.close()
        engine.base.store.close()
        engine.base.disks.close()
        if self._keepers:
            self._event_keeper.close()
        self._lock.release()
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _forget(_extent: ExtentId, _index: int, _disk: DiskId, _kind: Verdict) -> None:
    """Take no notice."""
