"""Make a pool directory's database again from the disks alone (DESIGN 5).

Nothing on the disks changes: bringing them to the head is the following open.
An import that was interrupted leaves only a scratch file, and is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.device.protocol import Device
from engine.errors import PoolError
from engine.ids import DiskUuid, Epoch, Generation, PoolUuid
from engine.metadata.chain import journal_source
from engine.metadata.decision import Decision
from engine.metadata.files import DATABASE_NAME, place_database, remove_database
from engine.metadata.history import choose_head
from engine.metadata.rebuild import bases_on, damaged_checkpoints, rebuild
from engine.metadata.recovery import SCRATCH_NAME, refuse_foreign_disks
from engine.metadata.scan import scan_disks
from engine.metadata.summaries import DiskScan, LocalState, RootSummary
from engine.model.label import DiskLabel

CONFIGURATION_NAME = "pool.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedDisk:
    """What one disk could bring to an import. ``newest`` is None without roots."""

    disk: DiskUuid
    label: DiskLabel | None
    damage: str
    newest: RootSummary | None
    checkpoints: tuple[Generation, ...]
    stale_roots: int

    @property
    def generation(self) -> Generation | None:
        """Newest generation on it."""
        return None if self.newest is None else self.newest.generation

    @property
    def epoch(self) -> Epoch | None:
        """Epoch of that generation."""
        return None if self.newest is None else self.newest.epoch

    @property
    def time_ns(self) -> int | None:
        """When that generation was committed, nanoseconds since the epoch."""
        return None if self.newest is None else self.newest.header.time_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSurvey:
    """What an import would make. ``missing`` are disks the head names."""

    pool_uuid: PoolUuid
    pool_name: str
    head: RootSummary
    disks: tuple[SurveyedDisk, ...]
    missing: tuple[DiskUuid, ...]
    read_write: bool
    why_not: str


def survey(devices: Mapping[DiskUuid, Device]) -> ImportSurvey:
    """Show what *devices* hold and what an import would make of it.

    Raises:
        SplitHistoryError: they hold two histories of one pool.
        PoolError: they are of different pools, or hold no history.
    """
    scans = scan_disks(devices)
    decision, head = _decide(scans)
    return ImportSurvey(
        pool_uuid=head.header.pool_uuid,
        pool_name=head.header.pool_name,
        head=head,
        disks=tuple(_surveyed(scan, decision) for scan in scans),
        missing=decision.missing,
        read_write=decision.read_write,
        why_not=decision.why_not,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMetadata:
    """A database was made at ``head``. ``events`` say what was damaged on the way."""

    head: RootSummary
    events: tuple[str, ...]


def import_pool(devices: Mapping[DiskUuid, Device], into: Path) -> ImportedMetadata:
    """Make ``metadata.db`` in *into* at the head of *devices*.

    *into* is created if need be. The database is there whole or not at all.

    Raises:
        SplitHistoryError: the disks hold two histories of one pool.
        PoolError: *into* holds a pool already, or the disks are of different
            pools or hold no history.
        DamagedRecordError: checkpoints and journals do not lead to the head.
    """
    for name in (DATABASE_NAME, CONFIGURATION_NAME):
        if (into / name).exists():
            raise PoolError(f"{into} holds a pool already ({name}); import into another directory")
    scans = scan_disks(devices)
    decision, head = _decide(scans)
    into.mkdir(parents=True, exist_ok=True)
    scratch = into / SCRATCH_NAME
    passed = rebuild(
        scratch,
        head=head,
        bases=bases_on(scans, decision.chain),
        devices=devices,
        sources=[journal_source(devices[scan.disk]) for scan in scans if not scan.damage],
    )
    place_database(scratch, into / DATABASE_NAME)
    remove_database(scratch)
    return ImportedMetadata(head=head, events=(*damaged_checkpoints(scans), *passed))


def _decide(scans: list[DiskScan]) -> tuple[Decision, RootSummary]:
    refuse_foreign_disks(scans, LocalState())
    decision = choose_head(scans, LocalState())
    if decision.head is None:
        raise PoolError(f"nothing to import: {decision.why_not}")
    return decision, decision.head


def _surveyed(scan: DiskScan, decision: Decision) -> SurveyedDisk:
    roots = [*scan.roots, *(point.root for point in scan.checkpoints)]
    return SurveyedDisk(
        disk=scan.disk,
        label=scan.label,
        damage=scan.damage,
        newest=max(roots, key=lambda root: (root.epoch, root.generation), default=None),
        checkpoints=tuple(point.root.generation for point in scan.checkpoints),
        stale_roots=sum(tail.count for tail in decision.stale if tail.disk == scan.disk),
    )
