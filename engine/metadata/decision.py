"""What ``choose_head`` answers: the head, and what stands against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.quorum import JournalSet
from engine.metadata.summaries import RootSummary


class LocalVerdict(StrEnum):
    """What becomes of the database in the pool directory."""

    CURRENT = "current"
    BEHIND = "behind"
    """Its newest group is an ancestor of the head: the rest is replayed."""
    ABSENT = "absent"
    DAMAGED = "damaged"
    ABANDONED = "abandoned"
    """Of a branch that was never acknowledged, or older than every journal."""

    @property
    def is_usable(self) -> bool:
        """Whether replay can bring it to the head."""
        return self in (LocalVerdict.CURRENT, LocalVerdict.BEHIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleTail:
    """What a disk holds of a branch that was never acknowledged.

    ``start`` is the lowest such generation of its journal, None when only
    checkpoints are stale.
    """

    disk: DiskUuid
    start: Generation | None
    count: int
    checkpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPosition:
    """How far a disk holds everything: a base and each root from there on.

    ``generation`` is None when it has no base of this chain.
    """

    disk: DiskUuid
    generation: Generation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The head and how each place stands to it.

    ``head`` is None for disks that never had a root. ``chain`` is what is known
    of its history, oldest first, the head last; from ``anchor`` on (a root some
    checkpoint or the local database stands for, or 0) every record is there.
    ``why_not`` is one sentence when ``read_write`` is false.
    """

    head: RootSummary | None
    chain: tuple[RootSummary, ...]
    anchor: Generation
    read_write: bool
    why_not: str
    quorums: tuple[JournalSet, ...]
    missing: tuple[DiskUuid, ...]
    local: LocalVerdict
    stale: tuple[StaleTail, ...]
    positions: tuple[MemberPosition, ...]
    next_epoch: Epoch

    def hash_of(self, generation: Generation) -> bytes | None:
        """Return the hash of the chain's root *generation*, None outside of it."""
        if not self.chain or not 0 <= (index := generation - self.chain[0].generation) < len(
            self.chain
        ):
            return None
        return self.chain[index].root_hash
