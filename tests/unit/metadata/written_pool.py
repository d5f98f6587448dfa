"""A tiny pool for tests: real groups written by real sessions, memory disks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import apsw

from engine.device.lanes import DiskLanes, Lane
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import DeviceGoneError
from engine.format.label import encode_label
from engine.format.root import encode_root, root_hash
from engine.ids import DiskUuid, Epoch, Generation, PoolUuid
from engine.metadata.database import create_database, open_database
from engine.metadata.journals import ShippedRoot
from engine.metadata.replay import read_head, write_head
from engine.metadata.schema import SCHEMA_VERSION, TRACKED_TABLES
from engine.model.disk import Tier
from engine.model.label import DiskLabel
from engine.model.root import HighWater, RootRecord

T = TypeVar("T")

POOL = PoolUuid(UUID(int=1))
A, B, C, D, E = (DiskUuid(UUID(int=100 + number)) for number in range(5))
ABC = (A, B, C)


def first_template(journal_set: tuple[DiskUuid, ...] = ABC, *, tolerance: int = 1) -> RootRecord:
    """Return what the first root of the pool is made from."""
    return RootRecord(
        pool_uuid=POOL,
        pool_name="tank",
        generation=Generation(0),
        epoch=Epoch(1),
        time_ns=1_700_000_000_000_000_000,
        tolerance=tolerance,
        members=journal_set,
        journal_set=journal_set,
        schema_version=SCHEMA_VERSION,
        high_water=HighWater(),
        row_count=0,
        previous_hash=bytes(32),
        changeset=b"",
        staged=b"",
    )


def next_root(
    connection: apsw.Connection,
    changes: Callable[[apsw.Connection], None],
    *,
    template: RootRecord | None = None,
    epoch: int | None = None,
    journal_set: tuple[DiskUuid, ...] | None = None,
    forced: bool = False,  # noqa: FBT001, FBT002
    tolerance: int | None = None,
) -> RootRecord:
    """Commit *changes* as one group with its outbox row; return its record."""
    head = read_head(connection)
    before = head.header if head is not None else (template or first_template())
    connection.execute("BEGIN IMMEDIATE")
    session = apsw.Session(connection, "main")
    for table in TRACKED_TABLES:
        session.attach(table)
    changes(connection)
    changeset = session.changeset()
    session.close()
    record = replace(
        before,
        generation=Generation(before.generation + 1),
        epoch=Epoch(epoch if epoch is not None else before.epoch),
        time_ns=before.time_ns + 1_000_000_000,
        journal_set=journal_set or before.journal_set,
        tolerance=before.tolerance if tolerance is None else tolerance,
        row_count=sum(1 for _ in apsw.Changeset.iter(changeset)) if changeset else 0,
        previous_hash=head.root_hash if head is not None else bytes(32),
        changeset=changeset,
        forced=forced,
    )
    encoded = encode_root(record)
    write_head(connection, record, root_hash(encoded))
    connection.execute("INSERT INTO outbox VALUES (?, ?)", (record.generation, encoded))
    connection.execute("COMMIT")
    return record


def naming(name: str, value: str) -> Callable[[apsw.Connection], None]:
    """Return a change that adds the property *name*."""

    def change(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO property VALUES (?, ?)", (name, value))

    return change


def shipped(record: RootRecord) -> ShippedRoot:
    """Return *record* ready for the shipper."""
    return ShippedRoot(
        generation=record.generation,
        epoch=record.epoch,
        encoded=encode_root(record),
        journal_set=record.journal_set,
        tolerance=record.tolerance,
    )


def put(device: Device, record: RootRecord) -> None:
    """Append *record* to the journal of *device*."""
    device.journal_put(record.generation, record.epoch, encode_root(record))


def labelled(
    disk: DiskUuid, *, journal_set: tuple[DiskUuid, ...] = ABC, epoch: int = 1
) -> MemoryDevice:
    """Return a new memory disk with its label."""
    device = MemoryDevice()
    device.set_label(
        encode_label(
            DiskLabel(
                pool_uuid=POOL,
                pool_name="tank",
                disk_uuid=disk,
                disk_name=f"d{disk.int - 100}",
                tier=Tier.HOT,
                epoch=Epoch(epoch),
                journal_set=journal_set,
            )
        )
    )
    return device


class WrittenPool:
    """A pool directory and its disks, written group by group."""

    def __init__(
        self,
        folder: Path,
        disks: Sequence[DiskUuid] = ABC,
        *,
        journal_set: tuple[DiskUuid, ...] | None = None,
        tolerance: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.database = folder / "metadata.db"
        self.template = first_template(journal_set or tuple(disks), tolerance=tolerance)
        self.devices = {
            disk: labelled(disk, journal_set=self.template.journal_set) for disk in disks
        }
        self.records: list[RootRecord] = []
        create_database(self.database).close()

    def write(
        self,
        *to: DiskUuid,
        epoch: int | None = None,
        forced: bool = False,
        journal_set: tuple[DiskUuid, ...] | None = None,
        change: Callable[[apsw.Connection], None] | None = None,
    ) -> RootRecord:
        """Commit one group and put it on the disks *to*, all when none is named."""
        connection = open_database(self.database)
        number = len(self.records) + 1
        record = next_root(
            connection,
            change or naming(f"p{number}", f"of {self.folder.name}"),
            template=self.template,
            epoch=epoch,
            journal_set=journal_set,
            forced=forced,
        )
        connection.close()
        self.records.append(record)
        for disk in to or self.devices:
            put(self.devices[disk], record)
        return record

    def write_many(self, count: int, *to: DiskUuid) -> None:
        """Commit *count* groups."""
        for _ in range(count):
            self.write(*to)

    def only(self, *disks: DiskUuid) -> Mapping[DiskUuid, MemoryDevice]:
        """Return these of the devices, as if the others were missing."""
        return {disk: self.devices[disk] for disk in disks}


def properties(database: Path) -> dict[str, str]:
    """Return the properties in *database*."""
    connection = open_database(database)
    try:
        return dict(connection.execute("SELECT name, value FROM property"))
    finally:
        connection.close()


def journal_of(device: Device) -> list[int]:
    """Return the generations in the journal of *device*."""
    return [entry.generation for entry in device.journal_list(Generation(1))]  # type: ignore[union-attr]


class LaneDisks:
    """Memory disks behind the lanes of a real pool."""

    def __init__(self, devices: Mapping[DiskUuid, Device]) -> None:
        self.lanes = {
            disk: DiskLanes(device, on_slow=lambda: None) for disk, device in devices.items()
        }
        self.gone: set[DiskUuid] = set()

    def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
        if disk in self.gone or disk not in self.lanes:
            raise DeviceGoneError(f"disk {disk} is not reachable")
        return self.lanes[disk].submit(Lane.FOREGROUND, call)

    def wait(self, future: Future[T]) -> T:
        return future.result(5)

    def reachable(self) -> Sequence[DiskUuid]:
        return [disk for disk in self.lanes if disk not in self.gone]

    def close(self) -> None:
        for lanes in self.lanes.values():
            lanes.close(0.5)


@contextmanager
def lane_disks(devices: Mapping[DiskUuid, Device]) -> Iterator[LaneDisks]:
    """Yield lanes over *devices* and end their threads."""
    disks = LaneDisks(devices)
    try:
        yield disks
    finally:
        disks.close()
