"""``compact``: give back what deleted and overwritten bytes hold in shared extents."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Owner, connect
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_sentences
from dynamicfs_tui.cli.rebuild import SETTLE_S, WORKS_ITSELF, work_progress
from dynamicfs_tui.cli.watching import watch
from engine.errors import EngineError, UsageError
from engine.status.answers import CompactionView
from engine.status.control import PoolControl
from engine.status.views import ExitCode, ReconcileView
from engine.units import format_bytes

_KIND: Final = "compact"


def register(verbs: Verbs) -> None:
    """Add the verb and its options."""
    compact = verbs.add_for_pool(
        "compact", run_compact, "rewrite half-dead extents, and give back what is dead in them"
    )
    add = compact.add_argument
    add("--dry-run", action="store_true", help="tell what it would read, write and free")
    add("--wait", action="store_true", help="return when it has finished")
    add(
        "--below",
        type=int,
        metavar="PERCENT",
        help="from now on, compact extents of which less than so much lives, also unasked;"
        " 0: only when asked",
    )
    add_json(compact)


def run_compact(session: Session, arguments: Namespace) -> int:
    """Plan, set the threshold, or start and see it through."""
    if arguments.dry_run and (arguments.wait or arguments.below is not None):
        raise UsageError("--dry-run changes nothing: it goes alone")
    access = Access.READ_ONLY if arguments.dry_run else Access.READ_WRITE
    with connect(session, arguments.pool, access=access) as connection:
        control = connection.control
        if arguments.dry_run:
            return _print_plan(session, arguments, control.work.plan_compaction())
        sentences = []
        if arguments.below is not None:
            sentences.append(control.work.set_compaction(arguments.below))
            if not arguments.wait:
                print_sentences(session, arguments, sentences)
                return ExitCode.FINE
        waits = arguments.wait or connection.owner is not Owner.OTHER
        return _see_through(session, arguments, control, sentences, waits=waits)


def _print_plan(session: Session, arguments: Namespace, plan: CompactionView) -> int:
    if arguments.json:
        print_json(session, plan)
    else:
        print(
            f"{plan.extents} extents are less than {plan.percent} % alive: compacting reads up to"
            f" {format_bytes(plan.read_bytes)}, writes {format_bytes(plan.written_bytes)}"
            f" and frees {format_bytes(plan.freed_bytes)} of the disks",
            file=session.stdout,
        )
    return ExitCode.FINE


def _see_through(
    session: Session,
    arguments: Namespace,
    control: PoolControl,
    sentences: list[str],
    *,
    waits: bool,
) -> int:
    """Start, and wait for the end if told to, or if nobody else would do the work."""
    started_s = control.view().monotonic_s
    sentences.append(control.work.compact())
    if not waits:
        print_sentences(session, arguments, sentences)
        return ExitCode.FINE
    if not arguments.wait:
        session.note(WORKS_ITSELF)
    view = watch(
        session,
        control,
        lambda view: view.monotonic_s > started_s + SETTLE_S and not view.reconcile.active,
        work_progress,
    )
    _print_outcome(session, arguments, sentences, view.reconcile)
    if view.reconcile.paused:
        session.note("reconcile is paused: rebuild --resume lets it go on")
    failed = [one for one in view.reconcile.items if one.kind == _KIND and one.reason]
    if failed:
        raise EngineError(f"{len(failed)} extents were not compacted: {failed[0].reason}")
    return health_code(view)


def _print_outcome(
    session: Session, arguments: Namespace, sentences: list[str], outcome: ReconcileView
) -> None:
    if arguments.json:
        print_json(session, {"messages": sentences, "reconcile": outcome})
        return
    for sentence in sentences:
        print(sentence, file=session.stdout)
    if outcome.last_result:
        print(outcome.last_result, file=session.stdout)
