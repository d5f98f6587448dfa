"""A disk as metadata knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.ids import DiskId, DiskUuid, Generation


class Tier(StrEnum):
    """Where a disk stands in speed and price; a preference of placement."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class DiskState(StrEnum):
    """The five health states. Presence is a separate fact, seen by probes."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    SUSPECT = "suspect"
    DRAINING = "draining"
    FAILED = "failed"


HEALTH_SCORE: dict[DiskState, int] = {
    DiskState.HEALTHY: 100,
    DiskState.DEGRADED: 50,
    DiskState.SUSPECT: 25,
    DiskState.DRAINING: 10,
    DiskState.FAILED: 0,
}
"""How much a disk is preferred as a source of reads (REFERENCE phase 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMarks:
    """What was decided about a disk, and why, beside its state.

    Kept as pool properties, so it survives a restart and an import.
    """

    spare: bool = False
    """It takes fragments only to heal."""
    detached: bool = False
    """It is away for maintenance: no fault, and nothing is rebuilt for it."""
    replaced_by: DiskId | None = None
    """The disk that takes what this one has; this one then leaves by itself."""
    leaving_fragments: int = 0
    """How many fragments it had when it began to drain; 0 when it does not."""
    wished: DiskState = DiskState.HEALTHY
    """The state the operator gave it last: its health never rises above that by itself."""
    since_ns: int = 0
    """When it came into its state; 0 when that is not known."""
    cause: str = ""
    """Why it came into its state, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRecord:
    """One disk of the pool, as committed. ``path`` is where it was last seen."""

    disk_id: DiskId
    uuid: DiskUuid
    name: str
    path: str
    tier: Tier
    state: DiskState
    added_generation: Generation

    @property
    def takes_writes(self) -> bool:
        """Whether placement may choose it: healthy disks only (REFERENCE phase 2)."""
        return self.state is DiskState.HEALTHY

    @property
    def counts_for_durability(self) -> bool:
        """Whether its fragments count when replacements are weighed (P5)."""
        return self.state in (DiskState.HEALTHY, DiskState.DEGRADED)
