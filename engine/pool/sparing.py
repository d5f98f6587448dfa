"""Spares: disks that wait for another one to fail."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import ReadOnlyError, UsageError
from engine.model.disk import DiskState
from engine.model.redundancy import fragment_count
from engine.observe.events import EventSeverity
from engine.pool.pool import Pool


def set_spare(pool: Pool, disk: str, *, spare: bool) -> str:
    """Make *disk* a spare, or an ordinary disk; return one sentence.

    What a disk holds stays on it: a spare that healed goes on holding that.

    Raises:
        ReadOnlyError: nothing can be changed now.
        UsageError: too few ordinary disks would be left for the pool's redundancy.
    """
    if reason := pool.engine.refusal():
        raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
    membership, base = pool.membership, pool.engine.base
    with membership.lock:
        record = membership.find(disk)
        marks = {one.record.disk_id: one.marks for one in base.disks.presences()}[record.disk_id]
        word = "a spare" if spare else "an ordinary disk"
        if marks.spare == spare:
            return f"{record.name} is {word} already"
        if spare:
            _require_others(pool, record.name)
        membership.commit_marks(record, replace(marks, spare=spare))
    base.events.record(
        EventSeverity.INFO, record.name, f"{record.name} was made {word} by the operator"
    )
    membership.settle_journal_set()
    pool.engine.measure_space()
    pool.maintenance.wake.set()
    held = pool.figures.newest().disk_fragments.get(record.disk_id, 0)
    stays = f"; the {held} fragments on it stay until they are moved" if spare and held else ""
    return f"{record.name} is {word} now{stays}"


def _require_others(pool: Pool, name: str) -> None:
    """Refuse when the full width would not find its disks any more (P6)."""
    redundancy = pool.engine.properties.redundancy
    others = sum(
        one.record.name != name
        and not one.marks.spare
        and one.record.state not in (DiskState.FAILED, DiskState.DRAINING)
        for one in pool.engine.base.disks.presences()
    )
    needed = fragment_count(redundancy)
    if others < needed:
        raise UsageError(
            f"{redundancy} needs {needed} ordinary disks, {others} would be left without {name}"
        )
