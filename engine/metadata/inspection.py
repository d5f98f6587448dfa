"""Read and verify everything a member holds of the metadata: the part of a scrub.

An open reads the same records, but only then. Here rot is found while other
members still have what it took. Nothing is changed; damage is named.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from engine.device.protocol import Device, JournalEntry, JournalGap
from engine.errors import DamagedRecordError
from engine.format.checkpoint import check_checkpoint
from engine.format.label import decode_label
from engine.ids import DiskUuid, Generation
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.heeding import Heed
from engine.metadata.scan import summarize_entry
from engine.metadata.summaries import CHECKPOINT_FOLDER, RootSummary
from engine.units import MIB

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BATCH_ROOTS: Final = 128
BATCH_BYTES: Final = 4 * MIB
"""Records of one device call, and so in memory at once (P8)."""


class MetadataKind(StrEnum):
    """What of the metadata was found damaged."""

    LABEL = "label"
    JOURNAL = "journal"
    CHECKPOINT = "checkpoint"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyDamage:
    """Something on *disk* that is not what was written.

    ``after`` is of a journal: everything up to this generation is whole.
    """

    disk: DiskUuid
    kind: MetadataKind
    name: str
    cause: str
    after: Generation = Generation(0)


@dataclass(frozen=True, slots=True)
class Inspected:
    """One piece of an inspection: how much was read, what was wrong, what is whole."""

    checked: int
    damage: tuple[CopyDamage, ...] = ()
    whole_checkpoint: str = ""


class _RemoteFile(io.RawIOBase):
    """A stored name as a stream; each read is one bounded device call."""

    def __init__(self, disks: JournalDisks, disk: DiskUuid, name: str, heed: Heed) -> None:
        super().__init__()
        self._disks = disks
        self._disk = disk
        self._name = name
        self._heed = heed
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill *buffer* from the disk; 0 bytes mean the end."""
        self._heed()
        target = memoryview(buffer)
        name, offset = self._name, self._offset

        def read(device: Device) -> memoryview:
            return device.get(name, offset=offset, length=len(target))

        given = run_on(self._disks, self._disk, read)
        target[: len(given)] = given
        self._offset += len(given)
        return len(given)


class _JournalWalk:
    """Runs in a disk's thread, again and again: the next records."""

    def __init__(self, start: Generation) -> None:
        self._start = start
        self._events: Iterator[JournalEntry | JournalGap] | None = None

    def __call__(self, device: Device) -> list[JournalEntry]:
        if self._events is None:
            self._events = device.journal_list(self._start)
        batch: list[JournalEntry] = []
        size = 0
        for event in self._events:
            if isinstance(event, JournalEntry):
                batch.append(event)
                size += len(event.payload)
            if len(batch) >= BATCH_ROOTS or size >= BATCH_BYTES:
                break
        return batch


def inspect_label(disks: JournalDisks, disk: DiskUuid) -> Inspected:
    """Read the label of *disk*; DeviceError passes."""
    data = run_on(disks, disk, lambda device: device.get_label())
    cause = ""
    try:
        label = decode_label(data)
        if label.disk_uuid != disk:
            cause = f"it is the label of disk {label.disk_uuid}"
    except DamagedRecordError as error:
        cause = str(error)
    if not cause:
        return Inspected(1)
    return Inspected(
        1, (CopyDamage(disk=disk, kind=MetadataKind.LABEL, name="label", cause=cause),)
    )


def inspect_member(
    disks: JournalDisks, disk: DiskUuid, *, until: Generation, heed: Heed
) -> Iterator[Inspected]:
    """Read checkpoints and journal of *disk*, which is known to hold up to *until*.

    Yields after each checkpoint and each batch of records; DeviceError and
    what *heed* raises pass.
    """
    whole: list[Generation] = []
    stored = run_on(disks, disk, lambda device: list(device.list(CHECKPOINT_FOLDER)))
    for one in stored:
        generation = _generation_of(one.name)
        if generation is None:
            continue  # No checkpoint by its name; nobody would read it.
        found = _inspect_checkpoint(disks, disk, one.name, heed)
        if not found.damage:
            whole.append(generation)
        yield found
    yield from _inspect_journal(disks, disk, min(whole, default=Generation(0)), until, heed)


def _generation_of(name: str) -> Generation | None:
    """Return the generation in a checkpoint's *name*.

    >>> _generation_of("checkpoints/0000000000000012.0000000000000002")
    18
    """
    number = name.rpartition("/")[2].partition(".")[0]
    try:
        return Generation(int(number, 16)) if len(number) == 16 else None
    except ValueError:
        return None


def _inspect_checkpoint(disks: JournalDisks, disk: DiskUuid, name: str, heed: Heed) -> Inspected:
    # BufferedReader is a BinaryIO in all but its declared bases.
    source = cast(BinaryIO, io.BufferedReader(_RemoteFile(disks, disk, name, heed), MIB))
    try:
        check_checkpoint(source)
    except DamagedRecordError as error:
        damage = CopyDamage(disk=disk, kind=MetadataKind.CHECKPOINT, name=name, cause=str(error))
        return Inspected(1, (damage,))
    return Inspected(1, whole_checkpoint=name)


def _inspect_journal(
    disks: JournalDisks, disk: DiskUuid, base: Generation, until: Generation, heed: Heed
) -> Iterator[Inspected]:
    """Follow the chain of records behind *base* to *until*, told record by record."""
    walk = _JournalWalk(Generation(base + 1))
    last, last_hash = base, b""
    broken: list[CopyDamage] = []

    def note(end: Generation, cause: str) -> None:
        first = last + 1
        name = f"journal record {first}" if first == end else f"journal records {first} to {end}"
        broken.append(
            CopyDamage(disk=disk, kind=MetadataKind.JOURNAL, name=name, cause=cause, after=last)
        )

    while True:
        heed()
        entries = run_on(disks, disk, walk)
        for entry in entries:
            root = _summary(entry)
            if root is None:
                continue  # As good as not there: told with the next one that is.
            if root.generation > last + 1:
                note(Generation(root.generation - 1), "unreadable or not there")
            elif last_hash and root.header.previous_hash != last_hash:
                note(root.generation, "it does not follow the record before it")
            last, last_hash = root.generation, root.root_hash
        if not entries:
            break
        yield Inspected(len(entries))
    if last < until:
        note(until, "unreadable or not there")
    yield Inspected(0, tuple(broken))


def _summary(entry: JournalEntry) -> RootSummary | None:
    try:
        return summarize_entry(entry)
    except DamagedRecordError:
        return None
