"""Make a pool: labels on its disks, the first root on their journals."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from engine.clock import Clock, SystemClock
from engine.device.directory import DirectoryDevice
from engine.device.names import FOLDERS, LABEL_NAME
from engine.errors import DamagedRecordError, DeviceError, PoolError, UsageError
from engine.format.label import decode_label
from engine.ids import NO_MAP, ROOT_INODE, DiskId, DiskUuid, Epoch, Generation, PoolUuid
from engine.limits import DISKS_MAX
from engine.metadata.commit import Committer
from engine.metadata.database import create_database
from engine.metadata.disks import DirectDisks
from engine.metadata.files import DATABASE_NAME
from engine.metadata.journals import JournalShipper
from engine.metadata.replay import Head
from engine.metadata.schema import SCHEMA_VERSION
from engine.metadata.store import MetadataStore
from engine.metadata.tables import Tables
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.inode import Inode
from engine.model.label import DiskLabel
from engine.model.root import HighWater, RootRecord
from engine.policy.journal_set import choose_journal_set
from engine.policy.placement import check_policy
from engine.pool.config import (
    CONFIG_NAME,
    DiskPath,
    PoolConfig,
    make_directory,
    save_config,
)
from engine.pool.devices import DiskOpener, shared_devices
from engine.pool.joining import make_disk, undo_disk
from engine.pool.ownership import PoolLock
from engine.pool.properties import PoolProperties, store_properties
from engine.pool.reserve import fill_reserve

FIRST_EPOCH = Epoch(1)
_FIRST_ROOT_S_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlan:
    """A directory that becomes a disk of a new pool."""

    path: str
    tier: Tier


def create_pool(
    pool_dir: Path,
    *,
    name: str,
    disks: list[DiskPlan],
    properties: PoolProperties,
    clock: Clock | None = None,
) -> list[str]:
    """Make a pool in *pool_dir* over *disks*; return warnings.

    Nothing is left behind when it is refused or fails.

    Raises:
        PoolError, PolicyError, UsageError, DeviceError: one sentence why not.
    """
    opener = DiskOpener()
    plans = [DiskPlan(path=opener.find_directory(plan.path), tier=plan.tier) for plan in disks]
    _check_request(pool_dir, name, plans)
    check_policy(properties.redundancy, len(plans))
    for plan in plans:
        opener.ask(plan.path, partial(refuse_labelled, plan.path))
    warnings = shared_devices([plan.path for plan in plans])
    is_new = not pool_dir.exists()
    make_directory(pool_dir)
    lock = PoolLock(pool_dir)
    creation = _Creation(pool_dir, name, plans, properties, clock or SystemClock(), opener)
    try:
        creation.run()
    except BaseException:
        creation.undo(remove_directory=is_new)
        raise
    finally:
        lock.release()
    return warnings


def refuse_labelled(path: str) -> None:
    """Raise PoolError when the directory at *path* is a disk of some pool."""
    label_path = Path(path) / LABEL_NAME
    if not label_path.exists():
        _refuse_foreign_folders(Path(path))
        return
    try:
        label = decode_label(label_path.read_bytes())
    except DamagedRecordError as error:
        raise PoolError(f"{path} carries a damaged label: {error}") from error
    raise PoolError(
        f"{path} is disk {label.disk_name} of pool {label.pool_name} ({label.pool_uuid}) already"
    )


def _refuse_foreign_folders(path: Path) -> None:
    """A folder of a disk's name with something in it is somebody's data."""
    for folder in FOLDERS:
        inside = path / folder
        if inside.exists() and (not inside.is_dir() or any(inside.iterdir())):
            raise PoolError(f"{inside} exists and is not empty: give the disk another directory")


def _check_request(pool_dir: Path, name: str, plans: list[DiskPlan]) -> None:
    if not name or len(name.encode()) > 64 or not name.isprintable():
        raise UsageError("a pool's name has 1 to 64 printable bytes")
    if (pool_dir / CONFIG_NAME).exists() or (pool_dir / DATABASE_NAME).exists():
        raise PoolError(f"{pool_dir} holds a pool already")
    if pool_dir.exists() and not pool_dir.is_dir():
        raise PoolError(f"{pool_dir} is no directory")
    if pool_dir.exists() and any(pool_dir.iterdir()):
        raise PoolError(f"{pool_dir} is not empty: choose a directory of its own for the pool")
    paths = [plan.path for plan in plans]
    for path in paths:
        if paths.count(path) > 1:
            raise PoolError(f"{path} is given twice")
        if os.path.realpath(pool_dir) == path:
            raise PoolError(f"{path} is the pool directory: a disk needs one of its own")
    if len(plans) > DISKS_MAX:
        raise UsageError(f"a pool has at most {DISKS_MAX} disks")


class _Creation:
    """One creation in progress, and how to take it back."""

    def __init__(
        self,
        pool_dir: Path,
        name: str,
        plans: list[DiskPlan],
        properties: PoolProperties,
        clock: Clock,
        opener: DiskOpener,
    ) -> None:
        self._opener = opener
        self._pool_dir = pool_dir
        self._name = name
        self._properties = properties
        self._clock = clock
        self._uuid = PoolUuid(uuid4())
        self._records = [
            DiskRecord(
                disk_id=DiskId(number),
                uuid=DiskUuid(uuid4()),
                name=f"d{number}",
                path=plan.path,
                tier=plan.tier,
                state=DiskState.HEALTHY,
                added_generation=Generation(1),
            )
            for number, plan in enumerate(plans, 1)
        ]
        self._devices: dict[DiskUuid, DirectoryDevice] = {}

    def run(self) -> None:
        """Label the disks, write the first root, and last the configuration."""
        uuids = [record.uuid for record in self._records]
        journal_set = choose_journal_set(
            self._records, present=uuids, current=(), tolerance=self._properties.tolerance
        )
        for record in self._records:
            self._label(record, journal_set)
        self._write_first_root(journal_set)
        fill_reserve(self._pool_dir)
        for device in self._devices.values():
            device.close()
        # Last, so that a pool directory with a configuration is a whole pool.
        save_config(
            self._pool_dir,
            PoolConfig(
                name=self._name,
                uuid=self._uuid,
                disks=tuple(
                    DiskPath(name=one.name, uuid=one.uuid, path=one.path) for one in self._records
                ),
            ),
        )

    def _label(self, record: DiskRecord, journal_set: tuple[DiskUuid, ...]) -> None:
        label = DiskLabel(
            pool_uuid=self._uuid,
            pool_name=self._name,
            disk_uuid=record.uuid,
            disk_name=record.name,
            tier=record.tier,
            epoch=FIRST_EPOCH,
            journal_set=journal_set,
        )
        path = record.path
        self._devices[record.uuid] = self._opener.ask(
            path, partial(make_disk, path, label), let_go=partial(undo_disk, path)
        )

    def _write_first_root(self, journal_set: tuple[DiskUuid, ...]) -> None:
        template = RootRecord(
            pool_uuid=self._uuid,
            pool_name=self._name,
            generation=Generation(0),
            epoch=FIRST_EPOCH,
            time_ns=self._clock.now_ns(),
            tolerance=self._properties.tolerance,
            members=tuple(record.uuid for record in self._records),
            journal_set=journal_set,
            schema_version=SCHEMA_VERSION,
            high_water=HighWater(disk=len(self._records) + 1),
            row_count=0,
            previous_hash=bytes(32),
            changeset=b"",
            staged=b"",
        )
        connection = create_database(self._pool_dir / DATABASE_NAME)
        store = MetadataStore(connection, template=template, clock=self._clock)
        shipper = JournalShipper(
            DirectDisks(self._devices),
            tolerance=template.tolerance,
            journal_set=journal_set,
            acknowledged=Generation(0),
            on_event=lambda _severity, _text: None,
            clock=self._clock,
        )
        try:
            store.start(
                Head(
                    generation=Generation(0),
                    epoch=FIRST_EPOCH,
                    root_hash=bytes(32),
                    header=template,
                )
            )
            self._fill(store)
            committer = Committer(store, shipper, on_commit=lambda _closed: None)
            committer.make_safe(store.open_generation, _FIRST_ROOT_S_MAX)
        finally:
            shipper.close(1.0)
            store.close()

    def _fill(self, store: MetadataStore) -> None:
        """Put in what every pool has: its root directory, disks and properties."""
        tables = Tables(store)
        now = self._clock.now_ns()
        with store.operation():
            tables.inodes.insert(
                Inode(
                    inode_id=ROOT_INODE,
                    mode=stat.S_IFDIR | 0o755,
                    uid=os.getuid(),
                    gid=os.getgid(),
                    nlink=2,
                    size=0,
                    rdev=0,
                    atime_ns=now,
                    mtime_ns=now,
                    ctime_ns=now,
                    map_id=NO_MAP,
                    parent=ROOT_INODE,
                )
            )
            for record in self._records:
                tables.members.insert(record)
            store_properties(tables.members, replace(self._properties, created_ns=now))

    def undo(self, *, remove_directory: bool) -> None:
        """Remove what was made; the disks were empty of labels before."""
        for record in self._records:
            device = self._devices.get(record.uuid)
            if device is not None:
                with suppress(DeviceError):  # One that hangs now keeps what it has.
                    self._opener.ask(record.path, partial(undo_disk, record.path, device))
        for path in self._pool_dir.iterdir():
            path.unlink()
        if remove_directory:
            self._pool_dir.rmdir()
