"""What a scan keeps of a disk's or the local history: no payloads (P8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from engine.ids import DiskUuid, Epoch, Generation
from engine.model.label import DiskLabel
from engine.model.root import RootRecord
from engine.units import NS_PER_S

CHECKPOINT_FOLDER: Final = "checkpoints"
FIRST_HASH: Final = bytes(32)
"""What the first root of a pool names as its predecessor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSummary:
    """One root without its changes. ``size_bytes`` is of the encoded record."""

    header: RootRecord
    root_hash: bytes
    size_bytes: int

    @property
    def generation(self) -> Generation:
        """Number of its group."""
        return self.header.generation

    @property
    def epoch(self) -> Epoch:
        """The epoch it was written under."""
        return self.header.epoch

    def __str__(self) -> str:
        date = datetime.fromtimestamp(self.header.time_ns / NS_PER_S, tz=UTC)
        return f"generation {self.generation} of epoch {self.epoch} ({date:%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSummary:
    """A checkpoint on a disk, whose head was read and checked."""

    name: str
    root: RootSummary
    length_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskScan:
    """What one disk holds of the metadata. ``damage`` says why it does not count.

    ``gaps`` are the generations behind which its journal is unreadable though
    valid records follow. ``unreadable`` says of each checkpoint whose head is
    damaged what is wrong; other copies or the journals serve in its place.
    """

    disk: DiskUuid
    label: DiskLabel | None
    damage: str = ""
    checkpoints: tuple[CheckpointSummary, ...] = ()
    roots: tuple[RootSummary, ...] = ()
    gaps: tuple[Generation, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    """What the pool directory holds: its newest group and the outbox.

    No ``head`` and no ``damage`` means that there is no database, or an empty one.
    """

    head: RootSummary | None = None
    roots: tuple[RootSummary, ...] = ()
    damage: str = ""


def checkpoint_name(generation: Generation, epoch: Epoch) -> str:
    """Return the name of a checkpoint on a disk.

    >>> checkpoint_name(Generation(18), Epoch(2))
    'checkpoints/0000000000000012.0000000000000002'
    """
    return f"{CHECKPOINT_FOLDER}/{generation:016x}.{epoch:016x}"
