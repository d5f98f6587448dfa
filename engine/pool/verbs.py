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
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import fragment_count, tolerance
from engine.observe.events import Event
from engine.pool.disk_set import DiskPresence
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.pool.topology import PoolTopology
from engine.status.assemble import (
    disk_counter,
    disk_view,
    exposure_view,
    reconcile_view,
    scrub_view,
    tier_views,
)
from engine.status.verdict import PoolCondition, verdict_of
from engine.status.views import (
    ActivityView,
    CapacityView,
    DiskView,
    EventView,
    ExposureView,
    PoolView,
    Severity,
    VerdictView,
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

    # Look

    def view(self) -> PoolView:
        """Return the newest view. Figures are refreshed by the probe thread."""
        pool, engine, base = self._pool, self._engine, self._base
        template = base.store.template
        presences = base.disks.presences()
        disks = self._disk_views(presences)
        exposure = self._exposure(presences)
        reconcile = reconcile_view(self._maintenance.reconcile.progress())
        names = {one.record.disk_id: one.record.name for one in presences}
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
            verdict=self._verdict(exposure, properties),
            exposure=exposure,
            capacity=self._capacity(exposure),
            activity=self._activity(),
            disks=disks,
            tiers=tier_views(disks, pool.figures.newest()),
            reconcile=reconcile,
            scrub=scrub_view(self._maintenance.scrub.progress(), names),
            events=tuple(_event_view(one) for one in base.events.since(0)[-EVENTS_SHOWN:]),
        )

    def _disk_views(self, presences: Sequence[DiskPresence]) -> tuple[DiskView, ...]:
        figures = self._pool.figures.newest()
        counter = disk_counter(self._base.metrics.snapshot())
        journal_set = self._base.store.template.journal_set
        statuses = {one.disk_id: one for one in self._pool.topology.disks()}
        return tuple(
            disk_view(
                one.record,
                statuses[one.record.disk_id],
                figures,
                counter,
                total_bytes=one.capacity.total_bytes,
                free_bytes=one.capacity.free_bytes,
                in_journal_set=one.record.uuid in journal_set,
                reason=one.reason,
            )
            for one in presences
        )

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

    def _verdict(self, exposure: ExposureView, properties: PoolProperties) -> VerdictView:
        return verdict_of(
            PoolCondition(
                disks=tuple(self._pool.topology.disks()),
                figures=self._pool.figures.newest(),
                reconcile=self._maintenance.reconcile.progress(),
                tolerance=tolerance(properties.redundancy),
                wanted_width=fragment_count(properties.redundancy),
                may_fail=exposure.may_fail,
                writable=not self._engine.refusal(),
                read_only_reason=self._engine.refusal(),
                read_only_wanted=self._pool.read_only_wanted,
                full=self._engine.space.free_bytes < EXTENT_BYTES_MAX,
            )
        )

    def _capacity(self, exposure: ExposureView) -> CapacityView:
        space = self._engine.space
        return CapacityView(
            total_bytes=space.total_bytes, free_bytes=space.free_bytes, used_bytes=exposure.bytes
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

    def set_disk_health(self, disk: str, state: str) -> str:
        """Set a disk's state."""
        self._require_writable()
        try:
            wanted = DiskState(state)
        except ValueError as error:
            raise UsageError(f"{state!r} is no state: {', '.join(DiskState)}") from error
        sentence = self._pool.membership.set_state(self._pool.membership.find(disk), wanted)
        self._pool.refresh_figures()
        self._maintenance.wake.set()
        return sentence

    def add_disk(self, path: str, tier: str) -> str:
        """Make the directory *path* a disk of the pool.

        Also where nothing else may change for want of journals: it is the cure.
        """
        if reason := self._base.store.stopped:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
        sentences = self._pool.membership.add(path, Tier(tier))
        self._pool.refresh_figures()
        self._maintenance.wake.set()
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


def _event_view(event: Event) -> EventView:
    return EventView(
        sequence=event.sequence,
        time_ns=event.time_ns,
        severity=Severity(event.severity),
        source=event.source,
        text=event.text,
    )
