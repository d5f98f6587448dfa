"""Verbs that look: ``status``, ``health``, ``show-redundancy``, ``list-extents``, ``check``."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.disks import print_disks
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_table
from engine.status.sentences import more_may_fail
from engine.status.views import (
    DiskView,
    ExitCode,
    ExposureView,
    PoolView,
    ReconcileView,
    ScrubView,
)
from engine.units import format_bytes

EXTENTS_SHOWN = 1000
DAMAGE_SHOWN = 5
"""Damaged fragments that ``status`` names; a scrub names all."""

LATE_SHOWN_S = 5.0
"""An engine that is less late than this is at work, not stuck."""


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    add_json(verbs.add_for_pool("status", run_status, "tell how the pool is"))
    add_json(
        verbs.add_for_pool("health", run_health, "tell in one line how the pool is, and each disk")
    )
    add_json(
        verbs.add_for_pool(
            "show-redundancy", run_show_redundancy, "tell how many more losses the data survives"
        )
    )
    extents = verbs.add_for_pool("list-extents", run_list_extents, "list extents and their disks")
    extents.add_argument(
        "--limit", type=_count, default=EXTENTS_SHOWN, help=f"at most so many ({EXTENTS_SHOWN})"
    )
    add_json(extents)
    add_json(verbs.add_for_pool("check", run_check, "check the metadata for contradictions"))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a count")
    return int(text)


def _view(session: Session, arguments: Namespace) -> PoolView:
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        return connection.control.view()


def run_status(session: Session, arguments: Namespace) -> int:
    """Print the verdict first, then numbers, then the disks."""
    view = _view(session, arguments)
    if arguments.json:
        print_json(session, view)
    else:
        for line in status_lines(view):
            print(line, file=session.stdout)
        print_disks(session, view.disks)
    return health_code(view)


def status_lines(view: PoolView) -> list[str]:
    """Return the status for people, without the table of disks."""
    capacity = view.capacity
    lines = [_verdict_line(view)]
    if view.verdict.action:
        lines.append(f"  do: {view.verdict.action}")
    lines += _other_conditions(view)
    where = f"mounted at {view.mountpoint}" if view.mountpoint else "not mounted"
    how = "read-write" if view.writable else f"read-only: {view.read_only_reason or 'as asked'}"
    lines += [
        f"  {view.redundancy}, narrow={view.narrow}, {where}, {how}",
        f"  {format_bytes(capacity.used_bytes)} used, {format_bytes(capacity.free_bytes)} free of "
        f"{format_bytes(capacity.total_bytes)}, redundancy counted",
        f"  generation {view.generation} ({view.acknowledged_generation} acknowledged), "
        f"epoch {view.epoch}",
        f"  {_may_fail(view.exposure)}",
    ]
    lines += _reconcile_lines(view.reconcile)
    lines += _scrub_lines(view.scrub)
    return lines


def _verdict_line(view: PoolView) -> str:
    verdict = view.verdict
    return f"{view.name}: {verdict.word.value} [{verdict.code}] {verdict.sentence}"


def _other_conditions(view: PoolView) -> list[str]:
    """Return everything else that holds, worst first, and how old the view is if it is."""
    others = [one for one in view.conditions if one != view.verdict]
    lines = [f"  also [{one.code}] {one.sentence}" for one in others]
    if view.heartbeat_s >= LATE_SHOWN_S:
        lines.append(f"  the engine is {format_duration(view.heartbeat_s)} behind")
    return lines


def run_health(session: Session, arguments: Namespace) -> int:
    """Print the verdict in one line, then what is told of each disk's health."""
    view = _view(session, arguments)
    if arguments.json:
        fields = {"verdict": view.verdict, "conditions": view.conditions, "disks": view.disks}
        print_json(session, {"schema_version": view.schema_version, **fields})
        return health_code(view)
    print(_verdict_line(view), file=session.stdout)
    columns = ("disk", "state", "io", "checksum", "timeouts", "recent", "p99", "smart", "remark")
    rows = [_health_row(disk) for disk in view.disks]
    print_table(session, columns, rows, right="io checksum timeouts recent p99")
    return health_code(view)


def _health_row(disk: DiskView) -> tuple[str, ...]:
    errors = disk.lifetime
    state = str(disk.state) if disk.present or disk.detached else f"{disk.state}, missing"
    slowest = f"{disk.latency_p99_s * 1000:.1f} ms" if disk.latency_p99_s else "-"
    counts = (errors.io, errors.checksum, errors.timeouts, errors.recent)
    remark = disk.reason or disk.job
    return (disk.name, state, *map(str, counts), slowest, disk.smart or "-", remark)


def _may_fail(exposure: ExposureView) -> str:
    return f"{more_may_fail(exposure.may_fail)} without loss"


def _reconcile_lines(reconcile: ReconcileView) -> list[str]:
    if reconcile.waiting_s:
        wait = format_duration(reconcile.waiting_s)
        return [f"  rebuild starts in {wait}: {reconcile.waiting_reason}"]
    if reconcile.active:
        return [
            f"  rebuilding: {reconcile.done_items} of {reconcile.total_items} extents, "
            f"{format_bytes(reconcile.rate_bytes_s)}/s, {format_duration(reconcile.eta_s)} left"
        ]
    if reconcile.pending_items:
        return [f"  {one.items} extents pending: {one.reason}" for one in reconcile.waits]
    return [f"  last rebuild: {reconcile.last_result}"] if reconcile.last_result else []


def _scrub_lines(scrub: ScrubView) -> list[str]:
    if scrub.running:
        word = "scrub paused" if scrub.paused else "scrubbing"
        left = "" if scrub.paused else f", {format_duration(scrub.eta_s)} left"
        return [
            f"  {word}: {scrub.done_fragments} of {scrub.total_fragments} fragments{left}",
            *_damage_lines(scrub),
        ]
    if not scrub.finished_ns:
        return []
    return [
        f"  last scrub: {scrub.intact} intact, {scrub.corrupt} corrupt, {scrub.missing} missing, "
        f"{scrub.misplaced} misplaced, {scrub.repaired} repaired",
        *_damage_lines(scrub),
    ]


def _damage_lines(scrub: ScrubView) -> list[str]:
    """Return what is damaged still, by file where one is known, and what to do."""
    left = [one for one in scrub.findings if one.outcome not in ("repaired", "gone")]
    lines = []
    for one in left[:DAMAGE_SHOWN]:
        what = one.path or (f"extent {one.extent_id}" if one.kind == "fragment" else one.name)
        outcome = f", {one.outcome}" if one.outcome else ""
        where = f" on {one.disk}" if one.disk else ""
        lines.append(f"  damaged: {what}{where}: {one.cause or one.verdict}{outcome}")
        lines += [f"    do: {one.advice}"] if one.advice else []
    if len(left) > DAMAGE_SHOWN:
        lines.append(f"  and {len(left) - DAMAGE_SHOWN} more: `scrub --json` lists all")
    return lines


def run_show_redundancy(session: Session, arguments: Namespace) -> int:
    """Print the policy and how exposed the extents are now."""
    view = _view(session, arguments)
    if arguments.json:
        print_json(
            session,
            {"redundancy": view.redundancy, "narrow": view.narrow, "exposure": view.exposure},
        )
        return health_code(view)
    exposure = view.exposure
    print(f"{view.redundancy}, narrow={view.narrow}", file=session.stdout)
    print_table(
        session,
        ("losses survived now", "extents", "bytes"),
        [
            ("none, it is lost", str(exposure.lost_extents), format_bytes(exposure.lost_bytes)),
            ("0", str(exposure.zero_extents), format_bytes(exposure.zero_bytes)),
            ("1", str(exposure.one_extents), format_bytes(exposure.one_bytes)),
            ("2 or more", str(exposure.more_extents), format_bytes(exposure.more_bytes)),
        ],
        right="extents bytes",
    )
    print(_may_fail(exposure), file=session.stdout)
    return health_code(view)


def run_list_extents(session: Session, arguments: Namespace) -> int:
    """Print extents; the columns are what the engine tells of each."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        extents = connection.control.list_extents(arguments.limit)
    if arguments.json:
        print_json(session, extents)
    else:
        columns = list(extents[0]) if extents else ["extent_id"]
        print_table(session, columns, [_cells(extent, columns) for extent in extents])
    return ExitCode.FINE


def _cells(extent: Mapping[str, object], columns: Sequence[str]) -> list[str]:
    return [_cell(extent.get(column, "")) for column in columns]


def _cell(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(_cell, value))
    if isinstance(value, Mapping):
        return ":".join(map(_cell, value.values()))
    return str(value)


def run_check(session: Session, arguments: Namespace) -> int:
    """Print every contradiction; none is success."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        contradictions = list(connection.control.check())
        view = connection.control.view()
    if arguments.json:
        print_json(session, {"contradictions": contradictions})
    else:
        for contradiction in contradictions:
            print(contradiction, file=session.stdout)
        if not contradictions:
            print("the metadata is consistent", file=session.stdout)
    if view.exposure.lost_extents:
        return ExitCode.DATA_LOST
    return ExitCode.FAILED if contradictions else ExitCode.FINE
