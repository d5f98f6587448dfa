"""Open a pool: lock, disks, metadata at the head, the new epoch (R1-R7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.clock import Clock
from engine.device.bounded import BoundedDevice
from engine.errors import EngineError, PoolError, QuorumError
from engine.ids import DiskUuid
from engine.metadata.database import open_database
from engine.metadata.journals import JournalShipper
from engine.metadata.members import MemberTable
from engine.metadata.recovery import OpenedMetadata, OpenMode, open_metadata
from engine.metadata.replay import read_head
from engine.metadata.store import MetadataStore
from engine.metadata.tables import Tables
from engine.model.root import RootRecord
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.pool.assembly import Engine, Foundations
from engine.pool.config import DiskPath, PoolConfig, load_config, with_disk_names
from engine.pool.devices import DiskOpener, OpenedDisk
from engine.pool.disk_set import DETACHED_REASON, CorruptionHook, DiskSet
from engine.pool.disk_statistics import STATISTICS_NAME, DiskStatistics
from engine.pool.event_keeper import open_event_log
from engine.pool.journal_reach import JournalReach
from engine.pool.ownership import PoolLock
from engine.pool.properties import load_properties
from engine.pool.reserve import fill_reserve

EPOCH_S_MAX = 60.0
"""How long an open waits until its epoch is acknowledged."""


@dataclass(frozen=True, slots=True)
class OpenedPool:
    """An engine at the head, and the lock that makes this process its owner."""

    engine: Engine
    lock: PoolLock
    journal_bytes: int
    """Root records on the journals behind the newest checkpoint."""


def open_pool(
    pool_dir: Path, *, mode: OpenMode, clock: Clock, on_corruption: CorruptionHook
) -> OpenedPool:
    """Open the pool in *pool_dir*.

    Raises:
        PoolBusyError: another process has it, or one of its disks.
        PoolError, QuorumError, SplitHistoryError: one sentence why not.
    """
    config = load_config(pool_dir)
    lock = PoolLock(pool_dir)
    opened: dict[DiskUuid, OpenedDisk] = {}
    try:
        opened |= DiskOpener().open_members(config.disks, pool=config.uuid)
        engine, journal_bytes = open_on(pool_dir, config, opened, mode, clock, on_corruption)
    except BaseException:
        for one in opened.values():
            if one.device is not None:
                one.device.close()
        lock.release()
        raise
    return OpenedPool(engine, lock, journal_bytes)


def open_on(
    pool_dir: Path,
    config: PoolConfig,
    opened: dict[DiskUuid, OpenedDisk],
    mode: OpenMode,
    clock: Clock,
    on_corruption: CorruptionHook,
) -> tuple[Engine, int]:
    """Open the pool on the disks in *opened*; the caller holds the lock of *pool_dir*.

    Returns the engine and how many bytes its journals hold behind the newest
    checkpoint. Raises as ``open_pool``.
    """
    events = open_event_log(pool_dir, clock)
    metrics = Metrics()
    devices = {
        uuid: BoundedDevice(one.device) for uuid, one in opened.items() if one.device is not None
    }
    if not devices:
        reasons = "; ".join(f"{disk.name}: {opened[disk.uuid].reason}" for disk in config.disks)
        raise PoolError(f"no disk of pool {config.name} is there ({reasons})")
    try:
        metadata = open_metadata(pool_dir, devices, mode=mode)
    finally:
        slow = _leave_bounds(devices, opened)
    for text in (*slow, *metadata.events):
        events.record(EventSeverity.WARNING, "open", with_disk_names(text, config.disks))
    disks = _make_disk_set(pool_dir, clock, metrics, events, on_corruption)
    connection = open_database(metadata.database)
    head = read_head(connection)
    assert head is not None
    store = MetadataStore(connection, template=head.header, clock=clock)
    tables = Tables(store)
    _take_disks_in(disks, tables.members, config, opened)
    shipper = first = None
    if mode is not OpenMode.READ_ONLY:
        store.start(head)
        first = _first_header(store.template, metadata, mode=mode)
        shipper = _start_shipping(pool_dir, first, disks, metadata, events, clock)
    foundations = Foundations(
        pool_dir=pool_dir,
        database=metadata.database,
        clock=clock,
        metrics=metrics,
        events=events,
        disks=disks,
        connection=connection,
        store=store,
        tables=tables,
        shipper=shipper,
    )
    engine = Engine(foundations, load_properties(tables.members))
    if shipper is None or first is None:
        store.stop("the pool is opened read-only")
        engine.read_only_reason = "the pool is opened read-only"
    else:
        _take_epoch(engine, first)
        if not fill_reserve(pool_dir):
            events.record(EventSeverity.WARNING, "pool", "no room for the pool directory's reserve")
    return engine, metadata.journal_bytes


def _make_disk_set(
    pool_dir: Path,
    clock: Clock,
    metrics: Metrics,
    events: EventLog,
    on_corruption: CorruptionHook,
) -> DiskSet:
    """Return an empty set of disks that knows what they did before, or says why it does not."""
    statistics = DiskStatistics(clock, pool_dir / STATISTICS_NAME)
    if statistics.trouble:
        events.record(EventSeverity.WARNING, "statistics", statistics.trouble)
    return DiskSet(
        clock=clock,
        metrics=metrics,
        events=events,
        on_corruption=on_corruption,
        statistics=statistics,
    )


def _leave_bounds(
    devices: Mapping[DiskUuid, BoundedDevice], opened: dict[DiskUuid, OpenedDisk]
) -> list[str]:
    """End the bounds of the opening; a disk that hung counts as one that is not there.

    A probe takes it in once it answers again. Returns what to tell: each that hung made
    the open wait for one call, wherever in it that was.
    """
    slow: list[str] = []
    for uuid, device in devices.items():
        if device.is_slow:
            slow.append(f"disk {uuid} did not answer while the pool was opened; it is waited for")
            device.close()
            opened[uuid] = OpenedDisk(None, "it did not answer while the pool was opened")
        else:
            device.let_go()
    return slow


def _take_disks_in(
    disks: DiskSet,
    members: MemberTable,
    config: PoolConfig,
    opened: dict[DiskUuid, OpenedDisk],
) -> None:
    """Put every member into *disks*, with its device or the reason why it has none."""
    paths = {disk.uuid: disk.path for disk in config.disks}
    records = members.disks()
    unnamed = [
        DiskPath(name=record.name, uuid=record.uuid, path=record.path)
        for record in records
        if record.uuid not in opened and not members.marks(record.disk_id).detached
    ]
    opened |= DiskOpener().open_members(unnamed, pool=config.uuid)
    for record in records:
        marks = members.marks(record.disk_id)
        if marks.detached:
            named = opened.get(record.uuid)
            if named is not None and named.device is not None:
                named.device.close()
            opened[record.uuid] = OpenedDisk(None, DETACHED_REASON)
        one = opened[record.uuid]
        path = paths.get(record.uuid, record.path)
        disks.add(replace(record, path=path), one.device, one.reason, marks)
    uuids = {record.uuid for record in records}
    for uuid, one in opened.items():
        if uuid not in uuids and one.device is not None:
            # A line of an addition that was not committed: not ours to hold.
            one.device.close()


def _first_header(template: RootRecord, metadata: OpenedMetadata, *, mode: OpenMode) -> RootRecord:
    """Return what the first root of this open says of itself (R7).

    A forced open goes on with the members of J that hold everything, so many as
    there are; that it was forced is remembered in the root (DESIGN 5).

    Raises:
        QuorumError: not even one member of J holds everything.
    """
    if mode is not OpenMode.FORCE:
        return replace(template, epoch=metadata.next_epoch, forced=False)
    holding = metadata.holding
    if not holding:
        raise QuorumError("no disk that carries the journals is there and whole")
    enough = len(holding) > template.tolerance
    return replace(
        template,
        epoch=metadata.next_epoch,
        forced=True,
        journal_set=template.journal_set if enough else holding,
        tolerance=template.tolerance if enough else len(holding) - 1,
    )


def _start_shipping(
    pool_dir: Path,
    header: RootRecord,
    disks: DiskSet,
    metadata: OpenedMetadata,
    events: EventLog,
    clock: Clock,
) -> JournalShipper:
    return JournalShipper(
        JournalReach(disks),
        tolerance=header.tolerance,
        journal_set=header.journal_set,
        acknowledged=header.generation,
        behind=dict.fromkeys(one for one in metadata.lagging if one in header.journal_set),
        on_event=partial(_note, disks, events),
        clock=clock,
        scratch=pool_dir,
    )


def _note(disks: DiskSet, events: EventLog, severity: EventSeverity, text: str) -> None:
    """Record what the journals say, with names of disks in place of UUIDs."""
    known = [
        DiskPath(name=one.record.name, uuid=one.record.uuid, path=one.record.path)
        for one in disks.presences()
    ]
    events.record(severity, "journals", with_disk_names(text, known))


def _take_epoch(engine: Engine, first: RootRecord) -> None:
    """Commit *first*, a root of the new epoch, before any operation (R7)."""
    store = engine.base.store
    with store.lock:
        store.take_header(first)
        generation = store.open_generation
    try:
        engine.make_safe(generation, EPOCH_S_MAX)
    except EngineError:
        assert engine.base.shipper is not None
        engine.base.shipper.close(0.0)
        store.close()
        engine.base.disks.close()
        raise
