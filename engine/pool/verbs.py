"""The operator's verbs on an open pool (``engine.status.control.PoolControl``).

Thread-safe. ``view`` reads what other threads published and takes no lock that
the data path holds; the other verbs take the time their sentence says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.errors import ReadOnlyError, UsageError
from engine.ids import ExtentId
from engine.limits import EXTENT_BYTES_MAX
from engine.maintenance.check import check_metadata
from engine.metadata.database import open_reader
from engine.metadata.extents_table import load_extent
from engine.metadata.rows import reported
from engine.model.disk import DiskMarks, DiskState, Tier
from engine.pool.audited import AuditedVerbs
from engine.pool.condition import ConditionSource
from engine.pool.disk_jobs import with_job
from engine.pool.disk_set import DiskPresence
from engine.pool.disk_verbs import DiskVerbs
from engine.pool.file_verbs import FileVerbs
from engine.pool.health_view import with_health
from engine.pool.journal_verbs import JournalVerbs, event_view
from engine.pool.last_view import LastView
from engine.pool.pool import Pool
from engine.pool.scrub_verbs import ScrubVerbs
from engine.pool.topology import PoolTopology
from engine.pool.work_verbs import WorkVerbs
from engine.status.assemble import (
    disk_counter,
    disk_view,
    exposure_view,
    reconcile_view,
    scrub_view,
    tier_views,
)
from engine.status.facets import FACETS
from engine.status.verdict import conditions_of, verdict_of
from engine.status.views import (
    ActivityView,
    CapacityView,
    DiskView,
    ExposureView,
    PoolView,
)

EVENTS_SHOWN: Final = 200
"""How many events a view carries: a few screens."""


class PoolVerbs:
    """What an operator may ask of *pool*."""

    def __init__(self, pool: Pool, *, mountpoint: Callable[[], str]) -> None:
        self._pool = pool
        self._engine = pool.engine
        self._base = pool.engine.base
        self._maintenance = pool.maintenance
        self._mountpoint = mountpoint
        self.disks = DiskVerbs(pool)
        self.work = WorkVerbs(pool)
        self.scrubs = ScrubVerbs(pool)
        self.files = FileVerbs(pool)
        self.journal = JournalVerbs(pool)
        self._conditions = ConditionSource(pool)
        self._last_view = LastView(self._take_view, self._base.clock)
        facets = {name: getattr(self, name) for name in FACETS}
        self.audited = AuditedVerbs(pool.audit, self._base.events, self._base.clock)
        self.audited.watch(self, facets)

    # Look

    def view(self) -> PoolView:
        """Return the newest view, or after a second the last one with its age."""
        return self._last_view.view()

    def _take_view(self) -> PoolView:
        """Put a view together. Figures are refreshed by threads of their own."""
        pool, engine, base = self._pool, self._engine, self._base
        template = base.store.template
        presences = base.disks.presences()
        disks = self._disk_views(presences)
        exposure = self._exposure(presences)
        reconcile = reconcile_view(self._maintenance.reconcile.progress())
        names = {one.record.disk_id: one.record.name for one in presences}
        scrub = scrub_view(self._maintenance.scrub.progress(), names)
        capacity = self._capacity(exposure)
        condition = self._conditions.take(
            disks=disks,
            exposure=exposure,
            reconcile=reconcile,
            scrub=scrub,
            capacity=capacity,
            full=engine.space.free_bytes < EXTENT_BYTES_MAX,
        )
        properties = engine.properties
        return PoolView(
            monotonic_s=base.clock.monotonic_s(),
            time_ns=base.clock.now_ns(),
            name=template.pool_name,
            uuid=str(template.pool_uuid),
            redundancy=str(properties.redundancy),
            narrow=str(properties.narrow),
            generation=template.generation,
            acknowledged_generation=PoolTopology(engine).acknowledged(),
            epoch=template.epoch,
            writable=not engine.refusal(),
            read_only_reason=engine.refusal(),
            mountpoint=self._mountpoint(),
            verdict=verdict_of(condition),
            conditions=conditions_of(condition),
            heartbeat_s=max(condition.heartbeats.values(), default=0.0),
            heartbeats=tuple(condition.heartbeats.items()),
            exposure=exposure,
            capacity=capacity,
            activity=self._activity(),
            disks=disks,
            tiers=tier_views(disks, pool.figures.newest()),
            reconcile=reconcile,
            scrub=scrub,
            events=tuple(event_view(one) for one in base.events.since(0)[-EVENTS_SHOWN:]),
        )

    def _disk_views(self, presences: Sequence[DiskPresence]) -> tuple[DiskView, ...]:
        figures = self._pool.figures.newest()
        counter = disk_counter(self._base.metrics.snapshot())
        journal_set = self._base.store.template.journal_set
        statuses = {one.disk_id: one for one in self._pool.topology.disks()}
        names = {one.record.disk_id: one.record.name for one in presences}
        views: list[DiskView] = []
        for one in presences:
            if one.record.disk_id not in statuses:
                continue  # It left the pool in this very moment.
            view = disk_view(
                one.record,
                statuses[one.record.disk_id],
                figures,
                counter,
                total_bytes=one.capacity.total_bytes,
                free_bytes=one.capacity.free_bytes,
                in_journal_set=one.record.uuid in journal_set,
                reason=one.reason,
            )
            meter = self._base.disks.statistics.meter(one.record.uuid)
            view = with_health(view, one, self._pool.health, meter)
            views.append(with_job(view, one.marks, names))
        return tuple(views)

    def _exposure(self, presences: Sequence[DiskPresence]) -> ExposureView:
        template = self._base.store.template
        answering = {
            one.record.uuid
            for one in presences
            if one.present and one.record.state is not DiskState.FAILED
        }
        missing = sum(1 for uuid in template.journal_set if uuid not in answering)
        return exposure_view(
            self._pool.figures.newest(), tolerance=template.tolerance, journal_missing=missing
        )

    def _capacity(self, exposure: ExposureView) -> CapacityView:
        space = self._engine.space
        return CapacityView(
            total_bytes=space.total_bytes,
            free_bytes=space.free_bytes,
            used_bytes=exposure.bytes,
            reclaimable_bytes=self._maintenance.reconcile.progress().reclaimable_bytes,
        )

    def _activity(self) -> ActivityView:
        snapshot = self._base.metrics.snapshot()

        def total(name: str) -> int:
            return int(sum(snapshot.get(name, {}).values()))

        return ActivityView(
            read_ops=total("read_ops_total"),
            write_ops=total("write_ops_total"),
            read_bytes=total("read_bytes_total"),
            write_bytes=total("write_bytes_total"),
            namespace_ops=total("namespace_ops_total"),
            syncs=total("syncs_total"),
            cache_hits=total("cache_hits_total"),
            cache_misses=total("cache_misses_total"),
            degraded_reads=total("degraded_reads_total"),
            dirty_bytes=self._engine.pending.dirty_bytes,
            groups=total("groups_total"),
        )

    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """Return counters by name, each by its label."""
        exposure = self._exposure(self._base.disks.presences())
        figures: dict[str, Mapping[str, float]] = {
            name: dict(values) for name, values in self._base.metrics.snapshot().items()
        }
        lost, degraded = exposure.lost_extents, exposure.degraded_extents - exposure.lost_extents
        figures["extents_healthy"] = {"": float(exposure.extents - degraded - lost)}
        figures["extents_degraded"] = {"": float(degraded)}
        figures["extents_unrecoverable"] = {"": float(lost)}
        held_s = self._engine.base.store.lock.held_below_s(0.99)
        figures["write_lock_held_p99_seconds"] = {"": held_s}
        figures["dirty_bytes"] = {"": float(self._engine.pending.dirty_bytes)}
        figures["codec_kernel"] = {self._engine.kernel.name: 1.0}
        return figures

    def list_extents(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return up to *limit* extents with their fragments."""
        names = {one.record.disk_id: one.record.name for one in self._base.disks.presences()}
        extents: list[Mapping[str, object]] = []
        with self._engine.readers.read() as connection:
            rows = connection.execute("SELECT id FROM extent ORDER BY id LIMIT ?", (limit,))
            for extent_id in [ExtentId(row[0]) for row in rows]:
                record = load_extent(connection, extent_id)
                assert record is not None
                extents.append(
                    {
                        "extent": record.extent_id,
                        "redundancy": str(record.redundancy),
                        "tier": str(record.tier),
                        "length_bytes": record.length_bytes,
                        "fragments": [
                            {
                                "index": ref.index,
                                "disk": names.get(ref.disk_id, str(ref.disk_id)),
                                "layout": ref.layout,
                            }
                            for ref in record.fragments
                        ],
                    }
                )
        return extents

    def check(self) -> Sequence[str]:
        """Check metadata consistency on a committed group.

        Takes some 10 us a row, so it has a connection of its own: the others
        are for short reads.
        """
        connection = open_reader(self._base.database)
        try:
            with reported(self._base.store.rows.note):
                connection.execute("BEGIN")
                return check_metadata(connection)
        finally:
            connection.close()

    # Act

    def start_scrub(self, *, repair: bool) -> str:
        """Start a scrub."""
        self._require_writable()
        sentence = self._maintenance.scrub.start(repair=repair)
        self._maintenance.wake.set()
        return sentence

    def stop_scrub(self) -> str:
        """Stop the running scrub."""
        return self._maintenance.scrub.stop()

    def start_rebuild(self) -> str:
        """Start what reconcile would do later, without the delay."""
        self._require_writable()
        self._maintenance.reconcile.start_now()
        self._maintenance.wake.set()
        return "the rebuild starts now"

    def probe_disks(self) -> Sequence[str]:
        """Look at every disk now."""
        sentences = self._pool.membership.probe()
        self._pool.refresh_figures()
        return sentences

    def set_disk_health(
        self, disk: str, state: str, basis: str = "", *, force: bool = False
    ) -> str:
        """Set a disk's state."""
        self._require_writable()
        try:
            wanted = DiskState(state)
        except ValueError as error:
            raise UsageError(f"{state!r} is no state: {', '.join(DiskState)}") from error
        if wanted is DiskState.DRAINING:
            return self.disks.drain(disk, basis)
        if wanted is DiskState.FAILED:
            return self.disks.fail(disk, basis, force=force)
        sentence = self._pool.membership.set_state(self._pool.membership.find(disk), wanted)
        self._pool.refresh_figures()
        self._maintenance.wake.set()
        return sentence

    def add_disk(self, path: str, tier: str, *, spare: bool = False) -> str:
        """Make the directory *path* a disk of the pool.

        Also where nothing else may change for want of journals: it is the cure.
        """
        if reason := self._base.store.stopped:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
        sentences = self._pool.membership.add(path, Tier(tier), DiskMarks(spare=spare))
        self._pool.refresh_figures()
        self._maintenance.wake.set()
        if not spare:
            sentences.append("'rebuild --rebalance' gives it its share of what is there already")
        return "; ".join(sentences)

    def sync(self) -> str:
        """Make everything accepted so far durable."""
        self._require_writable()
        self._engine.syncer.sync_all()
        return "everything accepted so far is durable"

    def _require_writable(self) -> None:
        reason = self._engine.refusal()
        if reason:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
