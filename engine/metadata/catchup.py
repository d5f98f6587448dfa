"""Copy checkpoint and journal from one member to another, through their queues."""

from __future__ import annotations

import mmap
import tempfile
from itertools import islice
from pathlib import Path
from typing import IO, Final

from engine.device.protocol import Device, JournalEntry
from engine.errors import DamagedRecordError, DeviceFailedError
from engine.ids import DiskUuid, Generation
from engine.limits import GROUP_BYTES_MAX
from engine.metadata.containers import store_checkpoint
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.scan import scan_checkpoints, scan_disk
from engine.metadata.scratch import ScratchError, require_room
from engine.metadata.summaries import DiskScan
from engine.units import MIB

_BATCH_ROOTS: Final = 64
_COPY_BYTES: Final = MIB


def find_common(disks: JournalDisks, target: DiskUuid, source: DiskUuid) -> Generation | None:
    """Return up to where *target* holds what *source* holds, None without a base.

    What lies behind it on *target* is stale, or unknown.

    Raises:
        DamagedRecordError: one of them is unreadable.
        DeviceError: as the disks say.
    """
    theirs = _scan(disks, source)
    ours = _scan(disks, target)
    chain = {root.generation: root.root_hash for root in theirs.roots}
    chain |= {point.root.generation: point.root.root_hash for point in theirs.checkpoints}
    held = {root.generation for root in ours.roots if chain.get(root.generation) == root.root_hash}
    bases = [
        point.root.generation
        for point in ours.checkpoints
        if chain.get(point.root.generation) == point.root.root_hash
    ]
    if not bases and not held and (theirs.checkpoints or not chain):
        return None  # A checkpoint to begin with beats every root since the first.
    if not bases and min(chain, default=2) > 1:
        return None
    last = max(bases, default=Generation(0))
    while last + 1 in held:
        last = Generation(last + 1)
    # The source must be able to go on from there.
    if last < max(chain, default=Generation(0)) and Generation(last + 1) not in chain:
        return None
    return last


def holds_record(device: Device, generation: Generation) -> bool:
    """Whether the journal of *device* has a readable root *generation*."""
    first = next(iter(device.journal_list(generation)), None)
    return isinstance(first, JournalEntry) and first.generation == generation


def copy_base(
    disks: JournalDisks, target: DiskUuid, source: DiskUuid, *, scratch: Path | None
) -> Generation:
    """Copy the newest checkpoint of *source*; return its generation, 0 without one.

    Raises:
        DeviceError, DamagedRecordError: as the disks say.
    """
    found = _scan(disks, source)
    if not found.checkpoints:
        if found.roots and found.roots[0].generation > 1:
            raise DamagedRecordError(f"disk {source} has no checkpoint to begin with")
        return Generation(0)
    newest = max(found.checkpoints, key=lambda point: point.root.generation)
    copy_checkpoint(disks, target, source, newest.name, scratch=scratch)
    return newest.root.generation


def copy_checkpoint(
    disks: JournalDisks, target: DiskUuid, source: DiskUuid, name: str, *, scratch: Path | None
) -> None:
    """Copy the checkpoint *name*; what *target* has under the name goes aside if it differs.

    Raises:
        DeviceError: as the disks say, or *scratch* has no room for it beside what
            commits need (P6).
    """
    try:
        if scratch is not None:
            stored = run_on(disks, source, lambda device: device.stat(name))
            require_room(scratch, stored.length_bytes)
        with tempfile.TemporaryFile(dir=scratch) as file:
            run_on(disks, source, lambda device: _fetch(device, name, file, scratch))
            file.flush()
            # The mapping outlives the file, for a call that is abandoned.
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ScratchError) as error:
        # The pool directory is full, say: this member waits, the others go on.
        raise DeviceFailedError(f"disk {target} cannot be brought up: {error}") from error
    run_on(disks, target, lambda device: store_checkpoint(device, name, content))


def began_anew(scan: DiskScan) -> bool:
    """Whether a disk began anew with its newest checkpoint and still has what it had before.

    A power cut between the two leaves that. Told from the scan of an open: a disk
    that was there has the record of each checkpoint, too. Where anything on it is
    damaged, a hole may be rot: then it is left for a scrub to find.
    """
    if scan.damage or scan.gaps or scan.unreadable or not scan.checkpoints:
        return False
    points = {point.root.generation for point in scan.checkpoints}
    records = {root.generation for root in scan.roots}
    newest = max(points)
    return newest not in records and min(points | records) < newest


def drop_passed(device: Device, held: Generation) -> None:
    """Let go of checkpoints from which no records lead on to *held*, and of records before.

    A disk that was away for long, and began anew with a checkpoint, still has what it
    had before: nothing can begin there, and a scrub would miss the records between
    (B3). *device* holds *held* durably, by a checkpoint or by records behind one; what
    is newer is left alone. Harmless when repeated.

    Raises:
        DeviceError: the disk refused, and has more than it needs.
    """
    points = [point for point in scan_checkpoints(device) if point.root.generation <= held]
    if not points:
        return
    newest = max(point.root.generation for point in points)
    oldest = min(point.root.generation for point in points)
    start = oldest if oldest < newest else Generation(1)
    records = {
        entry.generation for entry in device.journal_list(start) if isinstance(entry, JournalEntry)
    }
    base = newest
    while base in records:
        base = Generation(base - 1)
    # From *base* on every record is there; from 0 on they need no checkpoint at all.
    if base == 0:
        return
    gone = [point.name for point in points if point.root.generation < base]
    for name in gone:
        device.delete(name)
    device.sync(gone)
    kept = [point.root.generation for point in points if point.root.generation >= base]
    device.journal_trim(min(kept))


def copy_records(
    disks: JournalDisks,
    target: DiskUuid,
    source: DiskUuid,
    *,
    after: Generation,
    until: Generation,
) -> Generation:
    """Copy the next records of *source* behind *after*; return the last one copied.

    Raises:
        DamagedRecordError: *source* does not have the next one.
        DeviceError: as the disks say.
    """
    entries = run_on(disks, source, lambda device: _read_batch(device, after, until))
    if not entries:
        raise DamagedRecordError(f"disk {source} lacks root {after + 1}")
    run_on(disks, target, lambda device: _put_batch(device, entries))
    return entries[-1].generation


def _scan(disks: JournalDisks, disk: DiskUuid) -> DiskScan:
    scan = run_on(disks, disk, lambda device: scan_disk(disk, device))
    if scan.damage:
        raise DeviceFailedError(f"disk {disk}: {scan.damage}")
    return scan


def _fetch(device: Device, name: str, target: IO[bytes], scratch: Path | None) -> None:
    """Copy *name* to *target*; ScratchError when that would take what commits need."""
    offset = 0
    while piece := device.get(name, offset=offset, length=_COPY_BYTES):
        if scratch is not None:
            require_room(scratch, len(piece))
        target.write(piece)
        offset += len(piece)


def _read_batch(device: Device, after: Generation, until: Generation) -> list[JournalEntry]:
    """Return consecutive entries, bounded in number and bytes (at least one)."""
    batch: list[JournalEntry] = []
    size = 0
    for entry in islice(device.journal_list(Generation(after + 1)), _BATCH_ROOTS):
        wanted = after + 1 + len(batch)
        if not isinstance(entry, JournalEntry) or not entry.generation == wanted <= until:
            break
        size += len(entry.payload)
        if batch and size > GROUP_BYTES_MAX:
            break
        batch.append(entry)
    return batch


def _put_batch(device: Device, entries: list[JournalEntry]) -> None:
    for entry in entries:
        device.journal_put(entry.generation, entry.epoch, entry.payload)
