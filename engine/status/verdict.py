"""What is not well in a pool, worst first, each with its code. Pure.

The verdict is the worst condition that needs mending; conditions that the
operator should only know of (their word is ``ok``) are told behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from engine.model.disk import DiskState
from engine.policy.capacity import reserve_bytes
from engine.policy.health import DEFAULT_THRESHOLDS, Observation, is_slow
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.pending import compaction_sentence, pending_advice, pending_sentence
from engine.status.sentences import countdown, counted, joined, progress, span
from engine.status.views import (
    CapacityView,
    DiskView,
    ExposureView,
    HealthWord,
    ReconcileView,
    ScrubView,
    VerdictView,
)

STUCK_S: Final = 10.0
"""A thread that looks at groups or figures turns several times a second; this long
without a turn it is held by something."""

STUCK_AT_DISKS_S: Final = 45.0
"""Threads that call disks may wait for one call (30 s) before they turn again."""

AT_DISKS: Final = frozenset({"health", "maintenance", "probe"})

NEARLY_FULL_RATIO: Final = 0.1
SCRUB_DUE_S: Final = 35 * 86400.0
"""A month and a few days: what manuals of disks and of other pools advise."""

SCRUB_GRACE_S: Final = 86400.0
"""How long behind its schedule a scrub is not called overdue: machines sleep."""

_NS: Final = 1e9
_ORDER: Final = {code: place for place, code in enumerate(MEANINGS)}
_UNWELL: Final = {
    DiskState.DEGRADED: Code.DISK_DEGRADED,
    DiskState.SUSPECT: Code.DISK_SUSPECT,
    DiskState.DRAINING: Code.DISK_DRAINING,
}

Finding = tuple[Code, str, str]
"""A code, what it is about (a disk; empty for the pool), and one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCondition:
    """What conditions rest on: views, and what no view carries."""

    disks: tuple[DiskView, ...]
    exposure: ExposureView
    reconcile: ReconcileView
    scrub: ScrubView
    capacity: CapacityView
    damaged_fragments: int = 0
    tolerance: int
    wanted_width: int
    """Fragments of an extent with the full redundancy."""
    writable: bool
    read_only_reason: str = ""
    read_only_wanted: bool = False
    """The operator opened it read-only: no reason to worry."""
    full: bool = False
    journals_missing: tuple[str, ...] = ()
    """Disks of the journal set that do not answer."""
    journals_behind: tuple[str, ...] = ()
    """Disks of the journal set that answer and lack records."""
    forced: bool = False
    metadata_damage: str = ""
    audit_problem: str = ""
    checkpoint_problem: str = ""
    clock_jump_s: float = 0.0
    heartbeats: Mapping[str, float] = field(default_factory=dict)
    """Seconds since each thread's last turn, beyond the rest it asked for."""
    created_ns: int = 0
    """When the pool was made (epoch nanoseconds); 0 is not known."""
    now_ns: int = 0


def conditions_of(condition: PoolCondition) -> tuple[VerdictView, ...]:
    """Return everything that is not well or worth knowing, worst first."""
    found = sorted(_findings(condition), key=lambda one: _ORDER[one[0]])
    return tuple(
        told(code, sentence, subject=subject, action=advice_of(code, condition))
        for code, subject, sentence in found
    )


def verdict_of(condition: PoolCondition) -> VerdictView:
    """Return the worst condition that needs mending, or that all is well."""
    conditions = conditions_of(condition)
    if conditions and conditions[0].word is not HealthWord.OK:
        return conditions[0]
    return told(Code.ALL_WELL, _all_well(condition))


def advice_of(code: Code, condition: PoolCondition) -> str:
    """Return what helps in this very case; empty where the catalog's advice always does."""
    if code is Code.PENDING:
        return pending_advice(condition.reconcile)
    if code is Code.DISK_MISSING and _is_all_rebuilt(condition):
        return "Bring the disk back, or replace it."
    answering = all(one.present and one.state is not DiskState.FAILED for one in condition.disks)
    if code is Code.AT_RISK and condition.damaged_fragments and answering:
        return "Run a scrub with repair now."
    return ""


def _is_all_rebuilt(condition: PoolCondition) -> bool:
    """Whether no rebuild is left to start: every extent has the fragments it is to have."""
    work = condition.reconcile
    return not (condition.exposure.degraded_extents or work.active or work.waiting_s > 0)


def told(code: Code, sentence: str, *, subject: str = "", action: str = "") -> VerdictView:
    """Return *sentence* with what the catalog says of *code*; *action* takes its advice's place."""
    meaning = MEANINGS[code]
    return VerdictView(
        word=meaning.word,
        code=str(code),
        sentence=sentence,
        action=action or meaning.action,
        subject=subject,
    )


def stuck_thread(heartbeats: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the thread that is longest over its bound, with its seconds, or None.

    >>> stuck_thread({"group-timer": 0.2, "maintenance": 30.0})
    >>> stuck_thread({"group-timer": 12.0, "maintenance": 30.0})
    ('group-timer', 12.0)
    """
    late = [
        (age_s, name)
        for name, age_s in heartbeats.items()
        if age_s > (STUCK_AT_DISKS_S if name in AT_DISKS else STUCK_S)
    ]
    if not late:
        return None
    age_s, name = max(late)
    return name, age_s


def _findings(condition: PoolCondition) -> Iterator[Finding]:
    yield from _data_findings(condition)
    yield from _engine_findings(condition)
    for disk in condition.disks:
        yield from _disk_findings(disk, condition)
    yield from _work_findings(condition)
    yield from _scrub_findings(condition)
    yield from _journal_findings(condition)


def _data_findings(condition: PoolCondition) -> Iterator[Finding]:
    """Yield what is lost, exposed, damaged, or has no room."""
    exposure, work, capacity = condition.exposure, condition.reconcile, condition.capacity
    if exposure.lost_extents:
        extents = counted(exposure.lost_extents, "extent")
        text = f"{extents} cannot be read: too few of their fragments are left."
        yield Code.DATA_LOST, "", text
    if work.irrecoverable:
        files = counted(len(work.irrecoverable), "file")
        text = f"{files} cannot be mended: {joined(work.irrecoverable)}."
        yield Code.IRRECOVERABLE, "", text
    if exposure.may_fail == 0 and condition.tolerance > 0:
        text = f"The next disk to fail may cost data. {progress(work)}".strip()
        yield Code.AT_RISK, "", text
    if condition.damaged_fragments:
        fragments = counted(condition.damaged_fragments, "fragment")
        yield Code.DAMAGED, "", f"{fragments} damaged; every file can be read."
    if condition.full:
        text = f"No more data fits with the redundancy asked for.{compaction_sentence(work)}"
        yield Code.POOL_FULL, "", text
    elif capacity.free_bytes < NEARLY_FULL_RATIO * capacity.total_bytes:
        free = 100 * capacity.free_bytes / capacity.total_bytes
        yield Code.POOL_NEARLY_FULL, "", f"The pool is nearly full: {free:.0f} % is free."


def _engine_findings(condition: PoolCondition) -> Iterator[Finding]:
    """Yield what the engine tells of itself and of the pool directory."""
    reason = condition.read_only_reason
    if condition.read_only_wanted:
        yield Code.READ_ONLY_WANTED, "", "The pool is opened read-only, as asked."
    elif not condition.writable:
        code = Code.QUORUM_MISSING if "journal" in reason else Code.STOPPED
        yield code, "", f"The pool is read-only: {reason}."
    if stuck := stuck_thread(condition.heartbeats):
        name, age_s = stuck
        yield Code.ENGINE_STUCK, name, f"The engine's {name} has not moved for {span(age_s)}."
    if condition.metadata_damage:
        text = f"The metadata database is damaged: {condition.metadata_damage}."
        yield Code.METADATA_DAMAGED, "", text
    if condition.forced:
        yield Code.FORCED_OPEN, "", "The pool was opened by force, and remembers it."
    if condition.clock_jump_s:
        way = "forward" if condition.clock_jump_s > 0 else "back"
        text = f"The clock was set {way} by {span(abs(condition.clock_jump_s))}."
        yield Code.CLOCK_JUMPED, "", text
    if condition.audit_problem:
        text = f"The audit trail cannot be written: {condition.audit_problem}."
        yield Code.AUDIT_SILENT, "", text


def _disk_findings(disk: DiskView, condition: PoolCondition) -> Iterator[Finding]:
    """Yield what is wrong with one disk: at most one state, then what it suffers from."""
    name, work = disk.name, condition.reconcile
    if disk.detached:
        yield Code.DISK_DETACHED, name, f"Disk {name} is detached for maintenance."
        return
    gone = disk.state is DiskState.FAILED or not disk.present
    if gone and _is_made_good(disk, condition):
        return
    if disk.state is DiskState.FAILED:
        yield Code.DISK_FAILED, name, f"Disk {name} failed. {progress(work)}".strip()
        return
    if not disk.present:
        yield Code.DISK_MISSING, name, f"Disk {name} is missing. {countdown(work)}".strip()
        return
    yield from _ailments(disk, condition)
    if code := _UNWELL.get(disk.state):
        why = f": {disk.reason}" if disk.reason else ""
        yield code, name, f"Disk {name} is {disk.state}{why}."


def _ailments(disk: DiskView, condition: PoolCondition) -> Iterator[Finding]:
    name = disk.name
    if disk.smart.startswith("failed"):
        yield Code.DISK_SMART, name, f"The drive of disk {name} predicts its failure: {disk.smart}."
    if _is_slow(disk, condition.disks):
        slowest = span(disk.latency_p99_s)
        yield Code.DISK_SLOW, name, f"Disk {name} is slow: its slowest calls take {slowest}."
    if disk.lifetime.recent:
        errors = counted(disk.lifetime.recent, "error")
        yield Code.DISK_ERRORS, name, f"Disk {name} made {errors} in the last ten minutes."
    if disk.total_bytes and disk.free_bytes <= reserve_bytes(disk.total_bytes):
        yield Code.DISK_FULL, name, f"Disk {name} is full; new data goes to the others."


def _is_slow(disk: DiskView, disks: tuple[DiskView, ...]) -> bool:
    """Whether the disk is slow against the others of its tier, as health judges it."""
    siblings = [
        one.latency_p99_s
        for one in disks
        if one is not disk and one.tier is disk.tier and one.latency_p99_s > 0
    ]
    seen = Observation(
        p99_s=disk.latency_p99_s, siblings_p99_s=median(siblings) if siblings else 0.0
    )
    return is_slow(seen, DEFAULT_THRESHOLDS.slow_ratio, DEFAULT_THRESHOLDS.slow_floor_s)


def _is_made_good(disk: DiskView, condition: PoolCondition) -> bool:
    """Whether the pool has all it wants without *disk*."""
    healthy = sum(one.present and one.state is DiskState.HEALTHY for one in condition.disks)
    return (
        healthy >= condition.wanted_width
        and not condition.exposure.degraded_extents
        and not disk.fragment_count
        and condition.reconcile.waiting_s <= 0
    )


def _work_findings(condition: PoolCondition) -> Iterator[Finding]:
    work = condition.reconcile
    # Widening, draining and rebalancing are no repair: nothing is less than it was.
    lacking = bool(condition.exposure.degraded_extents or condition.damaged_fragments)
    if work.paused and lacking:
        yield Code.REBUILD_PAUSED, "", "The rebuild is paused by the operator."
    elif work.cancelled and lacking:
        yield Code.REBUILD_CANCELLED, "", "The rebuild was cancelled by the operator."
    elif work.active and lacking:
        yield Code.REBUILDING, "", progress(work)
    if text := pending_sentence(work):
        yield Code.PENDING, "", text
    if work.failed_items:
        extents = counted(work.failed_items, "extent")
        yield Code.REBUILD_FAILING, "", f"{extents} could not be mended."


def _scrub_findings(condition: PoolCondition) -> Iterator[Finding]:
    scrub, now_ns = condition.scrub, condition.now_ns
    if scrub.paused:
        yield Code.SCRUB_PAUSED, "", "The scrub is paused by the operator."
    if scrub.metadata_damaged:
        files = counted(scrub.metadata_damaged, "journal or checkpoint file")
        yield Code.JOURNAL_FILES_DAMAGED, "", f"{files} damaged; others hold the same."
    late_s = (now_ns - scrub.next_ns) / _NS if scrub.next_ns else 0.0
    # A pool that was never wholly scrubbed is as unread as it is old.
    since_ns = scrub.whole_ns or condition.created_ns
    age_s = (now_ns - since_ns) / _NS if since_ns else 0.0
    if scrub.running or (late_s <= SCRUB_GRACE_S and age_s <= SCRUB_DUE_S):
        return
    if scrub.whole_ns:
        text = f"The last scrub of everything ended {span(age_s)} ago."
    elif age_s > SCRUB_DUE_S:
        text = f"No scrub of everything has ended yet, and the pool is {span(age_s)} old."
    else:
        text = "The scheduled scrub is late."
    yield Code.SCRUB_OVERDUE, "", text


def _journal_findings(condition: PoolCondition) -> Iterator[Finding]:
    for name in condition.journals_missing:
        yield Code.JOURNALS_SHORT, name, f"Journal disk {name} does not answer."
    if problem := condition.checkpoint_problem:
        yield Code.CHECKPOINT_ROOM, "", f"No checkpoint is made, and journals grow: {problem}."
    for name in condition.journals_behind:
        yield Code.JOURNALS_BEHIND, name, f"Journal disk {name} lags behind."


def _all_well(condition: PoolCondition) -> str:
    text = "All is well"
    if condition.exposure.may_fail:
        few = condition.exposure.may_fail
        text += f": any {'disk' if few == 1 else f'{few} disks'} may fail"
    gone = [
        disk.name for disk in condition.disks if not disk.present or disk.state is DiskState.FAILED
    ]
    return f"{text}." + (f" Without {', '.join(gone)}." if gone else "")
