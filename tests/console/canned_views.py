"""Scripted views: one pool in each state that the console must show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.model.disk import DiskState, Tier
from engine.status.views import (
    ActivityView,
    CapacityView,
    DiskView,
    EventView,
    ExposureView,
    FindingView,
    HealthWord,
    PoolView,
    ReconcileView,
    ScrubView,
    Severity,
    TierView,
    VerdictView,
    WorkItemView,
    WorkState,
)
from engine.units import GIB, MIB, TIB

NOW_NS = 1_700_000_000_000_000_000
"""2023-11-14 22:13:20 UTC."""


def disk(number: int, **changes: object) -> DiskView:
    """Return disk *number* of the canned pool, healthy unless *changes* say otherwise."""
    tiers = (Tier.HOT, Tier.HOT, Tier.WARM, Tier.WARM, Tier.COLD, Tier.COLD)
    view = DiskView(
        disk_id=number + 1,
        name=f"d{number}",
        uuid=f"{number}{number}c0ffee-0000-4000-8000-00000000000{number}",
        path=f"/mnt/disks/d{number}",
        tier=tiers[number],
        state=DiskState.HEALTHY,
        present=True,
        total_bytes=4 * TIB,
        free_bytes=(2 * TIB) - number * 200 * GIB,
        fragment_count=41_200 + number,
        fragment_bytes=2 * TIB + number * 200 * GIB,
        in_journal_set=number < 5,
        reads=12_000 * (number + 1),
        writes=3_000 * (number + 1),
        read_bytes=90 * GIB,
        write_bytes=20 * GIB,
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def event(sequence: int, severity: Severity, source: str, text: str) -> EventView:
    """Return an event a minute after the one before it."""
    return EventView(
        sequence=sequence,
        time_ns=NOW_NS - (20 - sequence) * 60_000_000_000,
        severity=severity,
        source=source,
        text=text,
    )


BASE_EVENTS = (
    event(1, Severity.INFO, "pool", "opened read-write, epoch 12, generation 88,121"),
    event(2, Severity.INFO, "fuse", "mounted on /srv/tank"),
    event(3, Severity.INFO, "scrub", "finished: 247,000 fragments intact"),
)


def healthy() -> PoolView:
    """Return a pool of six disks with nothing to complain about."""
    return PoolView(
        monotonic_s=1000.0,
        time_ns=NOW_NS,
        name="tank",
        uuid="6b3f2d9e-7f7b-4d52-9a49-5b8f2f1d0a11",
        redundancy="4+2",
        narrow="auto",
        generation=88_130,
        acknowledged_generation=88_130,
        epoch=12,
        writable=True,
        read_only_reason="",
        mountpoint="/srv/tank",
        verdict=VerdictView(
            word=HealthWord.OK,
            code="DFS-0000",
            sentence="All data has its full redundancy.",
            action="Nothing to do.",
        ),
        exposure=ExposureView(more_extents=26_700, more_bytes=9 * TIB, may_fail=2),
        capacity=CapacityView(total_bytes=16 * TIB, free_bytes=7 * TIB, used_bytes=9 * TIB),
        activity=ActivityView(
            read_ops=91_000,
            write_ops=22_000,
            read_bytes=400 * GIB,
            write_bytes=90 * GIB,
            namespace_ops=7_000,
            cache_hits=820,
            cache_misses=180,
            dirty_bytes=12 * MIB,
        ),
        disks=tuple(disk(number) for number in range(6)),
        tiers=(
            _tier(Tier.HOT, 5.6, 9_000),
            _tier(Tier.WARM, 4.8, 9_700),
            _tier(Tier.COLD, 2.1, 8_000),
        ),
        reconcile=ReconcileView(last_result="finished, 0 irrecoverable"),
        scrub=ScrubView(
            started_ns=NOW_NS - 7_200_000_000_000,
            finished_ns=NOW_NS - 3_600_000_000_000,
            done_fragments=247_000,
            total_fragments=247_000,
            done_bytes=13 * TIB,
            total_bytes=13 * TIB,
            intact=247_000,
            runs_completed=41,
        ),
        events=BASE_EVENTS,
    )


def _tier(tier: Tier, free_tib: float, extents: int) -> TierView:
    return TierView(
        tier=tier,
        disk_count=2,
        total_bytes=8 * TIB,
        free_bytes=int(free_tib * TIB),
        fragment_bytes=int((8 - free_tib) * TIB),
        extent_count=extents,
        user_bytes=3 * TIB,
    )


GONE = "directory is gone: input/output error while probing"


def degraded() -> PoolView:
    """Return the pool with two disks missing, waiting for its rebuild delay."""
    view = healthy()
    disks = list(view.disks)
    disks[3] = disk(3, present=False, state=DiskState.SUSPECT, errors=12, reason=GONE)
    disks[5] = disk(5, present=False, state=DiskState.DEGRADED, errors=3, reason="unplugged")
    return replace(
        view,
        disks=tuple(disks),
        verdict=VerdictView(
            word=HealthWord.AT_RISK,
            code="DFS-1002",
            sentence="2 of 6 disks are missing (d3, d5); one more loss would lose data.",
            action="Bring d3 or d5 back, or press B to rebuild onto the others now.",
        ),
        exposure=ExposureView(
            zero_extents=20_100,
            zero_bytes=6 * TIB,
            one_extents=4_600,
            one_bytes=2 * TIB,
            more_extents=2_000,
            more_bytes=1 * TIB,
            may_fail=0,
            degraded_extents=24_700,
        ),
        activity=replace(view.activity, degraded_reads=4_211),
        reconcile=ReconcileView(
            waiting_s=450.0,
            waiting_reason="rebuild delay of d3 and d5 (missing 2m30s of 10m)",
            pending_items=24_700,
        ),
        events=(
            *BASE_EVENTS,
            event(18, Severity.WARNING, "disk", "d5 is missing: unplugged"),
            event(19, Severity.CRITICAL, "disk", f"d3 is missing: {GONE}"),
        ),
    )


def rebuilding() -> PoolView:
    """Return the pool while it rebuilds a failed disk."""
    view = healthy()
    disks = list(view.disks)
    disks[3] = disk(3, state=DiskState.FAILED, present=False, errors=981, reason=GONE)
    items = (
        _item(1042, WorkState.RUNNING, 5, 1, ""),
        _item(1043, WorkState.RUNNING, 2, 1, ""),
        _item(77, WorkState.PENDING, 0, 1, "needs one more disk, or re-encode 3+2: +11 % space"),
        _item(91, WorkState.FAILED, 0, 0, "two sources failed their checksum"),
        *(_item(2000 + number, WorkState.QUEUED, 0, 2, "") for number in range(30)),
    )
    return replace(
        view,
        disks=tuple(disks),
        verdict=VerdictView(
            word=HealthWord.DEGRADED,
            code="DFS-1003",
            sentence="Disk d3 failed; a rebuild is running.",
            action="Replace d3 when convenient: dynamicfs add-disk.",
        ),
        exposure=ExposureView(
            one_extents=15_218,
            one_bytes=5 * TIB,
            more_extents=11_482,
            more_bytes=4 * TIB,
            may_fail=1,
            degraded_extents=15_218,
        ),
        reconcile=ReconcileView(
            active=True,
            done_items=11_482,
            total_items=26_700,
            pending_items=1,
            failed_items=1,
            done_bytes=1_290 * GIB,
            total_bytes=3_000 * GIB,
            written_bytes=1_400 * GIB,
            rate_bytes_s=212.0 * MIB,
            eta_s=4_320.0,
            items=items,
        ),
        events=(
            *BASE_EVENTS,
            event(17, Severity.ERROR, "disk", "d3 failed: 981 write errors in 10 s"),
            event(18, Severity.INFO, "rebuild", "started: 26,700 extents"),
        ),
    )


def _item(
    extent_id: int, state: WorkState, done_mib: int, exposure: int, reason: str
) -> WorkItemView:
    return WorkItemView(
        extent_id=extent_id,
        kind="rebuild",
        state=state,
        exposure=exposure,
        done_bytes=done_mib * MIB,
        total_bytes=8 * MIB,
        reason=reason,
    )


def scrubbing() -> PoolView:
    """Return the pool while a scrub runs and finds nothing."""
    view = healthy()
    return replace(
        view,
        scrub=ScrubView(
            running=True,
            started_ns=NOW_NS - 3_600_000_000_000,
            done_fragments=175_000,
            total_fragments=247_000,
            done_bytes=9 * TIB,
            total_bytes=13 * TIB,
            rate_bytes_s=410.0 * MIB,
            eta_s=10_200.0,
            intact=175_000,
            runs_completed=41,
        ),
    )


def scrub_damage() -> PoolView:
    """Return the pool while a scrub with repair finds damage, a file name being nasty."""
    view = scrubbing()
    findings = (
        FindingView(extent_id=1042, index=3, disk="d2", verdict="corrupt", path="/vm/db01.img"),
        FindingView(
            extent_id=1043, index=0, disk="d2", verdict="corrupt", path="/[b]not markup[/b]"
        ),
        FindingView(
            extent_id=90_411,
            index=5,
            disk="d4",
            verdict="missing",
            path="/photos/2019/a very long trip to somewhere/day one/raw/001.raw",
        ),
        FindingView(
            extent_id=17, index=1, disk="d0", verdict="misplaced", path="/a\x1b[31m\nb\udcff"
        ),
        FindingView(extent_id=18, index=2, disk="d1", verdict="parity", path=""),
    )
    return replace(
        view,
        verdict=VerdictView(
            word=HealthWord.DEGRADED,
            code="DFS-2001",
            sentence="A scrub found 5 damaged fragments; 2 are repaired.",
            action="Let the scrub finish; then look at d2, which had two of them.",
        ),
        scrub=replace(
            view.scrub,
            repair=True,
            intact=174_995,
            corrupt=2,
            missing=1,
            misplaced=1,
            parity_mismatches=1,
            repaired=2,
            findings=findings,
        ),
    )


def data_loss() -> PoolView:
    """Return the pool after three losses: some extents are gone, it is read-only."""
    view = degraded()
    disks = list(view.disks)
    disks[1] = disk(1, present=False, state=DiskState.FAILED, errors=44, reason="write errors")
    return replace(
        view,
        disks=tuple(disks),
        writable=False,
        read_only_reason="fewer than 3 journal disks answer",
        verdict=VerdictView(
            word=HealthWord.DATA_LOSS,
            code="DFS-3001",
            sentence="DATA LOSS: 38 files cannot be read.",
            action="Bring d3 or d5 back; their fragments are what is missing.",
        ),
        exposure=ExposureView(
            lost_extents=1_204,
            lost_bytes=61 * GIB,
            zero_extents=20_000,
            zero_bytes=6 * TIB,
            one_extents=5_496,
            one_bytes=3 * TIB,
            may_fail=0,
            degraded_extents=26_700,
        ),
        reconcile=ReconcileView(last_result="finished, 1,204 irrecoverable", failed_items=1_204),
    )


def empty() -> PoolView:
    """Return a new pool: disks, but no data and no history."""
    view = healthy()
    return replace(
        view,
        name="new",
        mountpoint="",
        exposure=ExposureView(may_fail=2),
        capacity=CapacityView(total_bytes=16 * TIB, free_bytes=16 * TIB, used_bytes=0),
        activity=ActivityView(),
        disks=tuple(
            disk(n, free_bytes=4 * TIB, fragment_count=0, fragment_bytes=0, read_bytes=0)
            for n in range(6)
        ),
        reconcile=ReconcileView(),
        scrub=ScrubView(),
        events=(),
    )


SCENES: Mapping[str, Callable[[], PoolView]] = {
    "healthy": healthy,
    "degraded": degraded,
    "rebuilding": rebuilding,
    "scrubbing": scrubbing,
    "scrub-damage": scrub_damage,
    "data-loss": data_loss,
    "empty": empty,
}


def after(view: PoolView, seconds: float, *, read_mib_s: float, write_mib_s: float) -> PoolView:
    """Return *view* so much later, with traffic in between on all present disks."""
    read = int(read_mib_s * MIB * seconds)
    write = int(write_mib_s * MIB * seconds)
    activity = replace(
        view.activity,
        read_bytes=view.activity.read_bytes + read,
        write_bytes=view.activity.write_bytes + write,
        read_ops=view.activity.read_ops + int(2_000 * seconds),
    )
    disks = tuple(
        replace(
            each,
            read_bytes=each.read_bytes + read * (each.disk_id % 4 + 1) // 6,
            write_bytes=each.write_bytes + write // 4,
        )
        if each.present
        else each
        for each in view.disks
    )
    return replace(
        view,
        monotonic_s=view.monotonic_s + seconds,
        time_ns=view.time_ns + int(seconds * 1e9),
        activity=activity,
        disks=disks,
    )
