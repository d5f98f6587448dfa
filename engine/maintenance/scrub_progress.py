"""What a scrub found and how far it is: frozen, published whole, read without a lock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.metadata.inspection import MetadataKind
from engine.policy.scrub_pacing import ScrubIntensity


class Outcome(StrEnum):
    """What became of a finding; PENDING comes with a reason."""

    FOUND = ""
    """Nobody asked for a repair."""
    QUEUED = "queued"
    PENDING = "pending"
    REPAIRED = "repaired"
    GONE = "gone"
    """The file was deleted or written anew meanwhile: nothing is left to repair."""
    IRRECOVERABLE = "irrecoverable"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to wait for."""
        return self in (Outcome.REPAIRED, Outcome.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fragment that a scrub found wanting. ``path`` is empty until one is known.

    ``intact``, ``unreachable`` and ``needed`` count the fragments of its extent
    when they were read, and how many it takes.
    """

    extent_id: ExtentId
    index: int
    disk_id: DiskId
    verdict: Verdict
    path: str = ""
    path_known: bool = False
    """A file was looked for, found or not."""
    layout: int = 0
    found_ns: int = 0
    intact: int = 0
    unreachable: int = 0
    needed: int = 0
    width: int = 0
    outcome: Outcome = Outcome.FOUND
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataFinding:
    """A copy of the metadata that is not what was written.

    ``disk`` is the name of the disk, empty for the pool directory; ``name`` the
    file or the records, for people.
    """

    disk: str
    kind: MetadataKind
    name: str
    cause: str
    found_ns: int = 0
    outcome: Outcome = Outcome.FOUND
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubProgress:
    """A scrub that runs, or the last one. Times are epoch nanoseconds."""

    running: bool = False
    paused: bool = False
    repair: bool = False
    target: str = "all"
    intensity: ScrubIntensity = ScrubIntensity.HIGH
    limit_bytes_s: int = 0
    schedule: str = "manual"
    next_ns: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    whole_ns: int = 0
    """When one last ended that looked at everything; 0 is never."""
    done_fragments: int = 0
    total_fragments: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    intact: int = 0
    corrupt: int = 0
    missing: int = 0
    misplaced: int = 0
    unreferenced: int = 0
    parity_mismatches: int = 0
    repaired: int = 0
    metadata_checked: int = 0
    metadata_damaged: int = 0
    findings: tuple[Finding, ...] = ()
    metadata_findings: tuple[MetadataFinding, ...] = ()
    runs_completed: int = 0
