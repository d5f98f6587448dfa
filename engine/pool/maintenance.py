"""Maintenance of an open pool: its parts, and the one thread that steps them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from engine.extents.rebuild import ExtentRebuilder
from engine.extents.slices import SliceSource
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.maintenance.collect import Collect
from engine.maintenance.damage import DamageIntake
from engine.maintenance.inspection import Inspector
from engine.maintenance.listing import FragmentListing
from engine.maintenance.quiet import quiet_verifier
from engine.maintenance.reconcile import Reconcile
from engine.maintenance.reconcile_parts import ReconcileParts
from engine.maintenance.scrub import Scrub
from engine.maintenance.scrub_parts import ScrubParts
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.observe.metrics import Metrics
from engine.policy.pacing import OPERATION_BYTES
from engine.pool.assembly import Engine
from engine.pool.checkpoints import CheckpointKeeper
from engine.pool.extent_policies import FileWishes
from engine.pool.keepers import IDLE_S
from engine.pool.local_zone import local_zone
from engine.pool.metadata_copies import metadata_scrub
from engine.pool.room import PoolRoom
from engine.pool.topology import PoolTopology
from engine.pool.turn_errors import Parts

SCRUB_STATE_NAME: Final = "scrub.json"
SCRUB_RECORDS_NAME: Final = "scrub.db"
WORK_STATE_NAME: Final = "reconcile.json"

MAKE_ROOM_S_MAX: Final = 5.0
"""How long a writer that found the pool full waits for deleted data to go."""

_LOOK_S: Final = 0.05


class Maintenance:
    """Reconcile, scrub, collect and damage over one engine, beside its checkpoints."""

    def __init__(self, engine: Engine, *, journal_bytes: int) -> None:
        base = engine.base
        topology = PoolTopology(engine)
        verifier = quiet_verifier(base.clock, base.disks, kernel=engine.kernel)
        inspector = Inspector(tables=base.tables, disks=base.disks, verifier=verifier)
        self.reconcile = self._make_reconcile(engine, topology)
        self.damage = DamageIntake(
            clock=base.clock,
            events=base.events,
            tables=base.tables,
            inspector=inspector,
            reconcile=self.reconcile,
        )
        unreferenced = UnreferencedFiles(
            clock=base.clock,
            events=base.events,
            topology=topology,
            tables=base.tables,
            disks=base.disks,
        )
        self.checkpoints = CheckpointKeeper(engine, journal_bytes=journal_bytes)
        self.scrub = Scrub(
            ScrubParts(
                clock=base.clock,
                metrics=base.metrics,
                events=base.events,
                topology=topology,
                tables=base.tables,
                readers=engine.readers,
                inspector=inspector,
                metadata=metadata_scrub(engine, self.checkpoints),
                listing=FragmentListing(base.disks, engine.readers),
                unreferenced=unreferenced,
                reconcile=self.reconcile,
                zone=local_zone(),
                state_path=Path(base.pool_dir) / SCRUB_STATE_NAME,
                records_path=Path(base.pool_dir) / SCRUB_RECORDS_NAME,
            )
        )
        self.reconcile.on_mended.append(self.scrub.note_mended)
        engine.whereabouts.verified_ns = self.scrub.verified_ns
        self.collect = Collect(
            clock=base.clock,
            events=base.events,
            topology=topology,
            tables=base.tables,
            readers=engine.readers,
            gate=engine.gate,
            disks=base.disks,
            unreferenced=unreferenced,
        )
        self._engine = engine
        self.wake = threading.Event()
        """Set to have the next turn at once."""
        self._turns = 0
        self._collected = False
        self._parts = Parts(base.clock, base.events)

    @staticmethod
    def _make_reconcile(engine: Engine, topology: PoolTopology) -> Reconcile:
        base, reader = engine.base, engine.reader
        slices = SliceSource(base.disks, reader.fragments, reader.reconstructor)
        return Reconcile(
            ReconcileParts(
                clock=base.clock,
                metrics=base.metrics,
                events=base.events,
                topology=topology,
                policies=FileWishes(engine),
                tables=base.tables,
                readers=engine.readers,
                disks=base.disks,
                rebuilder=ExtentRebuilder(slices, engine.writer),
                writer=engine.writer,
                room=PoolRoom(engine),
                foreground=lambda: _foreground_bytes(base.metrics),
                state_path=Path(base.pool_dir) / WORK_STATE_NAME,
            )
        )

    def report(self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict) -> None:
        """Take a reader's report of a bad fragment; any thread, never waits."""
        self.damage.report(extent_id, index, disk_id, kind)

    def turn(self) -> float:
        """One step of each part; return how long to rest."""
        self.wake.clear()
        if self._engine.refusal():
            return IDLE_S
        self._collected = self._parts.step("collect", self.collect.step)
        parts = {
            "damage": self.damage.step,
            "reconcile": self.reconcile.step,
            "scrub": self.scrub.step,
        }
        # Every part gets its step in each turn, whatever the others found or met.
        did = any([self._collected, *[self._parts.step(*part) for part in parts.items()]])
        self._turns += 1
        if did:
            return 0.0
        return min(IDLE_S, self.reconcile.rest_s() or IDLE_S, self.scrub.rest_s() or IDLE_S)

    def make_room(self) -> bool:
        """Wait until deleted data has left the disks; False if none did.

        For writers that found the pool full: waits at most MAKE_ROOM_S_MAX.
        """
        engine, clock = self._engine, self._engine.base.clock
        deadline_s = clock.monotonic_s() + MAKE_ROOM_S_MAX
        store = engine.base.store
        with store.lock:
            generation = store.open_generation
        engine.make_safe(generation, MAKE_ROOM_S_MAX)
        first = self._turns
        pause = threading.Event()
        while clock.monotonic_s() < deadline_s and not engine.refusal():
            self.wake.set()
            pause.wait(_LOOK_S)
            engine.measure_space()
            if engine.space.free_bytes:
                return True
            if self._turns >= first + 2 and not self._collected:
                return False
        return False

    def close(self) -> None:
        """Interrupt what runs; it is found again later."""
        self.reconcile.close()
        self.scrub.close()

    def let_go(self) -> None:
        """Close files of maintenance's own; behind the last turn."""
        self.scrub.let_go()


def _foreground_bytes(metrics: Metrics) -> int:
    """Return what programs moved; an operation without payload counts a little, too."""
    snapshot = metrics.snapshot()

    def total(name: str) -> int:
        return int(snapshot.get(name, {}).get("", 0))

    operations = total("namespace_ops_total") + total("syncs_total")
    moved = total("read_bytes_total") + total("write_bytes_total")
    return moved + operations * OPERATION_BYTES
