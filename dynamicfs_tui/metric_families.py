"""What is exported to Prometheus: every name with its kind, help, labels and values.

Made of a view and the engine's counters, and of nothing else. Names have the
prefix ``dynamicfs_``, base units, and ``_total`` where they only grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from engine.model.disk import DiskState
from engine.model.redundancy import parse_redundancy, tolerance
from engine.observe.names import NAMES, MetricKind
from engine.status.views import DiskView, HealthWord, PoolView

PREFIX: Final = "dynamicfs_"

Sample: TypeAlias = tuple[tuple[str, ...], float]
"""The values of the labels, and the value."""

Counters: TypeAlias = Mapping[str, Mapping[str, float]]
"""What ``PoolControl.metrics`` returns: by name and label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One name with all its samples."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A family that is read off a view."""

    name: str
    help: str
    values: Callable[[PoolView], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    kind: MetricKind = MetricKind.GAUGE


def _one(value: float | bool | None) -> Iterator[Sample]:  # noqa: FBT001 - a value, no switch
    """Yield the only sample of a name without labels; none for what is not known."""
    if value is not None:
        yield (), float(value)


def _each_disk(
    value: Callable[[DiskView], float | bool | None],
) -> Callable[[PoolView], Iterator[Sample]]:
    def samples(view: PoolView) -> Iterator[Sample]:
        for disk in view.disks:
            known = value(disk)
            if known is not None:
                yield (disk.name,), float(known)

    return samples


def _exposure_extents(view: PoolView) -> Iterator[Sample]:
    bar = view.exposure
    counts = (bar.lost_extents, bar.zero_extents, bar.one_extents, bar.more_extents)
    for losses, count in zip(LOSSES, counts, strict=True):
        yield (losses,), count


def _exposure_bytes(view: PoolView) -> Iterator[Sample]:
    bar = view.exposure
    sizes = (bar.lost_bytes, bar.zero_bytes, bar.one_bytes, bar.more_bytes)
    for losses, size in zip(LOSSES, sizes, strict=True):
        yield (losses,), size


def _disk_states(view: PoolView) -> Iterator[Sample]:
    for disk in view.disks:
        for state in DiskState:
            yield (disk.name, str(state)), disk.state is state


def _disk_latencies(view: PoolView) -> Iterator[Sample]:
    for disk in view.disks:
        if disk.latency_p99_s:
            yield (disk.name, "0.5"), disk.latency_p50_s
            yield (disk.name, "0.99"), disk.latency_p99_s


def _lifetime_errors(view: PoolView) -> Iterator[Sample]:
    for disk in view.disks:
        errors = disk.lifetime
        yield (disk.name, "io"), errors.io
        yield (disk.name, "checksum"), errors.checksum
        yield (disk.name, "timeout"), errors.timeouts


def _conditions(view: PoolView) -> Iterator[Sample]:
    for code, subject in sorted({(one.code, one.subject) for one in view.conditions}):
        yield (code, subject), 1


def _rebuild_extents(view: PoolView) -> Iterator[Sample]:
    work = view.reconcile
    yield ("done",), work.done_items
    yield ("total",), work.total_items
    yield ("pending",), work.pending_items
    yield ("failed",), work.failed_items


LOSSES: Final = ("lost", "0", "1", "2+")
"""How many more losses are survived: the values of the label ``losses``."""

_SHOWN: Final = (
    _Shown(
        "pool_info",
        "The pool's name and policy; always 1.",
        lambda view: [((view.name, view.uuid, view.redundancy), 1)],
        ("name", "uuid", "redundancy"),
    ),
    _Shown(
        "health",
        "1 for the word that tells how the pool is.",
        lambda view: [((str(word),), view.verdict.word is word) for word in HealthWord],
        ("word",),
    ),
    _Shown(
        "condition",
        "1 for each condition that holds; see dynamicfs explain.",
        _conditions,
        ("code", "subject"),
    ),
    _Shown("writable", "1 while changes are taken.", lambda view: _one(view.writable)),
    _Shown(
        "tolerance_disks",
        "Disks that may be lost by the pool's policy.",
        lambda view: _one(tolerance(parse_redundancy(view.redundancy))),
    ),
    _Shown(
        "disks_may_fail",
        "Disks that may be lost now, any of them, without loss of data.",
        lambda view: _one(view.exposure.may_fail),
    ),
    _Shown(
        "exposure_extents",
        "Extents by how many more losses they survive.",
        _exposure_extents,
        ("losses",),
    ),
    _Shown(
        "exposure_bytes",
        "User bytes by how many more losses they survive.",
        _exposure_bytes,
        ("losses",),
    ),
    _Shown(
        "capacity_total_bytes",
        "User bytes that fit, redundancy counted.",
        lambda view: _one(view.capacity.total_bytes),
    ),
    _Shown(
        "capacity_free_bytes",
        "User bytes that still fit.",
        lambda view: _one(view.capacity.free_bytes),
    ),
    _Shown(
        "capacity_used_bytes",
        "User bytes in extents.",
        lambda view: _one(view.capacity.used_bytes),
    ),
    _Shown(
        "capacity_reclaimable_bytes",
        "Dead user bytes in extents that are worth compacting.",
        lambda view: _one(view.capacity.reclaimable_bytes),
    ),
    _Shown("disk_state", "1 for the state of the disk.", _disk_states, ("disk", "state")),
    _Shown(
        "disk_present",
        "1 while the disk answers.",
        _each_disk(lambda disk: disk.present),
        ("disk",),
    ),
    _Shown(
        "disk_total_bytes",
        "Size of the disk.",
        _each_disk(lambda disk: disk.total_bytes),
        ("disk",),
    ),
    _Shown(
        "disk_free_bytes",
        "Free bytes of the disk.",
        _each_disk(lambda disk: disk.free_bytes),
        ("disk",),
    ),
    _Shown(
        "disk_fragment_bytes",
        "Payload bytes of the fragments on the disk.",
        _each_disk(lambda disk: disk.fragment_bytes),
        ("disk",),
    ),
    _Shown(
        "disk_recent_errors",
        "Errors of all kinds within the last ten minutes.",
        _each_disk(lambda disk: disk.lifetime.recent),
        ("disk",),
    ),
    _Shown(
        "disk_lifetime_errors_total",
        "Errors by kind since the disk joined the pool.",
        _lifetime_errors,
        ("disk", "kind"),
        MetricKind.COUNTER,
    ),
    _Shown(
        "disk_latency_seconds",
        "Duration of the disk's calls in the last minutes, by quantile.",
        _disk_latencies,
        ("disk", "quantile"),
    ),
    _Shown(
        "disk_temperature_celsius",
        "What the drive says of its temperature.",
        _each_disk(lambda disk: disk.temperature_c),
        ("disk",),
    ),
    _Shown("rebuild_active", "1 while reconcile works.", lambda view: _one(view.reconcile.active)),
    _Shown(
        "rebuild_paused",
        "1 while the operator has paused reconcile.",
        lambda view: _one(view.reconcile.paused),
    ),
    _Shown(
        "rebuild_extents",
        "Extents of the present round by state; total is the whole round.",
        _rebuild_extents,
        ("state",),
    ),
    _Shown(
        "rebuild_done_bytes",
        "User bytes done in the present round.",
        lambda view: _one(view.reconcile.done_bytes),
    ),
    _Shown(
        "rebuild_round_bytes",
        "User bytes of the whole present round.",
        lambda view: _one(view.reconcile.total_bytes),
    ),
    _Shown(
        "rebuild_rate_bytes_per_second",
        "User bytes done each second.",
        lambda view: _one(view.reconcile.rate_bytes_s),
    ),
    _Shown(
        "rebuild_eta_seconds",
        "Seconds until the round ends; absent while not known.",
        lambda view: _one(view.reconcile.eta_s),
    ),
    _Shown("scrub_running", "1 while a scrub runs.", lambda view: _one(view.scrub.running)),
    _Shown(
        "scrub_done_fragments",
        "Fragments verified by the present or last scrub.",
        lambda view: _one(view.scrub.done_fragments),
    ),
    _Shown(
        "scrub_round_fragments",
        "Fragments of the whole present or last scrub.",
        lambda view: _one(view.scrub.total_fragments),
    ),
    _Shown(
        "scrub_last_finished_timestamp_seconds",
        "When the last scrub ended, in Unix time; absent before the first.",
        lambda view: _one(view.scrub.finished_ns / 1e9 if view.scrub.finished_ns else None),
    ),
    _Shown(
        "heartbeat_age_seconds",
        "Seconds that a thread of the engine is behind its next turn.",
        lambda view: [((name,), age_s) for name, age_s in view.heartbeats],
        ("thread",),
    ),
    _Shown(
        "engine_late_seconds",
        "Seconds since the engine last moved; large when it is stuck.",
        lambda view: _one(view.heartbeat_s),
    ),
    _Shown(
        "generation",
        "The newest committed generation of the metadata.",
        lambda view: _one(view.generation),
    ),
    _Shown(
        "acknowledged_generation",
        "The newest generation that the journals acknowledged.",
        lambda view: _one(view.acknowledged_generation),
    ),
)


def described_metrics() -> tuple[tuple[str, MetricKind, tuple[str, ...], str], ...]:
    """Return name, kind, labels and meaning of every metric, by name."""
    shown = [(PREFIX + one.name, one.kind, one.labels, one.help) for one in _SHOWN]
    counted = [
        (PREFIX + name, known.kind, ("disk",) if known.per_disk else (), known.help)
        for name, known in NAMES.items()
    ]
    return tuple(sorted([*shown, *counted]))


def families_of(view: PoolView, counters: Counters) -> tuple[Family, ...]:
    """Return every family, those without a sample now too, by name."""
    found = [
        Family(
            name=PREFIX + one.name,
            kind=one.kind,
            help=one.help,
            labels=one.labels,
            samples=tuple((labels, float(value)) for labels, value in one.values(view)),
        )
        for one in _SHOWN
    ]
    found += [
        Family(
            name=PREFIX + name,
            kind=known.kind,
            help=known.help,
            labels=("disk",) if known.per_disk else (),
            samples=tuple(
                ((label,) if known.per_disk else (), value)
                for label, value in sorted(_counted(name, view, counters).items())
            ),
        )
        for name, known in NAMES.items()
    ]
    return tuple(sorted(found, key=lambda family: family.name))


def _counted(name: str, view: PoolView, counters: Counters) -> Mapping[str, float]:
    """Return a counter by its label. What was never counted is 0: without a first
    value, Prometheus cannot see the first increase."""
    labels = [disk.name for disk in view.disks] if NAMES[name].per_disk else [""]
    values = counters.get(name, {})
    return {**dict.fromkeys(labels, 0.0), **values}
