"""Open the metadata of a pool: find the head, bring everything to it (DESIGN 5).

What it never does: take the new epoch. It only *promises* it in the labels
(see ``labels``); the store takes it with its first root, which is to be
acknowledged before any operation.

Order, so that a crash at any point loses nothing and a repeated open ends the
same way: the database first (in a scratch file when it is made anew), stale
tails out of the way, then the members, then the promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import apsw

from engine.device.protocol import Device
from engine.errors import (
    CorruptionError,
    DamagedDatabaseError,
    DeviceError,
    PoolError,
    QuorumError,
)
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.bring import bring_members, set_stale_aside
from engine.metadata.catchup import began_anew, drop_passed
from engine.metadata.chain import RecordSource, journal_source, outbox_source
from engine.metadata.containers import copy_database
from engine.metadata.database import open_database
from engine.metadata.decision import Decision, LocalVerdict
from engine.metadata.disks import DirectDisks
from engine.metadata.files import (
    DATABASE_NAME,
    place_database,
    remove_database,
    set_database_aside,
)
from engine.metadata.history import choose_head
from engine.metadata.labels import promise_epoch
from engine.metadata.quorum import JournalSet
from engine.metadata.rebuild import bases_on, damaged_checkpoints, rebuild, replay
from engine.metadata.scan import scan_disks, scan_local
from engine.metadata.summaries import DiskScan, LocalState, RootSummary

SCRATCH_NAME: Final = "metadata.db.rebuilding"
VIEW_NAME: Final = "metadata.db.view"
"""What a read-only open makes when the database is not at the head itself."""


class OpenMode(StrEnum):
    """What an open may do."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    FORCE = "force"
    """Read-write without the quorum; roots of this epoch must say ``forced``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMetadata:
    """A database at the head. ``holding`` are the members of J that hold all of
    it, ``lagging`` the others.

    The first root of the store is of ``next_epoch`` and follows ``head``. When it
    was forced and ``holding`` are too few for J, that root makes them the new J,
    and the shipper is made with it: the old J can acknowledge nothing any more.
    """

    database: Path
    head: RootSummary
    decision: Decision
    next_epoch: Epoch
    holding: tuple[DiskUuid, ...]
    lagging: tuple[DiskUuid, ...]
    events: tuple[str, ...]
    journal_bytes: int
    """Root records behind the newest checkpoint that enough of J hold."""


def open_metadata(
    pool_dir: Path, devices: Mapping[DiskUuid, Device], *, mode: OpenMode
) -> OpenedMetadata:
    """Bring the database in *pool_dir* and the disks to the head.

    Read-only changes nothing on the disks nor in the database. One caller at a
    time: the pool's lock is held.

    Raises:
        SplitHistoryError: two histories; nothing was changed.
        QuorumError: read-write is not safe, the sentence says why; open
            read-only, or with force.
        PoolError: there is no root at all, or disks of different pools.
        DamagedRecordError: no reachable disk leads to the head.
        DeviceError: never; a disk that refuses is lagging.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="local-scan") as beside:
        scanning = beside.submit(scan_local, pool_dir / DATABASE_NAME)
        scans = scan_disks(devices)
    local = scanning.result()
    refuse_foreign_disks(scans, local)
    decision = choose_head(scans, local)
    head = decision.head
    if head is None:
        raise PoolError(f"the pool has no history: {decision.why_not}")
    if mode is OpenMode.READ_WRITE and not decision.read_write:
        raise QuorumError(f"not safe to open read-write: {decision.why_not}")
    opening = _Opening(pool_dir, dict(devices), scans, decision, head)
    if mode is OpenMode.READ_ONLY:
        return opening.view()
    return opening.bring_to_head(mode)


def refuse_foreign_disks(scans: Sequence[DiskScan], local: LocalState) -> None:
    """Raise PoolError unless all labels and the database name one pool."""
    pools = {scan.label.pool_uuid: scan.label for scan in scans if scan.label is not None}
    known = {*pools} | ({local.head.header.pool_uuid} if local.head is not None else set())
    if len(known) > 1:
        names = ", ".join(
            sorted(f"{label.disk_name} of pool {label.pool_name}" for label in pools.values())
        )
        raise PoolError(f"disks of different pools: {names}")


class _Opening:
    """One open in progress."""

    def __init__(
        self,
        pool_dir: Path,
        devices: Mapping[DiskUuid, Device],
        scans: Sequence[DiskScan],
        decision: Decision,
        head: RootSummary,
    ) -> None:
        self._pool_dir = pool_dir
        self._database = pool_dir / DATABASE_NAME
        self._devices = devices
        self._scans = scans
        self._decision = decision
        self._head = head
        self._events = [f"disk {scan.disk}: {scan.damage}" for scan in scans if scan.damage]
        self._events += [
            f"disk {scan.disk}: its journal is damaged behind generation {gap}"
            for scan in scans
            for gap in scan.gaps
        ]
        self._events += damaged_checkpoints(scans)

    def view(self) -> OpenedMetadata:
        """Return a database at the head, leaving all others alone."""
        database = self._database
        if self._decision.local is not LocalVerdict.CURRENT:
            database = self._pool_dir / VIEW_NAME
            if self._decision.local is LocalVerdict.BEHIND:
                copy_database(self._database, database)
                with self._sources() as sources:
                    self._replay_into(database, sources)
            else:
                with self._sources() as sources:
                    self._rebuild_into(database, sources)
        current = {
            place.disk
            for place in self._decision.positions
            if place.generation == self._head.generation
        }
        return self._opened(database, held=current)

    def bring_to_head(self, mode: OpenMode) -> OpenedMetadata:
        """Change database and disks; see ``open_metadata``."""
        self._bring_database()
        self._events += set_stale_aside(self._devices, self._decision.stale)
        with self._sources() as sources:
            held, told = bring_members(
                self._decision,
                self._devices,
                sources,
                database=self._database,
                is_forced=mode is OpenMode.FORCE,
            )
        self._events += told
        self._drop_passed(held)
        self._clear_outbox(held)
        journal_set = None if mode is OpenMode.FORCE else self._head.header.journal_set
        promise_epoch(
            DirectDisks(self._devices),
            sorted(self._devices),
            epoch=self._decision.next_epoch,
            journal_set=journal_set,
            quorums=() if mode is OpenMode.FORCE else self._decision.quorums,
        )
        return self._opened(self._database, held=held)

    def _opened(self, database: Path, *, held: set[DiskUuid]) -> OpenedMetadata:
        return OpenedMetadata(
            database=database,
            head=self._head,
            decision=self._decision,
            next_epoch=self._decision.next_epoch,
            holding=tuple(d for d in self._head.header.journal_set if d in held),
            lagging=tuple(d for d in self._head.header.journal_set if d not in held),
            events=tuple(self._events),
            journal_bytes=self._bytes_since_checkpoint(),
        )

    def _bytes_since_checkpoint(self) -> int:
        holders: dict[Generation, set[DiskUuid]] = {}
        for base in bases_on(self._scans, self._decision.chain):
            holders.setdefault(base.root.generation, set()).add(base.disk)
        quorum = JournalSet.of(self._head.header)
        enough = quorum.acknowledging_count
        stored = [made for made, disks in holders.items() if quorum.count(disks) >= enough]
        newest = max(stored, default=Generation(0))
        return sum(one.size_bytes for one in self._decision.chain if one.generation > newest)

    @contextmanager
    def _sources(self) -> Iterator[list[RecordSource]]:
        """Yield where records can be read: readable journals, a usable outbox."""
        sources = [
            journal_source(self._devices[scan.disk]) for scan in self._scans if not scan.damage
        ]
        if not self._decision.local.is_usable:
            yield sources
            return
        connection = open_database(self._database)
        try:
            yield [outbox_source(connection), *sources]
        finally:
            connection.close()

    def _bring_database(self) -> None:
        verdict = self._decision.local
        if verdict is LocalVerdict.CURRENT:
            return
        with self._sources() as sources:
            if verdict is LocalVerdict.BEHIND:
                try:
                    count = self._replay_into(self._database, sources)
                except (CorruptionError, QuorumError) as error:
                    self._events.append(f"the metadata database does not replay: {error}")
                else:
                    self._events.append(f"{count} roots replayed into the metadata database")
                    return
            scratch = self._pool_dir / SCRATCH_NAME
            self._rebuild_into(scratch, sources)
        if self._database.exists():
            aside = set_database_aside(self._database)
            self._events.append(f"the {verdict} metadata database was set aside as {aside.name}")
        place_database(scratch, self._database)
        remove_database(scratch)
        self._events.append(f"the metadata database was made anew at {self._head}")

    def _replay_into(self, database: Path, sources: Sequence[RecordSource]) -> int:
        connection = open_database(database)
        try:
            return replay(connection, sources, self._head)
        finally:
            connection.close()

    def _rebuild_into(self, scratch: Path, sources: Sequence[RecordSource]) -> None:
        self._events += rebuild(
            scratch,
            head=self._head,
            bases=bases_on(self._scans, self._decision.chain),
            devices=self._devices,
            sources=sources,
        )

    def _drop_passed(self, held: set[DiskUuid]) -> None:
        """End what a power cut interrupted on disks that began anew with a checkpoint (B3)."""
        for scan in self._scans:
            if scan.disk not in held or not began_anew(scan):
                continue
            try:
                drop_passed(self._devices[scan.disk], self._head.generation)
            except DeviceError as error:
                self._events.append(f"disk {scan.disk}: what it had before stays: {error}")

    def _clear_outbox(self, held: set[DiskUuid]) -> None:
        """Drop what every quorum holds now; a forced open keeps it."""
        if any(q.count(held) < q.acknowledging_count for q in self._decision.quorums):
            return
        connection = open_database(self._database)
        try:
            connection.execute("DELETE FROM outbox")
        except apsw.Error as error:
            raise DamagedDatabaseError(f"metadata database: {error}") from error
        finally:
            connection.close()
