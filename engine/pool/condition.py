"""Gathers what the conditions of an open pool rest on."""

from __future__ import annotations

from collections.abc import Sequence

from engine.metadata.shipping import MemberState
from engine.model.disk import DiskState
from engine.model.redundancy import fragment_count, tolerance
from engine.pool.clock_watch import ClockWatch
from engine.pool.pool import Pool
from engine.status.verdict import PoolCondition
from engine.status.views import CapacityView, DiskView, ExposureView, ReconcileView, ScrubView


class ConditionSource:
    """Takes conditions of one pool. Thread-safe; waits for nothing the data path holds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._clock = pool.engine.base.clock
        self._watch = ClockWatch(self._clock)

    def take(
        self,
        *,
        disks: tuple[DiskView, ...],
        exposure: ExposureView,
        reconcile: ReconcileView,
        scrub: ScrubView,
        capacity: CapacityView,
        full: bool,
    ) -> PoolCondition:
        """Return the condition that these views and the engine's own facts make."""
        engine, base = self._pool.engine, self._pool.engine.base
        properties = engine.properties
        return PoolCondition(
            disks=disks,
            exposure=exposure,
            reconcile=reconcile,
            scrub=scrub,
            capacity=capacity,
            damaged_fragments=self._pool.figures.newest().damaged_fragments,
            tolerance=tolerance(properties.redundancy),
            wanted_width=fragment_count(properties.redundancy),
            writable=not engine.refusal(),
            read_only_reason=engine.refusal(),
            read_only_wanted=self._pool.read_only_wanted,
            full=full,
            journals_missing=self._journals_missing(disks),
            journals_behind=self._journals_behind(disks),
            forced=base.store.template.forced,
            metadata_damage=base.store.rows.note.first,
            audit_problem=self._pool.audit.problem,
            checkpoint_problem=self._pool.maintenance.checkpoints.problem,
            clock_jump_s=self._watch.jump_s(),
            heartbeats=self._pool.heartbeats(),
            created_ns=properties.created_ns,
            now_ns=self._clock.now_ns(),
        )

    def _journals_missing(self, disks: Sequence[DiskView]) -> tuple[str, ...]:
        return tuple(
            disk.name
            for disk in disks
            if disk.in_journal_set and (not disk.present or disk.state is DiskState.FAILED)
        )

    def _journals_behind(self, disks: Sequence[DiskView]) -> tuple[str, ...]:
        shipper = self._pool.engine.base.shipper
        if shipper is None:
            return ()
        lagging = {str(one.disk) for one in shipper.members() if one.state is MemberState.LAGGING}
        return tuple(
            disk.name
            for disk in disks
            if disk.in_journal_set and disk.present and disk.uuid in lagging
        )
