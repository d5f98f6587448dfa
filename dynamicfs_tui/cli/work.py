"""Verbs that start long work and watch it: ``scrub`` and ``rebuild``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Owner, connect
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json
from engine.errors import EngineError
from engine.status.control import PoolControl
from engine.status.views import ExitCode, PoolView, ReconcileView, ScrubView
from engine.units import format_bytes

LOOK_S: Final = 0.2
"""Between two looks at work that runs; a view costs its owner well under 1 ms."""

SETTLE_S: Final = 0.5
"""A view this much newer than the start of a rebuild shows whether it has work."""


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    scrub = verbs.add_for_pool("scrub", run_scrub, "verify every fragment; waits for the result")
    scrub.add_argument("--repair", action="store_true", help="have what is damaged repaired")
    add_json(scrub)
    rebuild = verbs.add_for_pool("rebuild", run_rebuild, "rebuild what is missing, without delay")
    rebuild.add_argument("--wait", action="store_true", help="return when it has finished")
    add_json(rebuild)


def _watch(
    session: Session,
    control: PoolControl,
    finished: Callable[[PoolView], bool],
    progress: Callable[[PoolView], str],
) -> PoolView:
    """Look until *finished*; show *progress* on one line of a terminal."""
    shows = session.stderr.isatty()
    while not finished(view := control.view()):
        if shows:
            print(f"\r\033[K{progress(view)}", end="", file=session.stderr, flush=True)
        session.pause(LOOK_S)
    if shows:
        print("\r\033[K", end="", file=session.stderr, flush=True)
    return view


def run_scrub(session: Session, arguments: Namespace) -> int:
    """Scrub to the end and tell what was found."""
    # Findings are facts of the metadata, so a scrub without repair writes too.
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        control = connection.control
        before = control.view().scrub
        control.start_scrub(repair=arguments.repair)
        try:
            view = _watch(
                session, control, lambda view: _is_over(before, view.scrub), _scrub_progress
            )
        except KeyboardInterrupt:
            # The scrub belongs to this command; its cursor keeps what was done.
            session.note(control.stop_scrub())
            raise
    if arguments.json:
        print_json(session, view.scrub)
    else:
        _print_scrub(session, view.scrub)
    return _scrub_code(view)


def _is_over(before: ScrubView, now: ScrubView) -> bool:
    """Tell whether a scrub ended since *before*; the first views may not show it yet."""
    return not now.running and (now.finished_ns, now.runs_completed) != (
        before.finished_ns,
        before.runs_completed,
    )


def _scrub_progress(view: PoolView) -> str:
    scrub = view.scrub
    return (
        f"{scrub.done_fragments} of {scrub.total_fragments} fragments, "
        f"{format_bytes(scrub.rate_bytes_s)}/s, {format_duration(scrub.eta_s)} left"
    )


def _damage_count(scrub: ScrubView) -> int:
    return scrub.corrupt + scrub.missing + scrub.misplaced + scrub.parity_mismatches


def _scrub_code(view: PoolView) -> int:
    """Return 4 when data is lost, 3 when damage is left, else 0."""
    if view.exposure.lost_extents:
        return ExitCode.DATA_LOST
    left = _damage_count(view.scrub) - view.scrub.repaired
    return ExitCode.DEGRADED if left > 0 else ExitCode.FINE


def _print_scrub(session: Session, scrub: ScrubView) -> None:
    """Print each finding, then the sums."""
    for finding in scrub.findings:
        of = f" of {finding.path}" if finding.path else ""
        print(
            f"{finding.verdict}: fragment {finding.index} of extent {finding.extent_id} "
            f"on {finding.disk}{of}",
            file=session.stdout,
        )
    print(
        f"{scrub.intact} intact, {scrub.corrupt} corrupt, {scrub.missing} missing, "
        f"{scrub.misplaced} misplaced, {scrub.unreferenced} unreferenced, "
        f"{scrub.parity_mismatches} parity mismatches, {scrub.repaired} repaired",
        file=session.stdout,
    )


def run_rebuild(session: Session, arguments: Namespace) -> int:
    """Start the rebuild; with ``--wait``, or when the engine is ours, see it through."""
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        control = connection.control
        started_s = control.view().monotonic_s
        sentence = control.start_rebuild()
        if not arguments.wait and connection.owner is Owner.OTHER:
            _print_rebuild(session, arguments, sentence, None)
            return ExitCode.FINE
        if not arguments.wait:
            session.note("no other process has the pool open, so this command does the work")
        view = _watch(
            session,
            control,
            lambda view: view.monotonic_s > started_s + SETTLE_S and _is_idle(view.reconcile),
            _rebuild_progress,
        )
    _print_rebuild(session, arguments, sentence, view.reconcile)
    if view.reconcile.failed_items and not view.exposure.lost_extents:
        raise EngineError(f"{view.reconcile.failed_items} extents could not be rebuilt")
    return health_code(view)


def _is_idle(reconcile: ReconcileView) -> bool:
    """Tell whether nothing is left that can be done now; pending work waits for a disk."""
    return not reconcile.active and not reconcile.waiting_s


def _rebuild_progress(view: PoolView) -> str:
    reconcile = view.reconcile
    return (
        f"{reconcile.done_items} of {reconcile.total_items} extents, "
        f"{format_bytes(reconcile.rate_bytes_s)}/s, {format_duration(reconcile.eta_s)} left"
    )


def _print_rebuild(
    session: Session, arguments: Namespace, sentence: str, outcome: ReconcileView | None
) -> None:
    """Print what was started and, when it was waited for, how it ended."""
    if arguments.json:
        print_json(session, {"messages": [sentence], "reconcile": outcome})
        return
    print(sentence, file=session.stdout)
    if outcome is None:
        return
    for item in outcome.items:
        if item.reason:
            print(f"extent {item.extent_id} {item.state.value}: {item.reason}", file=session.stdout)
    if outcome.last_result:
        print(outcome.last_result, file=session.stdout)
