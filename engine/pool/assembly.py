"""Put the parts of an open pool together, most general first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import apsw

from engine.clock import Clock
from engine.codec.kernel import default_kernel
from engine.errors import EngineError
from engine.extents.buffers import BufferPool
from engine.extents.reader import ExtentReader
from engine.extents.writer import ExtentWriter, fragment_file_bytes
from engine.ids import DiskId, Generation, InodeId
from engine.limits import EXTENT_BYTES_MAX
from engine.metadata.commit import Committer
from engine.metadata.files import mark_damaged
from engine.metadata.journals import JournalShipper
from engine.metadata.read_gate import ReadGate
from engine.metadata.store import ClosedGroup, MetadataStore
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool, WalKeeper
from engine.model.disk import DiskState
from engine.model.redundancy import Redundancy
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.policy.capacity import UserCapacity, user_capacity
from engine.policy.placement import check_policy
from engine.pool.dirty_limit import direct_io_below_bytes
from engine.pool.disk_set import DiskSet
from engine.pool.properties import PoolProperties
from engine.pool.reserve import MetadataRoom
from engine.pool.whereabouts import KnownDisk, Whereabouts
from engine.vfs.files import Files
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.handles import Handles
from engine.vfs.landing import Landing
from engine.vfs.parts import FileSystemParts
from engine.vfs.pending import Pending, Placement
from engine.vfs.policy import FilePolicies
from engine.vfs.space import Measured, SpaceAccount
from engine.vfs.sync import Syncer
from engine.vfs.tree import Tree
from engine.vfs.xattrs import Xattrs


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundations:
    """What exists before the engine: made while the pool is opened."""

    pool_dir: Path
    database: Path
    clock: Clock
    metrics: Metrics
    events: EventLog
    disks: DiskSet
    connection: apsw.Connection
    store: MetadataStore
    tables: Tables
    shipper: JournalShipper | None
    """None in a pool that is opened read-only."""


class Engine:
    """Every part of an open pool, wired. Starts no thread by itself."""

    def __init__(self, base: Foundations, properties: PoolProperties) -> None:
        self.base = base
        self.properties = properties
        self.read_only_reason = ""
        self.shipped_bytes = 0
        """Bytes of root records since the pool was opened; the committer counts."""
        store, tables, clock = base.store, base.tables, base.clock
        self.readers = ReaderPool(base.database, store.rows.note)
        self.wal = WalKeeper(base.connection, base.database, self.readers)
        store.between_groups = self.wal.between_groups
        store.rows.note.on_first = self.note_damage
        if store.rows.note.first:
            self.note_damage(store.rows.note.first)
        self.gate = ReadGate()
        self._groups = base.metrics.counter("groups_total")
        self.committer = (
            None
            if base.shipper is None
            else Committer(store, base.shipper, on_commit=self._after_commit)
        )
        self.kernel = default_kernel()
        self.reader = ExtentReader(clock, base.metrics, base.disks, kernel=self.kernel)
        self.writer = ExtentWriter(base.metrics, base.disks, kernel=self.kernel)
        self.space = SpaceAccount()
        self._newest_placement = Placement(properties.redundancy, properties.tier)
        self.policies = FilePolicies(tables, default=lambda: self.properties.redundancy)
        self._room = MetadataRoom(base.pool_dir, base.events)
        self.pending = Pending(
            buffers=BufferPool(clock),
            space=self.space,
            placement=self._placement_of,
            clock=clock,
            lock=store.lock,
        )
        store.on_commit.append(self.pending.group_committed)
        store.on_lost.append(self.pending.group_lost)
        self.landing = Landing(
            tables=tables,
            pending=self.pending,
            writer=self.writer,
            clock=clock,
            on_error=self._note_landing_error,
        )
        self.filesystem = self._make_filesystem()

    def _make_filesystem(self) -> EngineFileSystem:
        base = self.base
        handles = Handles()
        tree = Tree(
            tables=base.tables, pending=self.pending, clock=base.clock, is_open=handles.is_open
        )
        files = Files(
            tables=base.tables,
            tree=tree,
            pending=self.pending,
            landing=self.landing,
            reader=self.reader,
            gate=self.gate,
            clock=base.clock,
        )
        self.tree, self.files, self.handles = tree, files, handles
        self.xattrs = Xattrs(
            tables=base.tables,
            tree=tree,
            policies=self.policies,
            check_policy=self.check_policy,
            clock=base.clock,
        )
        self.whereabouts = Whereabouts(
            tables=base.tables,
            pending=self.pending,
            policies=self.policies,
            disks=self._known_disks,
        )
        self.xattrs.describe = self.whereabouts.describe
        self.syncer = Syncer(
            tables=base.tables,
            pending=self.pending,
            landing=self.landing,
            commits=self.make_safe,
        )
        parts = FileSystemParts(
            tables=base.tables,
            tree=tree,
            files=files,
            handles=handles,
            pending=self.pending,
            space=self.space,
            syncer=self.syncer,
            policies=self.policies,
            xattrs=self.xattrs,
            metrics=base.metrics,
            clock=base.clock,
            direct_io_below_bytes=direct_io_below_bytes(),
        )
        return EngineFileSystem(parts, refusal=self.refusal)

    def refusal(self) -> str:
        """Return why nothing may change now; empty while changes are fine."""
        return self.read_only_reason or self.base.store.stopped

    def _placement_of(self, inode_id: InodeId) -> Placement:
        """Return how new data of an inode is stored now; under the write lock."""
        redundancy, tier = self.policies.of(inode_id), self.properties.tier
        newest = self._newest_placement
        # Asked for each write: the same object again spares the comparison by value.
        if newest.redundancy is not redundancy or newest.tier is not tier:
            newest = self._newest_placement = Placement(redundancy, tier)
        return newest

    def check_policy(self, redundancy: Redundancy) -> None:
        """Refuse what the disks that stay cannot hold in full width (P6).

        Raises:
            PolicyError: there are fewer than it has fragments.
        """
        staying = sum(
            not one.marks.spare and one.record.state not in (DiskState.FAILED, DiskState.DRAINING)
            for one in self.base.disks.presences()
        )
        check_policy(redundancy, staying)

    def _known_disks(self) -> Mapping[DiskId, KnownDisk]:
        return {
            one.record.disk_id: KnownDisk(one.record.name, one.present, one.record.state)
            for one in self.base.disks.presences()
        }

    def make_safe(self, generation: Generation, timeout_s: float) -> None:
        """Commit up to *generation* and wait until it is acknowledged."""
        if self.committer is not None:
            self.committer.make_safe(generation, timeout_s)

    def measure_space(self) -> None:
        """Take over what the disks have room for now; asks every disk."""
        self._look_at_room()
        landed_before = self.space.landed
        for one in self.base.disks.presences():
            if one.present:
                self.base.disks.measure(one.record.disk_id)
        spaces = self.base.disks.spaces()

        def capacity_with(redundancy: Redundancy) -> UserCapacity:
            size = fragment_file_bytes(redundancy, EXTENT_BYTES_MAX)
            return user_capacity(spaces, redundancy, fragment_bytes=size)

        unit = self.properties.redundancy
        self.space.measure(
            capacity_with(unit),
            landed_before=landed_before,
            disks=Measured(unit, lambda one: capacity_with(one).free_bytes // EXTENT_BYTES_MAX),
        )

    def _after_commit(self, closed: ClosedGroup) -> None:
        self._groups.add()
        self.shipped_bytes += len(closed.encoded)
        self._look_at_room()

    def _look_at_room(self) -> None:
        """Refuse what is new while the pool directory has no room for its metadata (P6)."""
        self._room.look()
        self.space.refusal = self._room.refusal

    def note_damage(self, text: str) -> None:
        """Tell of a damaged database, and leave word for the next open (R6)."""
        self.base.events.record(
            EventSeverity.ERROR,
            "metadata",
            f"the metadata database is damaged: {text}; what needs it fails,"
            " and the next open makes it again from the journals",
        )
        if self.base.shipper is not None:
            mark_damaged(self.base.database, text)

    def _note_landing_error(self, error: EngineError) -> None:
        self.base.events.record(EventSeverity.ERROR, "landing", str(error))
