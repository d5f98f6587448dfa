"""A scripted view of a pool that heals: every field of disks and rebuild has something to say."""

from __future__ import annotations

from dataclasses import replace

from engine.model.disk import DiskState
from engine.status.views import (
    DiskErrorsView,
    KindView,
    PoolView,
    ReconcileView,
    WorkItemView,
    WorkState,
)
from engine.units import GIB, MIB
from tests.console.canned_views import GONE, NOW_NS, disk, rebuilding

PENDING_REASON = "needs one more disk, or re-encode 3+2: +11 % space"
"""Why an extent waits."""


def healing() -> PoolView:
    """Return a pool with a failed, a draining, a detached, a spare and a dying disk."""
    view = rebuilding()
    return replace(
        view,
        disks=(
            disk(0, latency_p50_s=0.0003, latency_p99_s=0.0041, temperature_c=37, smart="passed"),
            disk(
                1,
                state=DiskState.SUSPECT,
                reason="latency p99 88 ms, siblings 4 ms",
                latency_p50_s=0.004,
                latency_p99_s=0.088,
                temperature_c=46,
                smart="failed: 12 reallocated sectors",
                lifetime=DiskErrorsView(io=12, checksum=3, timeouts=1, repaired=9, recent=4),
                state_since_ns=NOW_NS - 450_000_000_000,
            ),
            disk(2, state=DiskState.DRAINING, job="drain 31 %", latency_p99_s=0.006),
            disk(3, state=DiskState.FAILED, present=False, errors=981, reason=GONE),
            disk(4, present=False, detached=True, reason="detached for maintenance"),
            disk(5, spare=True, latency_p99_s=0.005, job="rebuild"),
        ),
        reconcile=replace(
            view.reconcile,
            started_ns=NOW_NS - 2_500_000_000_000,
            average_bytes_s=197.0 * MIB,
            eta_margin_s=540.0,
            limit_bytes_s=250 * MIB,
            preferred=("/vm",),
            kinds=(
                KindView(kind="rebuild", queued_items=3_118, queued_bytes=350 * GIB),
                KindView(kind="drain", queued_items=12_100, queued_bytes=1_300 * GIB),
            ),
            irrecoverable=("/photos/lost.raw", "/a\x1b[31m"),
            items=_items(),
        ),
    )


def paused(view: PoolView) -> PoolView:
    """Return *view* with its rebuild paused by the operator."""
    return replace(view, reconcile=replace(view.reconcile, paused=True, active=False))


def no_work(view: PoolView) -> PoolView:
    """Return *view* with nothing to rebuild."""
    return replace(view, reconcile=ReconcileView())


def _items() -> tuple[WorkItemView, ...]:
    return (
        item(1042, WorkState.RUNNING, done_mib=5, path="/vm/db01.img"),
        item(1043, WorkState.RUNNING, done_mib=2, path="/vm/db01.img"),
        item(77, WorkState.PENDING, path="/photos/2019/trip/001.raw", reason=PENDING_REASON),
        item(91, WorkState.FAILED, exposure=-1, path="/photos/lost.raw", reason="too few sources"),
        item(2000, WorkState.QUEUED, exposure=0, path="/mail/inbox"),
        item(2001, WorkState.QUEUED, exposure=2, kind="drain", path="/[b]not markup[/b]"),
    )


def item(
    extent_id: int,
    state: WorkState,
    *,
    done_mib: int = 0,
    exposure: int = 1,
    kind: str = "rebuild",
    path: str = "",
    reason: str = "",
) -> WorkItemView:
    """Return an extent of 8 MiB that reconcile has in hand."""
    return WorkItemView(
        extent_id=extent_id,
        kind=kind,
        state=state,
        exposure=exposure,
        done_bytes=done_mib * MIB,
        total_bytes=8 * MIB,
        path=path,
        reason=reason,
    )
