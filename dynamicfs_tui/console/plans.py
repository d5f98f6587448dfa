"""What a verb would mean for the pool, computed from the view before it is asked for.

Pure functions: a dialog shows their result. They judge by the worst case,
because a view says how many disks may fail, not which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dynamicfs_tui.console.header_lines import may_fail_text
from dynamicfs_tui.console.text import duration, safe
from engine.status.views import DiskView, PoolView
from engine.units import format_bytes

FAILED = "failed"
HEALTHY = "healthy"


class PlanVerdict(StrEnum):
    """Whether the operator should, should not, or may not."""

    SAFE = "SAFE"
    RISKY = "RISKY"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a dialog shows before a verb runs."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """Name and text of each consequence."""
    verdict: PlanVerdict
    why: str
    confirm: str
    """Words on the choice that acts."""
    typed_name: str = ""
    """What must be typed first; empty when nothing must be."""


def plan_scrub(view: PoolView) -> Plan:
    """Return what reading every fragment means."""
    return Plan(
        title="Scrub the pool",
        facts=(
            ("reads", _fragments(view)),
            ("changes", "nothing: damage is reported, not repaired"),
            ("load", "reads from all disks; may slow users down; X stops it"),
            *_other_jobs(view),
        ),
        verdict=PlanVerdict.SAFE,
        why="no data is changed",
        confirm="start scrub",
    )


def plan_repair(view: PoolView) -> Plan:
    """Return what a scrub that repairs means."""
    return Plan(
        title="Scrub the pool and repair",
        facts=(
            ("reads", _fragments(view)),
            ("changes", "damaged or missing fragments are made again from intact ones"),
            ("load", "reads from all disks, writes what it repairs; X stops it"),
            *_other_jobs(view),
        ),
        verdict=PlanVerdict.SAFE,
        why="a repair copies first and deletes last",
        confirm="start scrub with repair",
    )


def plan_stop_scrub(view: PoolView) -> Plan:
    """Return what is left undone when the scrub ends now."""
    job = view.scrub
    left = max(0, job.total_fragments - job.done_fragments)
    found = job.corrupt + job.missing + job.misplaced + job.parity_mismatches
    return Plan(
        title="Stop the running scrub",
        facts=(
            ("checked", f"{job.done_fragments:,} of {job.total_fragments:,} fragments"),
            ("unchecked", f"{left:,} fragments stay unchecked"),
            ("found", f"{found:,} damaged so far"),
        ),
        verdict=PlanVerdict.SAFE,
        why="no data is changed",
        confirm="stop scrub",
    )


def plan_rebuild(view: PoolView) -> Plan:
    """Return what starting the rebuild without its delay means."""
    job, exposure = view.reconcile, view.exposure
    missing = [disk for disk in view.disks if not disk.present]
    facts = [
        ("rebuilds", f"{exposure.degraded_extents:,} extents with fragments missing"),
        ("protects", _exposed(view)),
    ]
    if job.waiting_s > 0:
        facts.append(("instead of", f"waiting {duration(job.waiting_s)} more"))
    if missing:
        names = ", ".join(safe(disk.name) for disk in missing)
        facts.append(("missing", f"{names}: should it come back soon, waiting writes less"))
    return Plan(
        title="Start the rebuild now",
        facts=tuple(facts),
        verdict=PlanVerdict.SAFE,
        why="copies first, deletes last; no data is at risk from it",
        confirm="start rebuild",
    )


def plan_fail(view: PoolView, disk: DiskView) -> Plan:
    """Return what happens to the pool when *disk* counts as failed."""
    counts_now = disk.present and disk.state != FAILED
    may_fail = view.exposure.may_fail
    after = may_fail - 1 if counts_now else may_fail
    targets = [d for d in view.disks if d.uuid != disk.uuid and d.present and d.state == HEALTHY]
    free_bytes = sum(target.free_bytes for target in targets)
    verdict, why = _judge_failing(view, disk, after, free_bytes)
    tolerance = "data would be lost" if after < 0 else may_fail_text(after)
    return Plan(
        title=f"Mark disk {safe(disk.name)} as failed",
        facts=(
            ("disk", f"{safe(disk.path)}  {disk.state.upper()}"),
            ("rebuilds", f"{disk.fragment_count:,} extents, {format_bytes(disk.fragment_bytes)}"),
            ("onto", f"{len(targets)} healthy disks with {format_bytes(free_bytes)} free"),
            ("now", may_fail_text(may_fail)),
            ("after", f"{tolerance}, until it is rebuilt"),
            *_other_jobs(view),
        ),
        verdict=verdict,
        why=why,
        confirm=f"mark {safe(disk.name)} failed",
        typed_name=disk.name,
    )


def _judge_failing(
    view: PoolView, disk: DiskView, after: int, free_bytes: int
) -> tuple[PlanVerdict, str]:
    if after < 0:
        return PlanVerdict.BLOCKED, "data would be lost: no more disks may fail"
    if not disk.present and view.exposure.lost_extents:
        return PlanVerdict.RISKY, "lost data may still be on it: bring the disk back instead"
    if free_bytes < disk.fragment_bytes:
        return PlanVerdict.RISKY, "the other disks have too little room to rebuild it"
    if after == 0:
        return PlanVerdict.RISKY, "one more loss during the rebuild would lose data"
    if view.reconcile.active:
        return PlanVerdict.RISKY, "a rebuild is running already"
    return PlanVerdict.SAFE, "what it holds exists elsewhere"


def plan_heal(view: PoolView, disk: DiskView) -> Plan:
    """Return what happens when *disk* is trusted again."""
    suspicious = disk.errors + disk.corruptions
    return Plan(
        title=f"Mark disk {safe(disk.name)} as healthy",
        facts=(
            ("disk", f"{safe(disk.path)}  {disk.state.upper()}"),
            ("because", safe(disk.reason) or "no reason noted"),
            ("errors", f"{disk.errors:,} I/O, {disk.corruptions:,} corrupt since the pool opened"),
            ("after", "it takes new data again and counts for redundancy"),
            ("now", may_fail_text(view.exposure.may_fail)),
        ),
        verdict=PlanVerdict.RISKY if suspicious else PlanVerdict.SAFE,
        why=(
            "it had errors: scrub afterwards (S)"
            if suspicious
            else "every read of it is checked, as ever"
        ),
        confirm=f"mark {safe(disk.name)} healthy",
    )


def plan_quit(view: PoolView) -> Plan:
    """Return what ends when this console ends."""
    facts = [
        ("mount", safe(view.mountpoint) or "not mounted by this console"),
        ("unsaved", f"{format_bytes(view.activity.dirty_bytes)} to write before it closes"),
    ]
    if view.reconcile.active:
        facts.append(("rebuild", "runs; it goes on after the next start"))
    if view.scrub.running:
        facts.append(("scrub", "runs; it stops"))
    busy = view.reconcile.active or view.scrub.running or view.exposure.degraded_extents > 0
    return Plan(
        title=f"Quit: this console runs the pool {safe(view.name)}",
        facts=tuple(facts),
        verdict=PlanVerdict.RISKY if busy else PlanVerdict.SAFE,
        why=(
            "the pool is repaired only while it is open"
            if busy
            else "the pool is closed cleanly; its files are out of reach until it is opened again"
        ),
        confirm="quit",
    )


def _fragments(view: PoolView) -> str:
    present = [disk for disk in view.disks if disk.present]
    count = sum(disk.fragment_count for disk in present)
    size = sum(disk.fragment_bytes for disk in present)
    return f"{count:,} fragments, {format_bytes(size)} on {len(present)} disks"


def _exposed(view: PoolView) -> str:
    exposure = view.exposure
    parts = [
        f"{exposure.zero_extents:,} extents that survive no more loss",
        f"{exposure.one_extents:,} that survive one",
    ]
    return ", ".join(parts)


def _other_jobs(view: PoolView) -> tuple[tuple[str, str], ...]:
    facts: list[tuple[str, str]] = []
    if view.reconcile.active:
        facts.append(("meanwhile", "a rebuild is running; both get slower"))
    if view.scrub.running:
        facts.append(("meanwhile", "a scrub is running; both get slower"))
    return tuple(facts)
