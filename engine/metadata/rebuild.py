"""Make a database at some root from checkpoints and journals, in a scratch file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from engine.device.protocol import Device
from engine.errors import (
    CorruptionError,
    DamagedDatabaseError,
    DamagedRecordError,
    DeviceError,
    QuorumError,
)
from engine.format.checkpoint import read_checkpoint
from engine.ids import DiskUuid, Generation
from engine.limits import WAL_CHECKPOINT_BYTES
from engine.metadata.chain import RecordSource, read_chain
from engine.metadata.database import DATABASE_PAGE_BYTES, create_database, open_database
from engine.metadata.files import remove_database
from engine.metadata.replay import apply_root, read_head
from engine.metadata.scan import open_stored
from engine.metadata.summaries import FIRST_HASH, DiskScan, RootSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A checkpoint to begin with, and the disk that holds it."""

    disk: DiskUuid
    name: str
    root: RootSummary


def bases_on(scans: Sequence[DiskScan], chain: Sequence[RootSummary]) -> list[Base]:
    """Return the checkpoints of *chain* on readable disks, the newest first."""
    on_chain = {root.root_hash for root in chain}
    found = [
        Base(disk=scan.disk, name=point.name, root=point.root)
        for scan in scans
        if not scan.damage
        for point in scan.checkpoints
        if point.root.root_hash in on_chain
    ]
    return sorted(found, key=lambda base: (-base.root.generation, base.disk))


def damaged_checkpoints(scans: Sequence[DiskScan]) -> list[str]:
    """Return a sentence for each checkpoint on *scans* that no rebuild can begin with."""
    return [describe_damage(scan.disk, what) for scan in scans for what in scan.unreadable]


def describe_damage(disk: DiskUuid, what: str) -> str:
    """Return what people are told of a checkpoint that was passed over, and can do."""
    return f"disk {disk}: a checkpoint cannot be used ({what}): have it copied anew, scrub --repair"


def open_base(base: Base, device: Device, scratch: Path) -> apsw.Connection:
    """Unpack *base* to *scratch*, which is replaced, and open it.

    Raises:
        DamagedRecordError: the checkpoint is damaged or of another root.
        DamagedDatabaseError: what it holds is no sound database.
        DeviceError: the disk refused.
    """
    remove_database(scratch)
    _, head_hash = read_checkpoint(open_stored(device, base.name), scratch)
    if head_hash != base.root.root_hash:
        raise DamagedRecordError(f"checkpoint {base.name} is of another root")
    connection = open_database(scratch)
    try:
        _keep_small(connection)
        # The outbox of the database that was copied means nothing here.
        connection.execute("DELETE FROM outbox")
        head = read_head(connection)
        if head is None or head.root_hash != head_hash:
            raise DamagedDatabaseError(f"checkpoint {base.name} holds another root's database")
    except apsw.Error as error:
        connection.close()
        raise DamagedDatabaseError(f"checkpoint {base.name}: {error}") from error
    except DamagedDatabaseError:
        connection.close()
        raise
    return connection


def open_empty(scratch: Path) -> apsw.Connection:
    """Make an empty database at *scratch*, which is replaced."""
    remove_database(scratch)
    connection = create_database(scratch)
    _keep_small(connection)
    return connection


def _keep_small(connection: apsw.Connection) -> None:
    """Let a scratch database be flushed once, before it is put into place.

    And its log start over: a group of a few rows takes many pages there, so the
    records of a replay would make a log many times as large as they are (P8).
    """
    connection.pragma("synchronous", 0)
    connection.wal_autocheckpoint(WAL_CHECKPOINT_BYTES // DATABASE_PAGE_BYTES)


def replay(connection: apsw.Connection, sources: Sequence[RecordSource], head: RootSummary) -> int:
    """Bring *connection* to *head*; return how many roots were applied.

    Raises:
        DamagedRecordError: a record is missing everywhere, does not apply, or
            the chain leads to another root; the database stays at a root before.
        QuorumError: a record is on no disk that answers; likewise.
    """
    start = read_head(connection)
    after, previous = (
        (Generation(0), FIRST_HASH)
        if start is None
        else (
            start.generation,
            start.root_hash,
        )
    )
    applied = 0
    last_hash = previous
    for found in read_chain(sources, after=after, previous_hash=previous, last=head.generation):
        apply_root(connection, found.record, found.root_hash)
        last_hash = found.root_hash
        applied += 1
    if last_hash != head.root_hash:
        raise DamagedRecordError(f"the journals lead to another root than {head}")
    return applied


def rebuild(
    scratch: Path,
    *,
    head: RootSummary,
    bases: Sequence[Base],
    devices: Mapping[DiskUuid, Device],
    sources: Sequence[RecordSource],
) -> list[str]:
    """Make a closed database at *head* in *scratch*, its log emptied.

    The newest base is tried first, then older ones, then the empty database.
    Returns a sentence for each base that could not be read and was passed over.

    Raises:
        DamagedRecordError: no base leads to *head*; the first reason is given.
            *scratch* is gone.
    """
    failure: Exception | None = None
    passed: list[str] = []
    for base in (*bases, None):
        try:
            connection = _open(base, scratch, devices)
        except (CorruptionError, DeviceError, apsw.Error) as error:
            failure = failure or error
            if base is not None:
                passed.append(describe_damage(base.disk, f"{base.name}: {error}"))
            continue
        try:
            replay(connection, sources, head)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except (CorruptionError, QuorumError, DeviceError, apsw.Error) as error:
            failure = failure or error
        else:
            return passed
        finally:
            connection.close()
    remove_database(scratch)
    raise DamagedRecordError(f"the metadata cannot be made again: {failure}") from failure


def _open(base: Base | None, scratch: Path, devices: Mapping[DiskUuid, Device]) -> apsw.Connection:
    if base is None:
        return open_empty(scratch)
    return open_base(base, devices[base.disk], scratch)
