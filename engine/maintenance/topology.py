"""What maintenance needs to know of the pool it works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.ids import DiskId, ExtentId, Generation
from engine.model.disk import DiskState
from engine.model.redundancy import Redundancy


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStatus:
    """One disk of the pool, now. ``absent_since_s`` is a monotonic second."""

    disk_id: DiskId
    name: str
    state: DiskState
    present: bool
    absent_since_s: float | None = None
    detached: bool = False
    """The operator took it away for maintenance: it is waited for, however long."""

    @property
    def failed(self) -> bool:
        """Whether its fragments are given up."""
        return self.state is DiskState.FAILED

    @property
    def readable(self) -> bool:
        """Whether its fragments count as there: any state but failed will do."""
        return self.present and not self.failed

    @property
    def takes_fragments(self) -> bool:
        """Whether reconcile may write to it: healthy disks only (P5)."""
        return self.present and self.state is DiskState.HEALTHY


class ExtentPolicies(Protocol):
    """What files want of the extents they have bytes in. Thread-safe."""

    def version(self) -> int:
        """Return a number that changes when any answer may; 0 while no file wants its own."""

    def refresh(self) -> None:
        """Look at all files anew; a scan of all extents follows."""

    def wanted_of(self, extent_id: ExtentId) -> Redundancy | None:
        """Return the strongest policy of its files, None for the pool's.

        As of the last ``refresh``; never weaker than what is asked for now.
        """


class Topology(Protocol):
    """The pool as maintenance sees it. Thread-safe; all but ``make_safe`` are quick."""

    def disks(self) -> Sequence[DiskStatus]:
        """Return every member, present or not."""

    def wanted_redundancy(self) -> Redundancy:
        """Return what extents should have today."""

    def narrow_auto(self) -> bool:
        """Whether extents may be re-encoded narrower without asking."""

    def rebuild_delay_s(self) -> float:
        """Return how long a disk may be missing before its fragments are rebuilt."""

    def widen_delay_s(self) -> float:
        """Return how long the full width must be healthy before it is used again."""

    def compact_percent(self) -> int:
        """Return the live share below which extents are compacted; 0 for never."""

    def acknowledged(self) -> Generation:
        """Return the newest generation that is safe, everything before it too."""

    def make_safe(self, generation: Generation) -> None:
        """Commit up to *generation* and wait until it is acknowledged.

        Raises:
            QuorumError: it cannot be now.
            EngineStoppedError: a group was lost.
        """
