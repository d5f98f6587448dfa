"""``rebuild``: start reconcile's work, steer it, list it, see it through."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Owner, connect
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_sentences, print_table
from dynamicfs_tui.cli.sizes import parse_size
from dynamicfs_tui.cli.watching import watch
from engine.errors import EngineError, UsageError
from engine.status.control import PoolControl
from engine.status.views import ExitCode, PoolView, ReconcileView, WorkPriority
from engine.units import format_bytes

SETTLE_S: Final = 0.5
"""A view this much newer than the start of a rebuild shows whether it has work."""

WORKS_ITSELF: Final = "no other process has the pool open, so this command does the work"

LISTED_MAX: Final = 1000
"""Items that ``--list`` shows."""


def register(verbs: Verbs) -> None:
    """Add the verb and its options."""
    rebuild = verbs.add_for_pool("rebuild", run_rebuild, "rebuild what is missing, without delay")
    add = rebuild.add_argument
    add("--wait", action="store_true", help="return when it has finished")
    add("--pause", action="store_true", help="interrupt it until --resume, also after a restart")
    add("--resume", action="store_true", help="end --pause and --cancel")
    add("--cancel", action="store_true", help="end this round: what is left is listed and waits")
    add("--limit", type=parse_size, metavar="BYTES", help="write at most so much each second")
    add("--priority", choices=list(WorkPriority), help="how much it may take from programs")
    add("--full-speed", type=int, metavar="SECONDS", help="high priority, no limit, for so long")
    add("--first", metavar="PATH", help="let the files below PATH go first; empty forgets all")
    add("--rebalance", action="store_true", help="even out how full the disks are")
    add("--list", action="store_true", help="show the work in its order, with files")
    add_json(rebuild)


def run_rebuild(session: Session, arguments: Namespace) -> int:
    """Steer or list when that is asked for, else start the rebuild and see it through."""
    if arguments.pause + arguments.resume + arguments.cancel > 1:
        raise UsageError("--pause, --resume and --cancel exclude each other")
    access = Access.READ_ONLY if _only_lists(arguments) else Access.READ_WRITE
    with connect(session, arguments.pool, access=access) as connection:
        sentences = _steer(connection.control, arguments)
        if arguments.list:
            return _list_work(session, arguments, connection.control, sentences)
        waits = arguments.wait or connection.owner is not Owner.OTHER
        # Moves that are not made here wait until somebody opens the pool again.
        if sentences and not arguments.wait and not (arguments.rebalance and waits):
            print_sentences(session, arguments, sentences)
            return ExitCode.FINE
        return _see_through(session, arguments, connection.control, sentences, waits=waits)


def _only_lists(arguments: Namespace) -> bool:
    steers = (
        arguments.pause,
        arguments.resume,
        arguments.cancel,
        arguments.limit is not None,
        arguments.priority,
        arguments.full_speed is not None,
        arguments.first is not None,
        arguments.rebalance,
    )
    return bool(arguments.list) and not any(steers)


def _steer(control: PoolControl, arguments: Namespace) -> list[str]:
    """Tell reconcile every wish on the command line; return its answers."""
    work, said = control.work, []
    if arguments.limit is not None:
        said.append(work.limit(arguments.limit))
    if arguments.priority:
        said.append(work.set_priority(str(arguments.priority)))
    if arguments.full_speed is not None:
        said.append(work.full_speed(arguments.full_speed))
    if arguments.first is not None:
        said.append(work.prefer(arguments.first))
    if arguments.pause:
        said.append(work.pause())
    if arguments.resume:
        said.append(work.resume())
    if arguments.cancel:
        said.append(work.cancel())
    if arguments.rebalance:
        said.append(work.rebalance())
    return said


def _see_through(
    session: Session,
    arguments: Namespace,
    control: PoolControl,
    sentences: list[str],
    *,
    waits: bool,
) -> int:
    """Start the rebuild, unless something else was asked for; wait for its end if told to."""
    started_s = control.view().monotonic_s
    if not sentences:
        sentences.append(control.start_rebuild())
    if not waits:
        _print_rebuild(session, arguments, sentences, None)
        return ExitCode.FINE
    if not arguments.wait:
        session.note(WORKS_ITSELF)
    view = watch_work(session, control, started_s)
    _print_rebuild(session, arguments, sentences, view.reconcile)
    if view.reconcile.paused:
        session.note("reconcile is paused: rebuild --resume lets it go on")
    if view.reconcile.failed_items and not view.exposure.lost_extents:
        raise EngineError(f"{view.reconcile.failed_items} extents could not be rebuilt")
    return health_code(view)


def watch_work(session: Session, control: PoolControl, started_s: float) -> PoolView:
    """Return the view in which nothing is left of the work that began at *started_s*."""
    return watch(
        session,
        control,
        lambda view: view.monotonic_s > started_s + SETTLE_S and _is_idle(view.reconcile),
        work_progress,
    )


def _is_idle(reconcile: ReconcileView) -> bool:
    """Tell whether nothing is left that can be done now; pending work waits for a disk."""
    return not reconcile.active and not reconcile.waiting_s


def work_progress(view: PoolView) -> str:
    """Return how far reconcile is, on one line."""
    reconcile = view.reconcile
    margin = reconcile.eta_margin_s
    left = format_duration(reconcile.eta_s) + (
        f" ± {format_duration(margin)}" if margin >= 1 else ""
    )
    return (
        f"{reconcile.done_items} of {reconcile.total_items} extents, "
        f"{format_bytes(reconcile.done_bytes)} of {format_bytes(reconcile.total_bytes)}, "
        f"{format_bytes(reconcile.rate_bytes_s)}/s, {left} left"
    )


def _list_work(
    session: Session, arguments: Namespace, control: PoolControl, sentences: list[str]
) -> int:
    items = control.work.list_work(LISTED_MAX)
    if arguments.json:
        print_json(session, {"messages": sentences, "items": items})
        return ExitCode.FINE
    for sentence in sentences:
        print(sentence, file=session.stdout)
    print_table(
        session,
        ("EXTENT", "KIND", "STATE", "SURVIVES", "BYTES", "FILE", "REASON"),
        (
            (
                str(item.extent_id),
                item.kind,
                item.state.value,
                "lost" if item.exposure < 0 else str(item.exposure),
                f"{format_bytes(item.done_bytes)} of {format_bytes(item.total_bytes)}",
                item.path,
                item.reason,
            )
            for item in items
        ),
        right="EXTENT SURVIVES BYTES",
    )
    return ExitCode.FINE


def _print_rebuild(
    session: Session, arguments: Namespace, sentences: list[str], outcome: ReconcileView | None
) -> None:
    """Print what was started and, when it was waited for, how it ended."""
    if arguments.json:
        print_json(session, {"messages": sentences, "reconcile": outcome})
        return
    for sentence in sentences:
        print(sentence, file=session.stdout)
    if outcome is None:
        return
    for item in outcome.items:
        if item.reason:
            print(f"extent {item.extent_id} {item.state.value}: {item.reason}", file=session.stdout)
    if outcome.last_result:
        print(outcome.last_result, file=session.stdout)
