"""Make checkpoints, prove them, and let go of older journals (DESIGN 5).

The proof: the previous checkpoint (or the empty database) plus the journals,
replayed in a scratch file and compared table by table with the new copy. It
finds what no checksum can: a change that reached the live database but no
record, or a record that says something else. Until a checkpoint is proved, no
older journal goes; one that differs is not stored at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apsw

from engine.device.protocol import Device, JournalEntry
from engine.errors import (
    CorruptionError,
    DamagedDatabaseError,
    DamagedRecordError,
    DeviceError,
    QuorumError,
)
from engine.format.checkpoint import check_checkpoint
from engine.ids import DiskUuid, Epoch, Generation
from engine.limits import CHECKPOINT_JOURNAL_BYTES, WAL_CHECKPOINT_BYTES
from engine.metadata.chain import RecordSource
from engine.metadata.comparison import differences
from engine.metadata.containers import copy_database, pack_database, store_checkpoint
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.files import remove_database
from engine.metadata.heeding import Heed
from engine.metadata.quorum import JournalSet
from engine.metadata.rebuild import Base, open_base, open_empty, replay
from engine.metadata.replay import Head
from engine.metadata.scan import open_stored, scan_checkpoints
from engine.metadata.scratch import (
    CONTAINER_NAME,
    COPY_NAME,
    PROOF_NAME,
    ScratchError,
    is_of_scratch,
    remove_scratch,
    require_checkpoint_room,
    require_room,
)
from engine.metadata.summaries import (
    CHECKPOINT_FOLDER,
    CheckpointSummary,
    RootSummary,
    checkpoint_name,
)
from engine.units import MIB

CHECKPOINTS_KEPT = 2
_BATCH_ROOTS = 64
_BATCH_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMade:
    """A checkpoint that was proved and stored. ``disks`` hold it durably."""

    generation: Generation
    epoch: Epoch
    disks: tuple[DiskUuid, ...]
    length_bytes: int
    replayed: int
    damage: tuple[str, ...]
    """Older checkpoints that were found damaged and set aside, for people."""


def due(*, journal_bytes: int, database_bytes: int) -> bool:
    """Return whether the journals have outgrown the checkpoint they follow.

    >>> due(journal_bytes=65 << 20, database_bytes=1 << 20)
    True
    >>> due(journal_bytes=65 << 20, database_bytes=1 << 30)
    False
    """
    return journal_bytes > max(CHECKPOINT_JOURNAL_BYTES, database_bytes)


def make_checkpoint(
    disks: JournalDisks,
    *,
    database: Path,
    scratch: Path,
    quorum: JournalSet,
    wait_acknowledged: Callable[[Generation], None],
    go_on: Heed = lambda: None,
) -> CheckpointMade:
    """Store a proved checkpoint of *database* on the members of *quorum*.

    *scratch* is a folder for two files as large as the database. Runs beside
    commits, whose room in *scratch* it leaves alone (P6); one caller at a time.
    Older checkpoints and journals go from the members that took it, where the
    checkpoint before it is whole. *go_on* is asked every some milliseconds until
    the checkpoint is stored, and what it raises ends the work, with nothing left.

    Raises:
        DamagedDatabaseError: the proof found a difference, named in the
            sentence; nothing was stored and every journal stays.
        DamagedRecordError: the journals do not lead to it; likewise.
        QuorumError: too few members took it, or its generation is not
            acknowledged; every journal stays.
        ScratchError: *scratch* refused, for want of room say; likewise.
    """

    def heed() -> None:
        go_on()
        require_room(scratch)

    head, replayed, content = _make_proved(
        disks, database, scratch, quorum, wait_acknowledged=wait_acknowledged, heed=heed
    )
    name = checkpoint_name(head.generation, head.epoch)
    took = _store_everywhere(disks, quorum, name, content)
    if quorum.count(took) < quorum.acknowledging_count:
        raise QuorumError(
            f"{quorum.count(took)} journal disks took the checkpoint, "
            f"{quorum.acknowledging_count} needed"
        )
    damage = [text for disk in took for text in _let_go(disks, disk)]
    return CheckpointMade(
        generation=head.generation,
        epoch=head.epoch,
        disks=took,
        length_bytes=len(content),
        replayed=replayed,
        damage=tuple(damage),
    )


def _make_proved(
    disks: JournalDisks,
    database: Path,
    scratch: Path,
    quorum: JournalSet,
    *,
    wait_acknowledged: Callable[[Generation], None],
    heed: Heed,
) -> tuple[Head, int, memoryview]:
    """Return the head of a proved copy, over how many roots, and its container.

    Raises as ``make_checkpoint``. Nothing is left in *scratch*.
    """
    copy, proof = scratch / COPY_NAME, scratch / PROOF_NAME
    require_checkpoint_room(database, scratch)
    try:
        head = copy_database(database, copy, heed=heed)
        wait_acknowledged(head.generation)
        require_room(scratch, copy.stat().st_size + WAL_CHECKPOINT_BYTES)
        replayed = _prove(disks, copy, proof, head, quorum, heed)
        # Before the container is written: never more than two files of that size.
        remove_database(proof)
        require_room(scratch, copy.stat().st_size)
        return head, replayed, pack_database(copy, head, scratch / CONTAINER_NAME)
    except (apsw.Error, OSError) as error:
        raise ScratchError(f"no room for a checkpoint in {scratch}: {error}") from error
    except CorruptionError:
        # A scratch file that could not grow looks damaged, too.
        require_room(scratch)
        raise
    finally:
        remove_scratch(scratch)


def _prove(
    disks: JournalDisks, copy: Path, proof: Path, head: Head, quorum: JournalSet, heed: Heed
) -> int:
    """Replay up to *head* in *proof* and compare; return how many roots it took."""
    summary = RootSummary(header=head.header, root_hash=head.root_hash, size_bytes=0)
    sources = [_queued_source(disks, disk, heed) for disk in quorum.disks]
    connection = _open_previous(disks, quorum, proof, before=head.generation)
    with closing(connection):
        replayed = replay(connection, sources, summary)
        try:
            found = differences(connection, copy, heed=heed)
        except apsw.Error as error:
            if is_of_scratch(error):
                raise
            raise DamagedDatabaseError(f"checkpoint copy: {error}") from error
    if found:
        raise DamagedDatabaseError(f"the database is not what its journals say: {found[0]}")
    return replayed


def _open_previous(
    disks: JournalDisks, quorum: JournalSet, proof: Path, *, before: Generation
) -> apsw.Connection:
    """Unpack the newest older checkpoint of any member, else an empty database."""
    bases: list[Base] = []
    for disk in quorum.disks:
        try:
            found = run_on(disks, disk, _checkpoints)
        except DeviceError:
            continue
        bases += [
            Base(disk=disk, name=point.name, root=point.root)
            for point in found
            if point.root.generation < before
        ]
    for base in sorted(bases, key=lambda base: (-base.root.generation, base.disk)):
        try:
            return run_on(disks, base.disk, _opener(base, proof))
        except (DamagedRecordError, DamagedDatabaseError, DeviceError):
            continue
    return open_empty(proof)


def _opener(base: Base, proof: Path) -> Callable[[Device], apsw.Connection]:
    return lambda device: open_base(base, device, proof)


def _checkpoints(device: Device) -> list[CheckpointSummary]:
    return list(scan_checkpoints(device))


def _queued_source(disks: JournalDisks, disk: DiskUuid, heed: Heed) -> RecordSource:
    """Read the journal of *disk* through its queue, a bounded batch at a time.

    *heed* is called before each batch is given out: what is read grows a file.
    """

    def read_batch(device: Device, start: Generation) -> list[tuple[Generation, bytes]]:
        batch: list[tuple[Generation, bytes]] = []
        size = 0
        for entry in device.journal_list(start):
            if isinstance(entry, JournalEntry):
                batch.append((entry.generation, entry.payload))
                size += len(entry.payload)
            if len(batch) >= _BATCH_ROOTS or size >= _BATCH_BYTES:
                break
        return batch

    def read(start: Generation) -> Iterator[tuple[Generation, bytes]]:
        while batch := run_on(disks, disk, partial(read_batch, start=start)):
            heed()
            yield from batch
            start = Generation(batch[-1][0] + 1)

    return read


def _store_everywhere(
    disks: JournalDisks, quorum: JournalSet, name: str, content: memoryview
) -> tuple[DiskUuid, ...]:
    """Put the checkpoint to all members at once; return those that hold it."""
    started: dict[DiskUuid, Future[None]] = {}
    for disk in quorum.disks:
        try:
            started[disk] = disks.submit(
                disk, lambda device: store_checkpoint(device, name, content)
            )
        except DeviceError:
            continue
    took: list[DiskUuid] = []
    for disk, call in started.items():
        try:
            disks.wait(call)
        except DeviceError:
            continue
        took.append(disk)
    return tuple(took)


def _let_go(disks: JournalDisks, disk: DiskUuid) -> list[str]:
    """Keep two checkpoints on *disk*, and journals from the older one on.

    Return what to tell of damage. A disk that refuses keeps more than it has
    to, until the next checkpoint.
    """
    try:
        return [f"disk {disk}: {text}" for text in run_on(disks, disk, _trim)]
    except DeviceError:
        return []


def _trim(device: Device) -> list[str]:
    """Trim to the older of the two newest checkpoints that are whole.

    The newest was just stored. One before it that rotted is of no use to begin
    with: it goes aside, and what is older stays.
    """
    points = sorted(scan_checkpoints(device), key=lambda point: point.name)
    damage: list[str] = []
    while len(points) >= CHECKPOINTS_KEPT:
        older = points[-CHECKPOINTS_KEPT]
        try:
            check_checkpoint(open_stored(device, older.name))
        except DamagedRecordError as error:
            device.set_aside(older.name)
            damage.append(f"the checkpoint at {older.root} was set aside: {error}")
            points.remove(older)
            continue
        stored = [one.name for one in device.list(CHECKPOINT_FOLDER)]
        gone = [name for name in stored if name < older.name]
        for name in gone:
            device.delete(name)
        device.sync(gone)
        device.journal_trim(older.root.generation)
        break
    return damage
