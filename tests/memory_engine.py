"""A whole engine over disks in memory, which can crash and come back.

The pool directory is a real one; ``crash`` throws it away, so what is there
afterwards came from the journals and fragments of the disks alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import UUID

from engine.clock import Clock, SystemClock
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.format.label import encode_label
from engine.ids import NO_MAP, ROOT_INODE, DiskId, DiskUuid, Epoch, Generation, PoolUuid
from engine.metadata.commit import Committer
from engine.metadata.database import create_database
from engine.metadata.disks import DirectDisks
from engine.metadata.importing import import_pool
from engine.metadata.journals import JournalShipper
from engine.metadata.recovery import OpenMode
from engine.metadata.replay import Head
from engine.metadata.schema import SCHEMA_VERSION
from engine.metadata.store import MetadataStore
from engine.metadata.tables import Tables
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.inode import Inode
from engine.model.label import DiskLabel
from engine.model.redundancy import ErasureCoding
from engine.model.root import HighWater, RootRecord
from engine.policy.journal_set import choose_journal_set
from engine.pool.assembly import Engine
from engine.pool.config import DiskPath, PoolConfig
from engine.pool.devices import OpenedDisk
from engine.pool.opening import open_on
from engine.pool.properties import PoolProperties, store_properties
from engine.vfs.filesystem import EngineFileSystem

POOL = PoolUuid(UUID(int=7))
FIRST = PoolProperties(redundancy=ErasureCoding(2, 2))


class MemoryEngine:
    """Five disks in memory, 2+2, and the engine over them while it is open."""

    def __init__(
        self,
        folder: Path,
        *,
        disk_count: int = 5,
        lands_itself: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """With *lands_itself* off, builders land only by ``land_one``."""
        self._clock = clock or SystemClock()
        self._folder = folder
        self._lands_itself = lands_itself
        self._lives = 0
        self._records = [
            DiskRecord(
                disk_id=DiskId(number),
                uuid=DiskUuid(UUID(int=1000 + number)),
                name=f"d{number}",
                path=f"/memory/{number}",
                tier=Tier.HOT,
                state=DiskState.HEALTHY,
                added_generation=Generation(1),
            )
            for number in range(1, disk_count + 1)
        ]
        self.devices = {record.uuid: MemoryDevice() for record in self._records}
        self.missing: set[DiskUuid] = set()
        self._pool_dir = self._new_pool_dir()
        self._create()
        self.engine = self._open()

    @property
    def filesystem(self) -> EngineFileSystem:
        return self.engine.filesystem

    @property
    def uuids(self) -> list[DiskUuid]:
        return list(self.devices)

    def _new_pool_dir(self) -> Path:
        self._lives += 1
        folder = self._folder / f"pool-{self._lives}"
        folder.mkdir()
        return folder

    def _create(self) -> None:
        tolerance = FIRST.tolerance
        journal_set = choose_journal_set(
            self._records, present=self.uuids, current=(), tolerance=tolerance
        )
        for record in self._records:
            label = DiskLabel(
                pool_uuid=POOL,
                pool_name="tank",
                disk_uuid=record.uuid,
                disk_name=record.name,
                tier=record.tier,
                epoch=Epoch(1),
                journal_set=journal_set,
            )
            self.devices[record.uuid].set_label(encode_label(label))
        template = RootRecord(
            pool_uuid=POOL,
            pool_name="tank",
            generation=Generation(0),
            epoch=Epoch(1),
            time_ns=0,
            tolerance=tolerance,
            members=tuple(self.uuids),
            journal_set=journal_set,
            schema_version=SCHEMA_VERSION,
            high_water=HighWater(disk=len(self._records) + 1),
            row_count=0,
            previous_hash=bytes(32),
            changeset=b"",
            staged=b"",
        )
        self._write_first_root(template)

    def _write_first_root(self, template: RootRecord) -> None:
        clock = SystemClock()
        connection = create_database(self._pool_dir / "metadata.db")
        store = MetadataStore(connection, template=template, clock=clock)
        shipper = JournalShipper(
            DirectDisks(self.devices),
            tolerance=template.tolerance,
            journal_set=template.journal_set,
            acknowledged=Generation(0),
            on_event=lambda severity, text: None,
            clock=clock,
        )
        store.start(
            Head(generation=Generation(0), epoch=Epoch(1), root_hash=bytes(32), header=template)
        )
        tables = Tables(store)
        with store.operation():
            tables.inodes.insert(
                Inode(
                    inode_id=ROOT_INODE,
                    mode=0o40755,
                    uid=0,
                    gid=0,
                    nlink=2,
                    size=0,
                    rdev=0,
                    atime_ns=0,
                    mtime_ns=0,
                    ctime_ns=0,
                    map_id=NO_MAP,
                    parent=ROOT_INODE,
                )  # fmt: skip
            )
            for record in self._records:
                tables.members.insert(record)
            store_properties(tables.members, FIRST)
        Committer(store, shipper, on_commit=lambda closed: None).make_safe(
            store.open_generation, 10.0
        )
        shipper.close(1.0)
        store.close()

    # Life

    def _open(self) -> Engine:
        opened: dict[DiskUuid, OpenedDisk] = {}
        for uuid, device in self.devices.items():
            there = uuid not in self.missing
            reached = self._reach(device) if there else None
            opened[uuid] = OpenedDisk(reached, "" if there else "taken away")
        config = PoolConfig(
            name="tank",
            uuid=POOL,
            disks=tuple(
                DiskPath(name=one.name, uuid=one.uuid, path=one.path) for one in self._records
            ),
        )
        engine, _ = open_on(
            self._pool_dir,
            config,
            opened,
            OpenMode.READ_WRITE,
            self._clock,
            lambda *found: None,
        )
        engine.measure_space()
        for inode_id in engine.base.tables.inodes.orphans(1000):
            engine.tree.end_orphan(inode_id)
        if self._lands_itself:
            engine.landing.start()
        return engine

    def _reach(self, device: MemoryDevice) -> Device:
        """Return what the engine is to use *device* through; a subclass may put faults between."""
        return device

    def land_one(self) -> None:
        """Write and land the oldest frozen builder, as a landing thread does."""
        landing = self.engine.landing
        with self.engine.base.store.lock:
            extent = landing._claim()
        assert extent is not None
        landing._write(extent)
        landing._land_ready()

    def freeze(self) -> None:
        """End the open builder, as its age does."""
        with self.engine.base.store.lock:
            self.engine.pending.freeze_open()

    def commit(self) -> None:
        """Commit the open group and wait until it is acknowledged."""
        self.engine.make_safe(self.engine.base.store.open_generation, 10.0)

    def close(self) -> None:
        """Make everything safe and close, as a pool does."""
        while not self._lands_itself and self._something_is_pending():
            self.land_one()
        if not self.engine.refusal():
            self.engine.syncer.sync_all()
        self._let_go(shipper_s=10.0)

    def _something_is_pending(self) -> bool:
        with self.engine.base.store.lock:
            return bool(self.engine.pending.seal_all()) and not self.engine.refusal()

    def _let_go(self, *, shipper_s: float) -> None:
        engine = self.engine
        engine.filesystem.close()
        engine.landing.close(10.0)
        assert engine.base.shipper is not None
        engine.base.shipper.close(shipper_s)
        engine.readers.close()
        engine.base.store.close()
        engine.base.disks.close()

    def remount(self) -> None:
        """Close and open again."""
        self.close()
        self.reopen()

    def reopen(self) -> None:
        """Open what was closed, on the disks that are there now."""
        for device in self.devices.values():
            device.lose_power()
        self.engine = self._open()

    def crash(self) -> None:
        """Lose the process, the pool directory and what no disk made durable."""
        for device in self.devices.values():
            device.go_away()
        self.engine.base.store.stop("the machine crashed")
        self._let_go(shipper_s=0.1)
        for uuid, device in self.devices.items():
            device.lose_power()
            if uuid not in self.missing:
                device.come_back()
        shutil.rmtree(self._pool_dir)
        self._pool_dir = self._new_pool_dir()
        reachable: dict[DiskUuid, Device] = {
            uuid: device for uuid, device in self.devices.items() if uuid not in self.missing
        }
        import_pool(reachable, self._pool_dir)
        self.engine = self._open()

    def lose_disks(self, *uuids: DiskUuid) -> None:
        """Take disks away while the engine runs."""
        for uuid in uuids:
            self.missing.add(uuid)
            self.devices[uuid].go_away()

    def bring_disks_back(self) -> None:
        """Let them answer again; they stay out until the next open."""
        for uuid in self.missing:
            self.devices[uuid].come_back()
        self.missing.clear()
