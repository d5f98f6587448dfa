"""Read what the disks and the pool directory hold, changing nothing.

Every record is decoded and checked once; only its summary is kept, so memory
grows with the number of roots since the older checkpoint, not with the pool.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import apsw

from engine.device.protocol import Device, JournalEntry, JournalGap
from engine.errors import DamagedDatabaseError, DamagedRecordError, DeviceError
from engine.format.checkpoint import read_checkpoint_head
from engine.format.label import decode_label
from engine.format.root import decode_root_header, root_hash
from engine.ids import DiskUuid, Generation
from engine.metadata.database import open_database
from engine.metadata.files import companions, damage_mark
from engine.metadata.replay import read_head
from engine.metadata.summaries import (
    CHECKPOINT_FOLDER,
    CheckpointSummary,
    DiskScan,
    LocalState,
    RootSummary,
)
from engine.model.label import DiskLabel
from engine.units import MIB

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_READ_BYTES: Final = MIB


class StoredFile(io.RawIOBase):
    """A stored name as a readable stream. DeviceError passes through."""

    def __init__(self, device: Device, name: str) -> None:
        super().__init__()
        self._device = device
        self._name = name
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill *buffer* from the device; 0 bytes mean the end."""
        target = memoryview(buffer)
        given = self._device.get(self._name, offset=self._offset, length=len(target))
        target[: len(given)] = given
        self._offset += len(given)
        return len(given)


def open_stored(device: Device, name: str) -> BinaryIO:
    """Return *name* as a buffered stream of reads of 1 MiB."""
    # BufferedReader is a BinaryIO in all but its declared bases.
    return cast(BinaryIO, io.BufferedReader(StoredFile(device, name), _READ_BYTES))


def summarize(payload: bytes) -> RootSummary:
    """Check *payload* wholly and return its summary.

    Raises:
        DamagedRecordError: it is not an intact root record.
    """
    header = decode_root_header(payload)
    if not header.journal_set:
        raise DamagedRecordError(f"root {header.generation} names no journal disks")
    return RootSummary(header=header, root_hash=root_hash(payload), size_bytes=len(payload))


def summarize_entry(entry: JournalEntry) -> RootSummary:
    """Check that *entry* holds the root its frame names, and summarize it.

    Raises:
        DamagedRecordError: the payload is damaged, or another root.
    """
    root = summarize(entry.payload)
    if (root.generation, root.epoch) != (entry.generation, entry.epoch):
        raise DamagedRecordError(f"journal frame {entry.generation} holds {root}")
    return root


def scan_disk(disk: DiskUuid, device: Device) -> DiskScan:
    """Return what *device* holds; what cannot be read is named, never raised."""
    label: DiskLabel | None = None
    try:
        label = decode_label(device.get_label())
        if label.disk_uuid != disk:
            return DiskScan(disk=disk, label=label, damage=f"the label is of {label.disk_uuid}")
        roots, gaps = _scan_journal(device)
        unreadable: list[str] = []
        checkpoints = tuple(scan_checkpoints(device, unreadable.append))
    except (DeviceError, DamagedRecordError) as error:
        return DiskScan(disk=disk, label=label, damage=str(error) or type(error).__name__)
    return DiskScan(
        disk=disk,
        label=label,
        checkpoints=checkpoints,
        roots=roots,
        gaps=gaps,
        unreadable=tuple(unreadable),
    )


def scan_disks(devices: Mapping[DiskUuid, Device]) -> list[DiskScan]:
    """Return what each of *devices* holds, in order; all are asked at once.

    So however many of them hang, the wait is one.
    """
    if not devices:
        return []
    with ThreadPoolExecutor(len(devices), thread_name_prefix="disk-scan") as threads:
        started = [threads.submit(scan_disk, *item) for item in sorted(devices.items())]
    return [one.result() for one in started]


def _scan_journal(device: Device) -> tuple[tuple[RootSummary, ...], tuple[Generation, ...]]:
    roots: list[RootSummary] = []
    gaps: list[Generation] = []
    for entry in device.journal_list(Generation(1)):
        if isinstance(entry, JournalGap):
            gaps.append(entry.after)
            continue
        try:
            roots.append(summarize_entry(entry))
        except DamagedRecordError:
            # A sound frame around a bad record is rot all the same: another
            # member may hold this generation intact.
            gaps.append(Generation(entry.generation - 1))
    return tuple(roots), tuple(gaps)


def scan_checkpoints(
    device: Device, on_damage: Callable[[str], None] = lambda _text: None
) -> Iterator[CheckpointSummary]:
    """Yield the checkpoints of *device* whose head is intact; DeviceError passes.

    *on_damage* hears of each other one: its name, and what is wrong with it.
    """
    for stored in device.list(CHECKPOINT_FOLDER):
        try:
            header, head_hash = read_checkpoint_head(open_stored(device, stored.name))
        except DamagedRecordError as error:
            # Another disk's copy, the older one or the journals serve.
            on_damage(f"{stored.name}: {error}")
            continue
        yield CheckpointSummary(
            name=stored.name,
            root=RootSummary(header=header, root_hash=head_hash, size_bytes=0),
            length_bytes=stored.length_bytes,
        )


def scan_local(path: Path) -> LocalState:
    """Return the newest group and the outbox of the database at *path*.

    Damage is named, not raised. The database is not changed.
    """
    if not path.exists():
        return LocalState()
    if marked := damage_mark(path):
        return LocalState(damage=f"metadata database: {marked}")
    for file in companions(path):
        # SQLite goes on without its index of the log, and then cannot write.
        if os.path.lexists(file) and not file.is_file():
            return LocalState(damage=f"metadata database: {file.name} is not a file")
    try:
        # Before SQLite has it open: closing a file ends the locks of the whole process on it.
        if path.is_file():
            _read_through(path)
        connection = open_database(path)
    except OSError as error:
        return LocalState(damage=f"metadata database: {error}")
    except DamagedDatabaseError as error:
        return LocalState(damage=str(error))
    try:
        _check_pages(connection)
        return _local_state(connection)
    except (DamagedDatabaseError, DamagedRecordError, apsw.Error) as error:
        return LocalState(damage=f"metadata database: {error}")
    finally:
        connection.close()


def _read_through(path: Path) -> None:
    """Bring the file into the kernel's cache: the check reads pages in the order of its trees.

    From a cold cache the check took 2.5 s with a million files, and 0.6 s with this.
    """
    piece = bytearray(_READ_BYTES)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


def _check_pages(connection: apsw.Connection) -> None:
    """Read every page once: rot is found while the journals can mend it (R6).

    Some 8 ms with 30,000 files. Raises DamagedDatabaseError or apsw.Error.
    """
    found = connection.execute("PRAGMA quick_check(1)").get
    if found != "ok":
        raise DamagedDatabaseError(f"metadata database: {found}")


def _local_state(connection: apsw.Connection) -> LocalState:
    head = read_head(connection)
    if head is None:
        return LocalState()
    roots = tuple(
        summarize(record)
        for (record,) in connection.execute("SELECT record FROM outbox ORDER BY generation")
    )
    for before, after in zip(roots, roots[1:], strict=False):
        if after.header.previous_hash != before.root_hash:
            raise DamagedDatabaseError(f"the outbox breaks off at generation {before.generation}")
    # Behind the outbox there may be roots that were replayed from the disks.
    if roots and (
        roots[-1].generation > head.generation
        or (roots[-1].generation == head.generation and roots[-1].root_hash != head.root_hash)
    ):
        raise DamagedDatabaseError("the outbox does not end at the newest group")
    summary = RootSummary(header=head.header, root_hash=head.root_hash, size_bytes=0)
    return LocalState(head=summary, roots=roots)
