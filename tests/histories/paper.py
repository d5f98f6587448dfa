"""Histories on paper: roots and scans without records, for enumerating every case.

``choose_head`` sees no more of a disk than this, so thousands of placements cost a
second. What must hold of its answers is written down here once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import TypeVar

from blake3 import blake3

from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.decision import Decision
from engine.metadata.history import choose_head
from engine.metadata.quorum import JournalSet
from engine.metadata.summaries import (
    FIRST_HASH,
    CheckpointSummary,
    DiskScan,
    LocalState,
    RootSummary,
)
from engine.model.disk import Tier
from engine.model.label import DiskLabel
from tests.unit.metadata.written_pool import POOL, first_template

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A redundancy with the disks that carry its journals."""

    name: str
    disks: tuple[DiskUuid, ...]
    tolerance: int

    @property
    def quorum(self) -> JournalSet:
        """J with its counts."""
        return JournalSet(disks=self.disks, tolerance=min(self.tolerance, len(self.disks) - 1))


def subsets(items: Collection[T]) -> Iterator[tuple[T, ...]]:
    """Yield every subset of *items*, the smallest first."""
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def root_after(
    before: RootSummary | None,
    *,
    journal_set: tuple[DiskUuid, ...],
    tolerance: int,
    epoch: int = 1,
    salt: str = "",
) -> RootSummary:
    """Return the next root; *salt* tells it from others that follow *before*, too."""
    previous = FIRST_HASH if before is None else before.root_hash
    header = replace(
        first_template(),
        generation=Generation(1 if before is None else before.generation + 1),
        epoch=Epoch(epoch),
        previous_hash=previous,
        members=journal_set,
        journal_set=journal_set,
        tolerance=tolerance,
    )
    digest = blake3(previous + f"{epoch}/{journal_set}/{salt}".encode()).digest()
    return RootSummary(header=header, root_hash=digest, size_bytes=1)


def history(shape: Shape, *, count: int) -> list[RootSummary]:
    """Return *count* roots of one epoch, oldest first."""
    made: list[RootSummary] = []
    for _ in range(count):
        before = made[-1] if made else None
        made.append(root_after(before, journal_set=shape.disks, tolerance=shape.tolerance))
    return made


def scan_of(
    disk: DiskUuid,
    roots: Sequence[RootSummary],
    *,
    told: tuple[DiskUuid, ...],
    epoch: int = 1,
    rotten_from: int | None = None,
    checkpoint: RootSummary | None = None,
) -> DiskScan:
    """Return what a disk with *roots* shows; its label names the journal set *told*.

    From generation *rotten_from* on its records are damaged in sound frames.
    """
    sound = [root for root in roots if rotten_from is None or root.generation < rotten_from]
    label = DiskLabel(
        pool_uuid=POOL,
        pool_name="tank",
        disk_uuid=disk,
        disk_name=f"d{disk.int - 100}",
        tier=Tier.HOT,
        epoch=Epoch(epoch),
        journal_set=told,
    )
    gaps = tuple(Generation(root.generation - 1) for root in roots[len(sound) :])
    points = (
        CheckpointSummary(name="checkpoints/0.0", root=one, length_bytes=1)
        for one in (checkpoint,)
        if one is not None
    )
    return DiskScan(
        disk=disk, label=label, roots=tuple(sound), gaps=gaps, checkpoints=tuple(points)
    )


def judge(scans: Mapping[DiskUuid, DiskScan], there: Collection[DiskUuid]) -> Decision:
    """Return what an open decides that sees the disks in *there* and no database."""
    return choose_head([scans[disk] for disk in sorted(there)], LocalState())


def check_safe(decision: Decision, acknowledged: Sequence[RootSummary], case: object) -> None:
    """A read-write open has every acknowledged root; a refusal gives its reason."""
    if decision.read_write:
        lost = {root.root_hash for root in acknowledged} - {r.root_hash for r in decision.chain}
        assert not lost, f"{case}: {len(lost)} acknowledged roots are missing"
    else:
        assert decision.why_not, f"{case}: refused without a reason"
