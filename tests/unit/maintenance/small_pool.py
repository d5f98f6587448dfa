"""A pool for maintenance: real metadata, real extents, disks in memory, a manual clock."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from uuid import UUID

from engine.clock import ManualClock
from engine.codec.kernel import default_kernel
from engine.device.lanes import Lane
from engine.extents.verdict import Verdict
from engine.ids import (
    NO_MAP,
    ROOT_INODE,
    DiskId,
    DiskUuid,
    Epoch,
    ExtentId,
    Generation,
    InodeId,
    MapId,
)
from engine.maintenance.collect import Collect
from engine.maintenance.damage import DamageIntake
from engine.maintenance.inspection import Inspector
from engine.maintenance.listing import FragmentListing
from engine.maintenance.metadata_scrub import MetadataScrub
from engine.maintenance.quiet import quiet_verifier
from engine.maintenance.reconcile import Reconcile
from engine.maintenance.reconcile_parts import ReconcileParts
from engine.maintenance.scrub import Scrub
from engine.maintenance.scrub_parts import ScrubParts
from engine.maintenance.scrub_target import parse_target
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.metadata.database import create_database
from engine.metadata.disks import DirectDisks
from engine.metadata.read_gate import ReadGate
from engine.metadata.replay import Head, write_head
from engine.metadata.schema import SCHEMA_VERSION
from engine.metadata.store import MetadataStore
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.inode import Inode, Segment
from engine.model.redundancy import Redundancy
from engine.model.root import HighWater, RootRecord
from engine.observe.events import EventLog
from engine.policy.exposure import exposure_of
from tests.unit.extents.memory_pool import POOL, MemoryPool, memory_pool, pattern
from tests.unit.maintenance.small_topology import RS, SmallPolicies, SmallRoom, SmallTopology


def template(epoch: int = 3) -> RootRecord:
    """Return the header of an empty pool."""
    return RootRecord(
        pool_uuid=POOL,
        pool_name="tank",
        generation=Generation(0),
        epoch=Epoch(epoch),
        time_ns=0,
        tolerance=2,
        members=(),
        journal_set=(),
        schema_version=SCHEMA_VERSION,
        high_water=HighWater(),
        row_count=0,
        previous_hash=bytes(32),
        changeset=b"",
        staged=b"",
    )


class SmallPool:
    """Everything maintenance works on, driven by hand."""

    reconcile: Reconcile

    def __init__(self, pool: MemoryPool, folder: Path) -> None:
        self.folder = folder
        self.extents = pool
        self._lives = 0
        self.disks = pool.disks
        # Disks in memory stamp files with the real time.
        self.clock = ManualClock(now_ns=time.time_ns())
        path = folder / "metadata.db"
        connection = create_database(path)
        head = Head(
            generation=Generation(0), epoch=Epoch(3), root_hash=bytes(32), header=template()
        )
        write_head(connection, head.header, head.root_hash)
        self.store = MetadataStore(connection, template=head.header, clock=self.clock)
        self.store.start(head)
        self.tables = Tables(self.store)
        self.readers = ReaderPool(path)
        self.gate = ReadGate()
        self.topology = SmallTopology(pool, self.store, self.clock)
        self.policies = SmallPolicies()
        self.room = SmallRoom()
        self.foreground_bytes = 0
        # Extents and layouts are numbered by the metadata, as in a real pool.
        self.disks.extents = iter(self.store.new_extent_id, None)
        self.disks.layouts = iter(self.store.new_layout_id, None)
        self._fill_tables()
        self.start_maintenance()

    def _fill_tables(self) -> None:
        with self.store.operation():
            self.tables.inodes.insert(inode(ROOT_INODE, stat.S_IFDIR | 0o755, nlink=2))
            for disk_id in self.disks.devices:
                self.add_disk_row(disk_id)
        self.commit()

    def add_disk_row(self, disk_id: DiskId) -> None:
        self.tables.members.insert(
            DiskRecord(
                disk_id=disk_id,
                uuid=DiskUuid(UUID(int=disk_id)),
                name=f"d{disk_id}",
                path=f"/disk/{disk_id}",
                tier=Tier.WARM,
                state=DiskState.HEALTHY,
                added_generation=Generation(1),
            )
        )

    def start_maintenance(self) -> None:
        """Make the maintenance parts anew, as after a restart."""
        if self._lives:
            self.reconcile.close()
        self._lives += 1
        clock, tables = self.clock, self.tables
        self.events = EventLog(clock)
        verifier = quiet_verifier(clock, self.disks, kernel=default_kernel())
        self.inspector = Inspector(tables=tables, disks=self.disks, verifier=verifier)
        self._start_reconcile()
        self.unreferenced = UnreferencedFiles(
            clock=clock,
            events=self.events,
            topology=self.topology,
            tables=tables,
            disks=self.disks,
        )
        self.scrub = Scrub(
            ScrubParts(
                clock=clock,
                metrics=self.extents.metrics,
                events=self.events,
                topology=self.topology,
                tables=tables,
                readers=self.readers,
                inspector=self.inspector,
                metadata=self._no_metadata(),
                listing=FragmentListing(self.disks, self.readers),
                unreferenced=self.unreferenced,
                reconcile=self.reconcile,
                zone=UTC,
                state_path=self.folder / "scrub.json",
                records_path=self.folder / "scrub.db",
            )
        )
        self.reconcile.on_mended.append(self.scrub.note_mended)
        self.collect = Collect(
            clock=clock,
            events=self.events,
            topology=self.topology,
            tables=tables,
            readers=self.readers,
            gate=self.gate,
            disks=self.disks,
            unreferenced=self.unreferenced,
        )
        self.damage = DamageIntake(
            clock=clock,
            events=self.events,
            tables=tables,
            inspector=self.inspector,
            reconcile=self.reconcile,
        )

    def _no_metadata(self) -> MetadataScrub:
        """Return a scrub of metadata that no disk has."""
        return MetadataScrub(
            clock=self.clock,
            disks=DirectDisks({}),
            journals=None,
            disk_name=str,
            check_database=lambda: "",
            make_checkpoint=lambda: None,
            scratch=self.folder,
        )

    def _start_reconcile(self) -> None:
        self.reconcile = Reconcile(
            ReconcileParts(
                clock=self.clock,
                metrics=self.extents.metrics,
                events=self.events,
                topology=self.topology,
                policies=self.policies,
                tables=self.tables,
                readers=self.readers,
                disks=self.disks,
                rebuilder=self.extents.rebuilder,
                writer=self.extents.writer,
                room=self.room,
                foreground=lambda: self.foreground_bytes,
                state_path=self.folder / "reconcile.json",
            )
        )

    def close(self) -> None:
        self.scrub.records.close()
        self.reconcile.close()
        self.readers.close()
        self.store.close()

    # Content

    def commit(self) -> None:
        """Commit the open group; it is not acknowledged by that."""
        self.store.close_group(self.topology.safe)

    def acknowledge(self) -> None:
        """Commit, and let the quorum have it."""
        self.commit()
        self.topology.safe = self.store.template.generation

    def write_file(
        self, name: str, data: bytes, redundancy: Redundancy = RS, *, parent: InodeId = ROOT_INODE
    ) -> ExtentRecord:
        """Add a file whose bytes are one new extent; return its record."""
        record = self.extents.write(data, redundancy)
        with self.store.operation():
            self.tables.extents.insert(record)
            map_id = self.store.new_map_id()
            number = self.store.new_inode_id()
            self.tables.inodes.insert(
                inode(number, stat.S_IFREG | 0o644, size=len(data), map_id=map_id)
            )
            self.tables.names.insert(parent, name.encode(), number)
            self.tables.file_map.put_segment(map_id, Segment(0, len(data), record.extent_id, 0))
        self.commit()
        return record

    def make_directory(self, name: str, parent: InodeId = ROOT_INODE) -> InodeId:
        """Add a directory."""
        with self.store.operation():
            number = self.store.new_inode_id()
            self.tables.inodes.insert(inode(number, stat.S_IFDIR | 0o755, nlink=2, parent=parent))
            self.tables.names.insert(parent, name.encode(), number)
        self.commit()
        return number

    def map_of(self, extent_id: ExtentId) -> MapId:
        row = self.store.connection.execute(
            "SELECT map FROM segment WHERE extent = ?", (extent_id,)
        ).fetchone()
        assert row is not None
        return MapId(row[0])

    def unlink(self, extent_id: ExtentId) -> None:
        """Remove the file that names the extent, as the tree would."""
        map_id = self.map_of(extent_id)
        with self.store.operation():
            row = self.store.connection.execute(
                "SELECT id FROM inode WHERE map = ?", (map_id,)
            ).fetchone()
            assert row is not None
            self.tables.inodes.delete(InodeId(row[0]))
            self.store.writer.execute("DELETE FROM dentry WHERE inode = ?", (row[0],))
            self.tables.file_map.detach(map_id, 0)

    def record(self, extent_id: ExtentId) -> ExtentRecord:
        found = self.tables.extents.get(extent_id)
        assert found is not None
        return found

    # Disks

    def lose(self, *disk_ids: int) -> None:
        """Let disks be missing for longer than the delay."""
        for number in disk_ids:
            self.disks.missing.add(DiskId(number))
            self.topology.absent[DiskId(number)] = self.clock.monotonic_s() - 10_000

    def bring_back(self, *disk_ids: int) -> None:
        for number in disk_ids:
            self.disks.missing.discard(DiskId(number))
            self.topology.absent.pop(DiskId(number), None)

    # Oracles: what lies on the disks, decided without the code under test

    def intact_indexes(self, record: ExtentRecord) -> set[int]:
        """Return fragments that read back whole, by a reader that remembers nothing."""
        verifier = MemoryPool(self.disks).verifier
        return {
            ref.index
            for ref in record.fragments
            if verifier.verify_fragment(record, ref.index) is Verdict.INTACT
        }

    def exposure(self, record: ExtentRecord) -> int:
        return exposure_of(record.redundancy, len(self.intact_indexes(record)))

    def read(self, record: ExtentRecord) -> bytes:
        return MemoryPool(self.disks).read(record)

    def files(self, disk_id: int) -> set[str]:
        """Return the names of all fragment files on a disk."""
        return {one.name for one in self.disks.memory[DiskId(disk_id)].list("fragments")}

    def all_files(self) -> set[tuple[int, str]]:
        return {(disk_id, name) for disk_id in self.disks.memory for name in self.files(disk_id)}

    def drain_lanes(self) -> None:
        """Wait for calls that nobody waits for."""
        for disk_id in self.disks.lanes:
            self.disks.wait(self.disks.submit(disk_id, Lane.MAINTENANCE, lambda _device: None))

    def reconcile_all(self) -> None:
        """Step until there is nothing to do, bounded."""
        for _ in range(2000):
            if not self.reconcile.step():
                return
        raise AssertionError("reconcile does not come to rest")

    def scrub_all(self, *, repair: bool = False, target: str = "all") -> None:
        """Run one scrub to its end, reconcile working beside it."""
        self.scrub.start(repair=repair, target=parse_target(target))
        for _ in range(5000):
            self.reconcile.step()
            if not self.scrub.step():
                self.clock.advance(1.0)
            if not self.scrub.progress().running:
                return
        raise AssertionError("the scrub does not end")

    def collect_all(self) -> None:
        for _ in range(500):
            if not self.collect.step():
                return
        raise AssertionError("collect does not come to rest")


def inode(
    number: InodeId,
    mode: int,
    *,
    nlink: int = 1,
    size: int = 0,
    map_id: MapId = NO_MAP,
    parent: InodeId | None = None,
) -> Inode:
    """Return an inode; directories name the root as their parent."""
    above = parent if parent is not None else InodeId(0)
    return Inode(
        inode_id=number,
        mode=mode,
        uid=0,
        gid=0,
        nlink=nlink,
        size=size,
        rdev=0,
        atime_ns=0,
        mtime_ns=0,
        ctime_ns=0,
        map_id=map_id,
        parent=ROOT_INODE if number == ROOT_INODE else above,
    )


def name_of(record: ExtentRecord, ref: FragmentRef) -> str:
    """Return a fragment's name, spelled out."""
    return f"fragments/{record.extent_id // 1024:x}/{record.extent_id}.{ref.layout}.{ref.index}"


@contextmanager
def small_pool(folder: Path, disk_count: int = 6) -> Iterator[SmallPool]:
    """Yield a pool with *disk_count* empty disks, ids from 1."""
    with memory_pool(disk_count) as pool:
        small = SmallPool(pool, folder)
        try:
            yield small
        finally:
            small.close()


def table_rows(pool: SmallPool, table: str) -> list[tuple[object, ...]]:
    """Return all rows of a table, the open group's included."""
    return list(pool.store.connection.execute(f"SELECT * FROM {table}"))


__all__ = ["RS", "SmallPool", "inode", "name_of", "pattern", "small_pool", "table_rows"]
