"""Verbs that look: ``status``, ``show-redundancy``, ``list-extents``, ``metrics``, ``check``."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.disks import print_disks
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_table
from engine.status.views import ExitCode, ExposureView, PoolView, ReconcileView, ScrubView
from engine.units import format_bytes

EXTENTS_SHOWN = 1000


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    add_json(verbs.add_for_pool("status", run_status, "tell how the pool is"))
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
    add_json(verbs.add_for_pool("metrics", run_metrics, "print the engine's counters"))
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
    verdict, capacity = view.verdict, view.capacity
    lines = [f"{view.name}: {verdict.word.value} [{verdict.code}] {verdict.sentence}"]
    if verdict.action:
        lines.append(f"  do: {verdict.action}")
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


def _may_fail(exposure: ExposureView) -> str:
    plural = "disk" if exposure.may_fail == 1 else "disks"
    return f"{exposure.may_fail} more {plural} may fail without loss"


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
        reason = next((item.reason for item in reconcile.items if item.reason), "")
        return [f"  {reconcile.pending_items} extents pending: {reason}"]
    return [f"  last rebuild: {reconcile.last_result}"] if reconcile.last_result else []


def _scrub_lines(scrub: ScrubView) -> list[str]:
    if scrub.running:
        return [f"  scrubbing: {scrub.done_fragments} of {scrub.total_fragments} fragments"]
    if not scrub.finished_ns:
        return []
    return [
        f"  last scrub: {scrub.intact} intact, {scrub.corrupt} corrupt, {scrub.missing} missing, "
        f"{scrub.misplaced} misplaced, {scrub.repaired} repaired"
    ]


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


def run_metrics(session: Session, arguments: Namespace) -> int:
    """Print counters, one a line: ``name{label} value``."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        metrics = connection.control.metrics()
    if arguments.json:
        print_json(session, metrics)
        return ExitCode.FINE
    for name, values in sorted(metrics.items()):
        for label, value in sorted(values.items()):
            where = f"{{{label}}}" if label else ""
            print(f"{name}{where} {value:.15g}", file=session.stdout)
    return ExitCode.FINE


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
