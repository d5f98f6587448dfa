"""What is said of a finding: why it is one, which copies are left, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.extents.verdict import Verdict
from engine.maintenance.scrub_progress import Finding, MetadataFinding, Outcome
from engine.metadata.inspection import MetadataKind

CAUSES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.CORRUPT: "its bytes are not those that were written",
        Verdict.MISSING: "the disk answers, and has no such file",
        Verdict.MISPLACED: "a whole fragment of another extent lies in its place",
        Verdict.PARITY: "every checksum fits, but the parity contradicts the data",
    }
)


def cause_of(finding: Finding) -> str:
    """Return why the fragment was found wanting."""
    return CAUSES.get(finding.verdict, str(finding.verdict))


def tried_of(finding: Finding) -> str:
    """Return which copies there are.

    >>> tried_of(Finding(extent_id=1, index=0, disk_id=1, verdict=Verdict.CORRUPT,
    ...     intact=5, needed=4, width=6))
    '5 of 6 fragments are intact, 4 are needed'
    """
    text = f"{finding.intact} of {finding.width} fragments are intact"
    if finding.unreachable:
        text += f", {finding.unreachable} on disks that do not answer"
    return f"{text}, {finding.needed} are needed"


def outcome_text(outcome: Outcome, reason: str) -> str:
    """Return what became of a finding, with the reason why it waits.

    >>> outcome_text(Outcome.PENDING, "needs one more disk"), outcome_text(Outcome.REPAIRED, "")
    ('pending: needs one more disk', 'repaired')
    """
    return f"{outcome}: {reason}" if reason else str(outcome)


def advice_for(finding: Finding) -> str:
    """Return what the operator can do; empty when nothing is left to do."""
    match finding.outcome:
        case Outcome.REPAIRED | Outcome.GONE:
            return ""
        case Outcome.QUEUED:
            return "nothing: reconcile repairs it"
        case Outcome.IRRECOVERABLE:
            what = finding.path or f"what has bytes in extent {finding.extent_id}"
            return f"restore {what} from a backup, or bring back a disk that had a copy"
        case Outcome.PENDING:
            if finding.unreachable:
                return "bring back the disks that do not answer"
            return "add a disk, or make room; it is tried again then"
        case Outcome.FOUND:
            return "have it repaired: scrub --target bad --repair"


def metadata_advice(finding: MetadataFinding) -> str:
    """Return what the operator can do about a damaged copy of the metadata."""
    if finding.outcome.is_settled:
        return ""
    match finding.kind:
        case MetadataKind.JOURNAL | MetadataKind.CHECKPOINT:
            if finding.outcome is Outcome.FOUND:
                return "have it copied anew from the other disks: scrub --repair"
            return "nothing: it is copied anew from the other disks when they have it whole"
        case MetadataKind.LABEL:
            return f"replace disk {finding.disk}: without its label it is not found again"
        case MetadataKind.DATABASE:
            return "unmount and mount: the database is made again from the journals"
