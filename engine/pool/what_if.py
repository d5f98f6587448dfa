"""Answers what the loss of some disks would mean, from the metadata alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import UsageError
from engine.ids import DiskId
from engine.model.disk import DiskRecord
from engine.model.redundancy import fragment_count, narrowed
from engine.policy.what_if import Assessment
from engine.pool.outlook import Lookout, Outlook
from engine.pool.pool import Pool
from engine.pool.work_rate import seconds_for
from engine.status.answers import HealedView, Judgement, WhatIfView
from engine.units import format_bytes


class WhatIf:
    """Looks ahead for one pool. Any thread; changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._lookout: Final = Lookout(pool.engine)

    def answer(self, disks: Sequence[str]) -> WhatIfView:
        """Return what it would mean if all of *disks* were gone now, at once.

        Files that were not synced yet are not in it: their bytes are on no disk.

        Raises:
            UsageError: *disks* is empty or names no disk.
        """
        if not disks:
            raise UsageError("name at least one disk")
        found = {one.disk_id: one for one in map(self._pool.membership.find, disks)}
        records = [found[disk_id] for disk_id in sorted(found)]
        outlook = self._lookout.look(frozenset(found), names=True)
        assessment = outlook.assessment
        lost_files = outlook.lost.files()
        fits = not outlook.healing.short_extents
        return WhatIfView(
            disks=tuple(one.name for one in records),
            judgement=_judgement(outlook),
            sentence=_sentence(outlook),
            lost_extents=assessment.lost.extents,
            lost_bytes=assessment.lost.length_bytes,
            exposed_extents=assessment.exposed.extents,
            exposed_bytes=assessment.exposed.length_bytes,
            degraded_extents=assessment.degraded.extents,
            degraded_bytes=assessment.degraded.length_bytes,
            unaffected_extents=assessment.unaffected.extents,
            unaffected_bytes=assessment.unaffected.length_bytes,
            lost_files=len(lost_files),
            exposed_files=len(outlook.exposed.files()),
            lost_paths=outlook.lost.paths(lost_files),
            writable=outlook.journals.writable,
            rebuild_bytes=assessment.rebuild_bytes,
            fits=fits,
            free_bytes=self._free_bytes(frozenset(found)),
            rebuild_s=seconds_for(self._pool, assessment.rebuild_bytes),
            may_fail_during=outlook.may_fail_after,
            healed=self._healed(outlook),
            advice=_advice(records, outlook, fits=fits),
        )

    def _healed(self, outlook: Outlook) -> HealedView:
        ordinary = [one for one in outlook.forecast.targets if not one.spare]
        redundancy = narrowed(self._pool.engine.properties.redundancy, len(ordinary))
        return HealedView(
            redundancy="" if redundancy is None else str(redundancy),
            width=0 if redundancy is None else fragment_count(redundancy),
            may_fail=outlook.may_fail_healed,
            narrowed_extents=outlook.healing.narrowed_extents,
            short_extents=outlook.healing.short_extents,
        )

    def _free_bytes(self, lost: frozenset[DiskId]) -> int:
        """Return what is free on the disks that are left, each device once."""
        spaces = self._pool.engine.base.disks.spaces()
        free = {one.group: max(0, one.free_bytes) for one in spaces if one.disk_id not in lost}
        return sum(free.values())


def _judgement(outlook: Outlook) -> Judgement:
    if outlook.assessment.lost.extents:
        return Judgement.BLOCKED
    if outlook.assessment.exposed.extents or not outlook.journals.writable:
        return Judgement.RISKY
    return Judgement.SAFE


def _sentence(outlook: Outlook) -> str:
    """Return the worst in one sentence."""
    assessment = outlook.assessment
    if assessment.lost.extents:
        return (
            f"{format_bytes(assessment.lost.length_bytes)} in"
            f" {_extents(assessment.lost.extents)} could not be read any more."
        )
    if not outlook.journals.writable:
        return "Nothing is lost, and the pool would be read-only."
    if assessment.exposed.extents:
        return (
            "Nothing is lost, and the next loss would cost"
            f" {format_bytes(assessment.exposed.length_bytes)} in"
            f" {_extents(assessment.exposed.extents)}."
        )
    if not _is_touched(assessment):
        return "Nothing is lost, and nothing is on them."
    count = outlook.may_fail_after
    return f"Nothing is lost, and {count} more {'disk' if count == 1 else 'disks'} may fail."


def _is_touched(assessment: Assessment) -> bool:
    return bool(assessment.degraded.extents or assessment.exposed.extents)


def _extents(count: int) -> str:
    return f"{count:,} extent" if count == 1 else f"{count:,} extents"


def _advice(records: Sequence[DiskRecord], outlook: Outlook, *, fits: bool) -> str:
    names = ", ".join(one.name for one in records)
    if outlook.assessment.lost.extents:
        return f"Do not take {names} away; drain one of them first, and wait until it is empty."
    if not outlook.journals.writable:
        return "Take them away one at a time, so that the journals can move."
    if not fits:
        return "Add a disk: what they have could not be rebuilt on the others."
    return ""
