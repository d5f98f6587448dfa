"""How many journal disks it takes, and why. Pure.

Let n = |J| and m the number of its members that may be lost.

- A root is acknowledged when m+1 members have it and everything before it:
  then every set of n-m members holds at least one copy.
- A read-write open reads ``opening_count`` = max(n-m, m+1) members. n-m makes
  it see every acknowledged root. m+1 (more than n-m only while J has fewer
  than 2m+1 members) makes any two opens share a member, so two machines with
  half of the disks each can never both go on; fewer could acknowledge nothing.
- A change of J must be seen by every later open that only knows the old J:
  ``meeting_count`` = n - opening_count + 1 old members have it, which is m+1
  for a full J and n-m for a small one, where m+1 would keep the operator from
  ever replacing a dead disk.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from engine.ids import DiskUuid
from engine.model.root import RootRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSet:
    """A journal set J with its tolerance m."""

    disks: tuple[DiskUuid, ...]
    tolerance: int

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < len(self.disks):
            raise ValueError(f"{len(self.disks)} journal disks cannot lose {self.tolerance}")

    @classmethod
    def of(cls, record: RootRecord) -> JournalSet:
        """Return the journal set *record* names; a few disks cannot lose all of them."""
        disks = record.journal_set
        return cls(disks=disks, tolerance=min(record.tolerance, len(disks) - 1))

    @property
    def acknowledging_count(self) -> int:
        """How many members must have a root before it is acknowledged."""
        return self.tolerance + 1

    @property
    def opening_count(self) -> int:
        """How many members a read-write open must be able to read."""
        return max(len(self.disks) - self.tolerance, self.tolerance + 1)

    @property
    def meeting_count(self) -> int:
        """The fewest members that every read-write open meets."""
        return len(self.disks) - self.opening_count + 1

    def count(self, disks: Collection[DiskUuid]) -> int:
        """Return how many members are among *disks*."""
        return sum(1 for disk in self.disks if disk in disks)
