"""The pool in one word, one code, one sentence and one action. Pure.

Codes are stable: scripts and manuals refer to them. 1nnn redundancy is less
than wanted, 2nnn writing is refused, 3nnn the next loss may cost data, 4nnn
data is lost. The worst condition is told; others show in their own places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.maintenance.progress import ReconcileProgress
from engine.maintenance.topology import DiskStatus
from engine.model.disk import DiskState
from engine.status.figures import Figures
from engine.status.views import HealthWord, VerdictView


class Code(StrEnum):
    """Every code there is."""

    ALL_WELL = "DFS-0000"
    DISK_MISSING = "DFS-1001"
    DISK_FAILED = "DFS-1002"
    REBUILDING = "DFS-1003"
    DAMAGED = "DFS-1004"
    PENDING = "DFS-1005"
    DISK_UNWELL = "DFS-1006"
    REBUILD_FAILING = "DFS-1007"
    READ_ONLY = "DFS-2001"
    POOL_FULL = "DFS-2002"
    AT_RISK = "DFS-3001"
    DATA_LOST = "DFS-4001"


@dataclass(frozen=True, slots=True)
class _Meaning:
    word: HealthWord
    action: str


MEANINGS: Final[Mapping[Code, _Meaning]] = MappingProxyType(
    {
        Code.ALL_WELL: _Meaning(HealthWord.OK, "Nothing to do."),
        Code.DISK_MISSING: _Meaning(
            HealthWord.DEGRADED, "Bring the disk back, or start the rebuild now."
        ),
        Code.DISK_FAILED: _Meaning(HealthWord.DEGRADED, "Add a disk in its place."),
        Code.REBUILDING: _Meaning(HealthWord.DEGRADED, "Wait; nothing is lost."),
        Code.DAMAGED: _Meaning(HealthWord.DEGRADED, "Run a scrub with repair."),
        Code.PENDING: _Meaning(HealthWord.DEGRADED, "Add a disk."),
        Code.DISK_UNWELL: _Meaning(HealthWord.DEGRADED, "Replace the disk when you can."),
        Code.REBUILD_FAILING: _Meaning(HealthWord.DEGRADED, "Look at the disks and their events."),
        Code.READ_ONLY: _Meaning(HealthWord.AT_RISK, "Bring missing disks back, then reopen."),
        Code.POOL_FULL: _Meaning(HealthWord.DEGRADED, "Delete files or add a disk."),
        Code.AT_RISK: _Meaning(HealthWord.AT_RISK, "Bring a disk back or add one now."),
        Code.DATA_LOST: _Meaning(
            HealthWord.DATA_LOSS, "Bring missing disks back; else restore the named files."
        ),
    }
)
"""What each code means, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCondition:
    """What a verdict rests on. ``may_fail``: more disks that may fail without loss."""

    disks: tuple[DiskStatus, ...]
    figures: Figures
    reconcile: ReconcileProgress
    tolerance: int
    wanted_width: int
    """Fragments of an extent with the full redundancy."""
    may_fail: int
    writable: bool
    read_only_reason: str = ""
    read_only_wanted: bool = False
    """The operator opened it read-only: no reason to worry."""
    full: bool = False


def verdict_of(condition: PoolCondition) -> VerdictView:
    """Return the verdict: the first condition that holds, worst first."""
    code, sentence = next(_findings(condition))
    meaning = MEANINGS[code]
    return VerdictView(word=meaning.word, code=str(code), sentence=sentence, action=meaning.action)


def _findings(condition: PoolCondition) -> Iterator[tuple[Code, str]]:
    """Yield what is wrong, worst first, and at last that all is well."""
    figures, work = condition.figures, condition.reconcile
    if figures.lost_extents:
        yield (
            Code.DATA_LOST,
            (
                f"{_count(figures.lost_extents, 'extent')} cannot be read:"
                " too few of their fragments are left."
            ),
        )
    if not condition.writable and not condition.read_only_wanted:
        yield Code.READ_ONLY, f"The pool is read-only: {condition.read_only_reason}."
    if condition.may_fail == 0 and condition.tolerance > 0:
        yield Code.AT_RISK, f"The next disk to fail may cost data. {_progress(work)}".strip()
    if condition.full:
        yield Code.POOL_FULL, "No more data fits with the redundancy asked for."
    yield from _disk_findings(condition)
    yield from _work_findings(condition)
    yield Code.ALL_WELL, _all_well(condition)


def _disk_findings(condition: PoolCondition) -> Iterator[tuple[Code, str]]:
    figures, work = condition.figures, condition.reconcile
    # Widening and draining are no repair: nothing is less than it was.
    if work.active and (figures.degraded_extents or figures.damaged_fragments):
        yield Code.REBUILDING, _progress(work)
    if work.pending_items:
        yield Code.PENDING, _pending(work)
    for disk in condition.disks:
        if disk.failed and not _is_made_good(disk, condition):
            yield Code.DISK_FAILED, f"Disk {disk.name} failed. {_progress(work)}".strip()
    for disk in condition.disks:
        if not disk.present and not disk.failed and not _is_made_good(disk, condition):
            yield Code.DISK_MISSING, f"Disk {disk.name} is missing. {_countdown(work)}".strip()


def _is_made_good(disk: DiskStatus, condition: PoolCondition) -> bool:
    """Whether the pool has all it wants without *disk*."""
    healthy = sum(one.takes_fragments for one in condition.disks)
    return (
        healthy >= condition.wanted_width
        and not condition.figures.degraded_extents
        and not condition.figures.disk_fragments.get(disk.disk_id)
        and condition.reconcile.waiting_s <= 0
    )


def _work_findings(condition: PoolCondition) -> Iterator[tuple[Code, str]]:
    figures, work = condition.figures, condition.reconcile
    if figures.damaged_fragments:
        yield (
            Code.DAMAGED,
            (f"{_count(figures.damaged_fragments, 'fragment')} damaged; every file can be read."),
        )
    if work.failed_items:
        yield Code.REBUILD_FAILING, f"{_count(work.failed_items, 'extent')} could not be mended."
    for disk in condition.disks:
        if disk.state not in (DiskState.HEALTHY, DiskState.FAILED):
            yield Code.DISK_UNWELL, f"Disk {disk.name} is {disk.state}."


def _progress(work: ReconcileProgress) -> str:
    if not work.active:
        return ""
    return f"Rebuilding: {work.done_items} of {_count(work.total_items, 'extent')} done."


def _pending(work: ReconcileProgress) -> str:
    reason = next((item.reason for item in work.items if item.state == "pending"), "")
    return f"{_count(work.pending_items, 'extent')} pending: {reason}."


def _countdown(work: ReconcileProgress) -> str:
    if work.waiting_s <= 0:
        return ""
    minutes, seconds = divmod(round(work.waiting_s), 60)
    return f"The rebuild starts in {minutes}:{seconds:02d}."


def _all_well(condition: PoolCondition) -> str:
    text = "All is well"
    if condition.may_fail:
        text += f": any {_disks(condition.may_fail)} may fail"
    gone = [disk.name for disk in condition.disks if not disk.readable]
    return f"{text}." + (f" Without {', '.join(gone)}." if gone else "")


def _count(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> _count(1, "extent"), _count(2, "extent")
    ('1 extent', '2 extents')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _disks(count: int) -> str:
    return "disk" if count == 1 else f"{count} disks"
