"""Puts what maintenance, figures and disks say into the views of a screen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.extents.verdict import Verdict
from engine.ids import DiskId, LayoutId
from engine.maintenance.progress import ItemProgress, ReconcileProgress
from engine.maintenance.scrub_progress import (
    Finding,
    MetadataFinding,
    Outcome,
    ScrubProgress,
)
from engine.maintenance.topology import DiskStatus
from engine.model.disk import DiskRecord, Tier
from engine.model.extent import fragment_name
from engine.policy.exposure import ExposureBucket, journal_exposure, may_fail
from engine.status.figures import Figures
from engine.status.finding_texts import (
    advice_for,
    cause_of,
    metadata_advice,
    outcome_text,
    tried_of,
)
from engine.status.views import (
    DiskView,
    ExposureView,
    FindingView,
    Intensity,
    KindView,
    ReconcileView,
    ScrubView,
    TierView,
    WorkItemView,
    WorkPriority,
    WorkState,
)

DiskCounter = Callable[[str, str], int]
"""(metric name, disk name) to the counter's value."""


def disk_counter(metrics: Mapping[str, Mapping[str, int | float]]) -> DiskCounter:
    """Return a look-up into a metrics snapshot; what was never counted is 0."""
    return lambda name, disk: int(metrics.get(name, {}).get(disk, 0))


def exposure_view(figures: Figures, *, tolerance: int, journal_missing: int) -> ExposureView:
    """Return the exposure bar. *tolerance* is m; *journal_missing* are members of
    the journal set that do not answer."""
    extents, sizes = figures.bucket_extents, figures.bucket_bytes
    journal = journal_exposure(tolerance=tolerance, missing=journal_missing)
    return ExposureView(
        lost_extents=extents.get(ExposureBucket.LOST, 0),
        lost_bytes=sizes.get(ExposureBucket.LOST, 0),
        zero_extents=extents.get(ExposureBucket.ZERO, 0),
        zero_bytes=sizes.get(ExposureBucket.ZERO, 0),
        one_extents=extents.get(ExposureBucket.ONE, 0),
        one_bytes=sizes.get(ExposureBucket.ONE, 0),
        more_extents=extents.get(ExposureBucket.MORE, 0),
        more_bytes=sizes.get(ExposureBucket.MORE, 0),
        may_fail=may_fail(figures.least_exposure, journal),
        degraded_extents=figures.degraded_extents,
    )


def reconcile_view(progress: ReconcileProgress) -> ReconcileView:
    """Return reconcile's progress as a view."""
    return ReconcileView(
        active=progress.active,
        paused=progress.paused,
        cancelled=progress.cancelled,
        priority=WorkPriority(progress.priority),
        limit_bytes_s=progress.limit_bytes_s,
        full_speed_until_ns=progress.full_speed_until_ns,
        preferred=progress.preferred,
        compacting=progress.compacting,
        started_ns=progress.started_ns,
        average_bytes_s=progress.average_bytes_s,
        eta_margin_s=progress.eta_margin_s,
        kinds=tuple(
            KindView(kind=one.kind, queued_items=one.queued_items, queued_bytes=one.queued_bytes)
            for one in progress.kinds
        ),
        irrecoverable=progress.irrecoverable,
        waiting_s=progress.waiting_s,
        waiting_reason=progress.waiting_reason,
        done_items=progress.done_items,
        total_items=progress.total_items,
        pending_items=progress.pending_items,
        waits=progress.waits,
        failed_items=progress.failed_items,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        written_bytes=progress.written_bytes,
        rate_bytes_s=progress.rate_bytes_s,
        eta_s=progress.eta_s,
        items=tuple(item_view(item) for item in progress.items),
        last_result=progress.last_result,
    )


def item_view(item: ItemProgress) -> WorkItemView:
    """Return a piece of reconcile's work as a view."""
    return WorkItemView(
        extent_id=item.extent_id,
        kind=item.kind,
        state=WorkState(item.state),
        exposure=item.exposure,
        done_bytes=item.done_bytes,
        total_bytes=item.total_bytes,
        reason=item.reason,
        path=item.path,
    )


def scrub_view(progress: ScrubProgress, names: Mapping[DiskId, str]) -> ScrubView:
    """Return a scrub's progress as a view; *names* are the disks'."""
    return ScrubView(
        running=progress.running,
        paused=progress.paused,
        target=progress.target,
        intensity=Intensity(progress.intensity),
        limit_bytes_s=progress.limit_bytes_s,
        schedule=progress.schedule,
        next_ns=progress.next_ns,
        metadata_checked=progress.metadata_checked,
        metadata_damaged=progress.metadata_damaged,
        repair=progress.repair,
        started_ns=progress.started_ns,
        finished_ns=progress.finished_ns,
        whole_ns=progress.whole_ns,
        done_fragments=progress.done_fragments,
        total_fragments=progress.total_fragments,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
        rate_bytes_s=progress.rate_bytes_s,
        eta_s=progress.eta_s,
        intact=progress.intact,
        corrupt=progress.corrupt,
        missing=progress.missing,
        misplaced=progress.misplaced,
        unreferenced=progress.unreferenced,
        parity_mismatches=progress.parity_mismatches,
        repaired=progress.repaired,
        findings=(
            *(_metadata_finding_view(one) for one in progress.metadata_findings),
            *(_finding_view(one, names) for one in progress.findings),
        ),
        runs_completed=progress.runs_completed,
    )


def _finding_view(one: Finding, names: Mapping[DiskId, str]) -> FindingView:
    return FindingView(
        extent_id=one.extent_id,
        index=one.index,
        disk=names.get(one.disk_id, str(one.disk_id)),
        verdict=str(one.verdict),
        path=one.path,
        outcome=outcome_text(one.outcome, one.reason),
        found_ns=one.found_ns,
        name=fragment_name(one.extent_id, LayoutId(one.layout), one.index),
        cause=cause_of(one),
        tried=tried_of(one),
        advice=advice_for(one),
    )


def _metadata_finding_view(one: MetadataFinding) -> FindingView:
    return FindingView(
        extent_id=0,
        index=0,
        disk=one.disk,
        verdict=str(Verdict.CORRUPT),
        path="",
        outcome=outcome_text(one.outcome, one.reason),
        found_ns=one.found_ns,
        kind=str(one.kind),
        name=one.name,
        cause=one.cause,
        tried="the other journal disks" if one.outcome is not Outcome.FOUND else "",
        advice=metadata_advice(one),
    )


def disk_view(
    record: DiskRecord,
    status: DiskStatus,
    figures: Figures,
    counter: DiskCounter,
    *,
    total_bytes: int,
    free_bytes: int,
    in_journal_set: bool,
    reason: str,
) -> DiskView:
    """Return one disk. Sizes are those last seen when it is missing."""
    return DiskView(
        disk_id=record.disk_id,
        name=record.name,
        uuid=str(record.uuid),
        path=record.path,
        tier=record.tier,
        state=status.state,
        present=status.present,
        total_bytes=total_bytes,
        free_bytes=free_bytes,
        fragment_count=figures.disk_fragments.get(record.disk_id, 0),
        fragment_bytes=figures.disk_bytes.get(record.disk_id, 0),
        in_journal_set=in_journal_set,
        reads=counter("disk_reads_total", record.name),
        writes=counter("disk_writes_total", record.name),
        read_bytes=counter("disk_read_bytes_total", record.name),
        write_bytes=counter("disk_write_bytes_total", record.name),
        errors=counter("disk_errors_total", record.name),
        corruptions=counter("disk_corruptions_total", record.name),
        reason=reason,
    )


def tier_views(disks: Sequence[DiskView], figures: Figures) -> tuple[TierView, ...]:
    """Return the tiers that have disks or extents, hot first."""
    return tuple(
        TierView(
            tier=tier,
            disk_count=len(members),
            total_bytes=sum(disk.total_bytes for disk in members),
            free_bytes=sum(disk.free_bytes for disk in members),
            fragment_bytes=sum(disk.fragment_bytes for disk in members),
            extent_count=figures.tier_extents.get(tier, 0),
            user_bytes=figures.tier_user_bytes.get(tier, 0),
        )
        for tier in Tier
        if (members := [disk for disk in disks if disk.tier is tier])
        or figures.tier_extents.get(tier)
    )
