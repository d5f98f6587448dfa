"""Whether a verb on a disk is safe, risky or not to be done, and why. Pure.

The first reason is the one that decides; those behind it are worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from engine.model.disk import DiskState
from engine.policy.what_if import Assessment
from engine.units import format_bytes

FULL_RATIO: Final = 0.9
"""A disk that a plan fills beyond this is worth a warning."""


class DiskVerb(StrEnum):
    """What can be planned for a disk."""

    DRAIN = "drain"
    REPLACE = "replace"
    REMOVE = "remove"
    FAIL = "fail"
    DETACH = "detach"
    ATTACH = "attach"
    HEAL = "heal"


class Judged(StrEnum):
    """Whether it should be done, should not, or may not."""

    SAFE = "SAFE"
    RISKY = "RISKY"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """What a judgement rests on. ``assessment`` is that of losing the disk."""

    verb: DiskVerb
    name: str
    state: DiskState
    present: bool
    detached: bool
    fragments: int
    """On the disk, those counted out included."""
    assessment: Assessment
    may_fail: int
    """How many more disks may fail now."""
    homeless_fragments: int = 0
    homeless_bytes: int = 0
    fullest: str = ""
    """The disk that would be fullest afterwards."""
    fullest_ratio: float = 0.0
    carriers_left: int
    """Disks left that could carry the journals."""
    carriers_needed: int
    healthy_left: int
    width: int
    """Fragments of an extent as the pool's policy has it."""
    narrows: bool = False
    """Extents may be re-encoded narrower without asking."""
    suspicious: int = 0
    """Errors of the disk lately."""
    jobs: tuple[str, ...] = ()
    obstacle: str = ""
    """Why it cannot be done at all, whatever else holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A judgement with its reasons, the deciding one first."""

    judged: Judged
    reasons: tuple[str, ...]
    lowers_redundancy: bool = False
    suggestion: str = ""


@dataclass(slots=True)
class _Grounds:
    """Reasons while they are collected."""

    blocks: list[str] = field(default_factory=list)
    risks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(facts: PlanFacts) -> Ruling:
    """Return what is to be said of a verb."""
    grounds = _Grounds()
    if facts.obstacle:
        grounds.blocks.append(facts.obstacle)
    match facts.verb:
        case DiskVerb.DRAIN:
            _judge_drain(facts, grounds)
        case DiskVerb.REPLACE:
            _judge_replace(facts, grounds)
        case DiskVerb.REMOVE:
            _judge_remove(facts, grounds)
        case DiskVerb.FAIL:
            _judge_fail(facts, grounds)
        case DiskVerb.DETACH:
            _judge_detach(facts, grounds)
        case DiskVerb.ATTACH | DiskVerb.HEAL:
            _judge_return(facts, grounds)
    grounds.notes += (f"{job} at the same time; both get slower" for job in facts.jobs)
    judged = Judged.SAFE
    if grounds.blocks:
        judged = Judged.BLOCKED
    elif grounds.risks:
        judged = Judged.RISKY
    return Ruling(
        judged=judged,
        reasons=(*grounds.blocks, *grounds.risks, *grounds.notes),
        lowers_redundancy=_lowers_redundancy(facts, judged),
        suggestion=_suggestion(facts, judged),
    )


def _judge_drain(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.state is DiskState.FAILED:
        grounds.blocks.append(f"{facts.name} is marked failed: its data is rebuilt elsewhere")
    elif facts.state is DiskState.DRAINING:
        grounds.blocks.append(f"{facts.name} is draining already")
    if facts.detached or not facts.present:
        grounds.blocks.append(f"{facts.name} is not there: replace it, or mark it failed")
    _judge_move(facts, grounds)
    grounds.risks += _thinner(facts)
    grounds.notes.append("nothing leaves the disk before its copy elsewhere is safe")


def _judge_replace(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.detached:
        grounds.blocks.append(f"{facts.name} is detached: attach it, or mark it failed, first")
    _judge_move(facts, grounds)
    if facts.present and facts.state is not DiskState.FAILED:
        grounds.notes.append("nothing leaves the old disk before its copy on the new one is safe")
        return
    if facts.assessment.lost.extents:
        grounds.risks.append(f"{_lost(facts)} without {facts.name}; that cannot be rebuilt")
    grounds.notes.append("what the old disk had is rebuilt from the others")


def _judge_remove(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.fragments:
        grounds.blocks.append(
            f"{facts.fragments:,} fragments are on {facts.name}: drain it, or mark it failed, first"
        )
    _judge_journals(facts, grounds)
    grounds.risks += _thinner(facts)
    if not facts.fragments:
        grounds.notes.append(f"no data is on {facts.name}")


def _judge_fail(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.state is DiskState.FAILED:
        grounds.blocks.append(f"{facts.name} is marked failed already")
        return
    if facts.present and facts.assessment.lost.extents:
        grounds.blocks.append(f"{_lost(facts)} without {facts.name}")
    if facts.present:
        _judge_journals(facts, grounds)
    _judge_exposure(facts, grounds)
    if facts.homeless_fragments and not facts.narrows:
        grounds.risks.append("what it had cannot be rebuilt: there is no other disk for it")
    elif facts.homeless_bytes:
        grounds.risks.append(
            f"what it had cannot all be rebuilt: {format_bytes(facts.homeless_bytes)} have no room"
        )
    grounds.risks += _thinner(facts)
    grounds.notes.append("what it had is rebuilt on the others at once")


def _judge_detach(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.detached:
        grounds.blocks.append(f"{facts.name} is detached already")
        return
    if not facts.present:
        grounds.blocks.append(f"{facts.name} is not there")
    if facts.assessment.lost.extents:
        grounds.blocks.append(f"{_lost(facts)} while {facts.name} is away")
    _judge_journals(facts, grounds)
    _judge_exposure(facts, grounds)
    if facts.assessment.degraded.extents:
        count = facts.assessment.degraded.extents
        grounds.notes.append(f"{count:,} extents survive one loss less until it is back")
    grounds.notes.append("nothing is rebuilt while it is away; attach it when it is back")


def _judge_return(facts: PlanFacts, grounds: _Grounds) -> None:
    """``attach`` and ``heal``: the disk is to be used again."""
    if facts.verb is DiskVerb.ATTACH and facts.present:
        grounds.blocks.append(f"{facts.name} is there already")
    if facts.verb is DiskVerb.HEAL:
        if facts.state is DiskState.HEALTHY:
            grounds.blocks.append(f"{facts.name} is healthy already")
        if not facts.present:
            grounds.blocks.append(f"{facts.name} is not there: bring it back first")
        if facts.suspicious:
            grounds.risks.append(f"it had {facts.suspicious:,} errors lately: scrub it afterwards")
    grounds.notes.append("every read of it is checked, as ever")


def _judge_move(facts: PlanFacts, grounds: _Grounds) -> None:
    """Whether what the disk has finds a place."""
    if facts.homeless_fragments and not facts.narrows:
        grounds.blocks.append(
            f"{facts.homeless_fragments:,} fragments have no disk to go to:"
            " every other healthy disk has one of their extent; add a disk first"
        )
    if facts.homeless_bytes:
        grounds.blocks.append(
            f"{format_bytes(facts.homeless_bytes)} have no room on the other disks:"
            " add a disk, or delete data, first"
        )
    if facts.fullest_ratio > FULL_RATIO:
        grounds.risks.append(f"{facts.fullest} gets {facts.fullest_ratio:.0%} full")
    if facts.may_fail == 0 and facts.fragments:
        grounds.risks.append("the next disk to fail may cost data already now")


def _judge_journals(facts: PlanFacts, grounds: _Grounds) -> None:
    if facts.carriers_left < facts.carriers_needed:
        grounds.blocks.append(
            f"only {facts.carriers_left} disks would be left to carry the journals,"
            f" {facts.carriers_needed} are needed: add a disk first"
        )


def _judge_exposure(facts: PlanFacts, grounds: _Grounds) -> None:
    exposed = facts.assessment.exposed
    if facts.present and exposed.extents:
        grounds.risks.append(
            f"{format_bytes(exposed.length_bytes)} in {exposed.extents:,} extents would survive"
            " no further loss"
        )


def _thinner(facts: PlanFacts) -> Iterator[str]:
    """Whether new data can have its full width without the disk."""
    if facts.state is DiskState.HEALTHY and facts.healthy_left < facts.width:
        yield (
            f"{facts.healthy_left} healthy disks are left for {facts.width} fragments an extent:"
            " new data is written narrower"
        )


def _lost(facts: PlanFacts) -> str:
    lost = facts.assessment.lost
    return f"{format_bytes(lost.length_bytes)} in {lost.extents:,} extents could not be read"


def _lowers_redundancy(facts: PlanFacts, judged: Judged) -> bool:
    """Whether the operator is to type the disk's name."""
    match facts.verb:
        case DiskVerb.FAIL:
            return facts.present and facts.fragments > 0
        case DiskVerb.DETACH:
            return judged is Judged.RISKY
        case DiskVerb.REMOVE:
            return judged is Judged.RISKY
        case _:
            return False


def _suggestion(facts: PlanFacts, judged: Judged) -> str:
    if facts.verb is DiskVerb.FAIL and facts.present and judged is not Judged.SAFE:
        return f"drain {facts.name} instead: it is read from until all of it is elsewhere"
    if facts.verb is DiskVerb.DETACH and judged is Judged.RISKY:
        return "wait until what is degraded is rebuilt"
    return ""
