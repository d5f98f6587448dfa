"""What a verb would mean for the pool, computed from the view before it is asked for.

Pure functions: a dialog shows their result. They judge by the worst case,
because a view says how many disks may fail, not which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

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
    WAIT = "WAIT"
    """It is being worked out."""


class PoolHolder(Enum):
    """Which process has the pool open."""

    THIS_PROCESS = "this process"
    ANOTHER = "another process"
    """The console is attached to it and only looks; its end ends nothing else."""


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
    later: str = ""
    """Words on the choice that acts when nothing is under way any more; empty: no such choice."""
    typed_name: str = ""
    """What must be typed first; empty when nothing must be."""
    basis: str = ""
    """What the engine found it on; a plan with another basis is another plan."""

    @property
    def can_be_confirmed(self) -> bool:
        """Whether there is anything to agree to."""
        return self.verdict in (PlanVerdict.SAFE, PlanVerdict.RISKY)


def plan_waiting(title: str) -> Plan:
    """Return what is shown while the engine makes a plan."""
    return Plan(
        title=title,
        facts=(),
        verdict=PlanVerdict.WAIT,
        why="the engine works out what it would mean; nothing is changed",
        confirm="",
    )


def plan_refused(title: str, why: str) -> Plan:
    """Return what is shown when the engine would not even plan it."""
    return Plan(title=title, facts=(), verdict=PlanVerdict.BLOCKED, why=safe(why), confirm="")


def plan_scrub(view: PoolView) -> Plan:
    """Return what reading every fragment means."""
    return Plan(
        title="Scrub the pool",
        facts=(
            ("reads", _fragments(view)),
            ("changes", "nothing: damage is reported, not repaired"),
            ("load", "reads from all disks; may slow users down"),
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
            ("load", "reads from all disks, writes what it repairs"),
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


def plan_cancel(view: PoolView) -> Plan:
    """Return what is left undone when this round of the rebuild ends now."""
    job, exposure = view.reconcile, view.exposure
    left = max(0, job.total_items - job.done_items)
    left_bytes = max(0, job.total_bytes - job.done_bytes)
    thin = exposure.zero_extents
    return Plan(
        title="Cancel the rebuild",
        facts=(
            ("done", f"{job.done_items:,} of {job.total_items:,} extents; they stay rebuilt"),
            ("left", f"{left:,} extents, {format_bytes(left_bytes)}"),
            ("exposed", _exposed(view)),
            ("afterwards", "it waits until disks change or it is resumed (P)"),
        ),
        verdict=PlanVerdict.RISKY if thin else PlanVerdict.SAFE,
        why=(
            f"{thin:,} extents survive no more loss until it goes on"
            if thin
            else "nothing is lost by waiting; redundancy stays lower meanwhile"
        ),
        confirm="cancel the rebuild",
    )


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


def plan_leave(view: PoolView) -> Plan:
    """Return what it means to quit a console that is attached to another process."""
    return Plan(
        title=f"Quit: this console is attached to the pool {safe(view.name)}",
        facts=(("afterwards", "the process that has the pool open goes on, with all its jobs"),),
        verdict=PlanVerdict.SAFE,
        why="nothing but this console ends",
        confirm="quit",
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
        later="when idle" if busy_with(view) else "",
        confirm="quit",
    )


def busy_with(view: PoolView) -> tuple[str, ...]:
    """Return what "when idle" waits for; what is not durable yet, closing the pool waits for."""
    job = view.reconcile
    rebuild = job.active and not (job.paused or job.cancelled)
    waiting = job.waiting_s > 0
    scrub = view.scrub.running and not view.scrub.paused
    every = (
        ("the rebuild", rebuild),
        ("the rebuild that waits", waiting and not rebuild),
        ("the scrub", scrub),
    )
    return tuple(name for name, is_so in every if is_so)


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
