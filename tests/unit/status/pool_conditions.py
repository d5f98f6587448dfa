"""A pool that is well, as the views that conditions rest on; tests replace what ails it."""

from __future__ import annotations

from engine.model.disk import DiskState, Tier
from engine.policy.waiting import WaitCount, WaitsFor
from engine.status.verdict import PoolCondition
from engine.status.views import (
    CapacityView,
    DiskErrorsView,
    DiskView,
    ExposureView,
    ReconcileView,
    ScrubView,
    WorkItemView,
    WorkState,
)
from engine.units import GIB

NOW_NS = 1_700_000_000 * 10**9


def disk(
    number: int,
    state: DiskState = DiskState.HEALTHY,
    *,
    present: bool = True,
    fragments: int = 10,
    detached: bool = False,
    reason: str = "",
    smart: str = "",
    p99_s: float = 0.0,
    recent: int = 0,
    free_bytes: int = 90 * GIB,
) -> DiskView:
    """Return disk *number* of 100 GiB."""
    return DiskView(
        disk_id=number,
        name=f"d{number}",
        uuid=f"uuid-{number}",
        path=f"disks/{number}",
        tier=Tier.HOT,
        state=state,
        present=present,
        total_bytes=100 * GIB,
        free_bytes=free_bytes,
        fragment_count=fragments,
        fragment_bytes=fragments,
        in_journal_set=True,
        detached=detached,
        reason=reason,
        smart=smart,
        latency_p99_s=p99_s,
        lifetime=DiskErrorsView(recent=recent),
    )


DISKS = tuple(disk(number) for number in range(1, 7))
WHOLE = ExposureView(more_extents=10, may_fail=2)
DEGRADED = ExposureView(one_extents=10, may_fail=1, degraded_extents=10)
WELL = PoolCondition(
    disks=DISKS,
    exposure=WHOLE,
    reconcile=ReconcileView(),
    scrub=ScrubView(),
    capacity=CapacityView(total_bytes=400 * GIB, free_bytes=300 * GIB, used_bytes=100 * GIB),
    tolerance=2,
    wanted_width=6,
    writable=True,
    now_ns=NOW_NS,
)
RUNNING = ReconcileView(active=True, done_items=3, total_items=10)
PENDING = ReconcileView(
    pending_items=10,
    waits=(
        WaitCount(kind="rebuild", waits_for=WaitsFor.DISKS, items=10, reason="needs one more disk"),
    ),
    items=(
        WorkItemView(
            extent_id=1,
            kind="rebuild",
            state=WorkState.PENDING,
            exposure=1,
            done_bytes=0,
            total_bytes=1,
            reason="needs one more disk",
        ),
    ),
)


def with_first(first: DiskView) -> tuple[DiskView, ...]:
    """Return the six disks with another first one."""
    return (first, *DISKS[1:])


MISSING = with_first(disk(1, present=False))
FAILED = with_first(disk(1, DiskState.FAILED))
