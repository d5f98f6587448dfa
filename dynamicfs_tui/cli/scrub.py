"""``scrub``: start it, steer it, watch it, and tell what became of what it found."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Owner, connect
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json, print_sentences, print_table
from dynamicfs_tui.cli.pool_paths import path_within
from dynamicfs_tui.cli.sizes import parse_size
from dynamicfs_tui.cli.watching import watch
from engine.errors import UsageError
from engine.status.answers import AgeBucketView, ScrubHistoryView
from engine.status.control import PoolControl
from engine.status.views import ExitCode, FindingView, Intensity, PoolView, ScrubView
from engine.units import NS_PER_S, format_bytes

DIRECTORY: Final = "directory "
"""How a target begins that names a path."""


def register(verbs: Verbs) -> None:
    """Add the verb and its options."""
    scrub = verbs.add_for_pool("scrub", run_scrub, "verify every fragment; waits for the result")
    add = scrub.add_argument
    add("--repair", action="store_true", help="have what is damaged repaired")
    add(
        "--target",
        metavar="T",
        help="all, 'disk NAME', 'directory PATH', bad (what was), or 'older DAYS' (not verified)",
    )
    add("--wait", action="store_true", help="wait for the end, as it does when it starts one")
    add("--no-wait", action="store_true", help="leave it to the process that has the pool open")
    add("--pause", action="store_true", help="interrupt it until --resume, also after a restart")
    add("--resume", action="store_true", help="end --pause")
    add("--stop", action="store_true", help="end the scrub that runs")
    add("--intensity", choices=list(Intensity), help="how hard it drives the disks; kept")
    add("--limit", type=parse_size, metavar="BYTES", help="read at most so much a second; kept")
    add(
        "--schedule",
        metavar="S",
        help="nightly, 'nightly at HH:00', 'every N h' (both also 'with repair') or manual; kept",
    )
    add("--history", action="store_true", help="show the last runs and the ages of fragments")
    add_json(scrub)


def run_scrub(session: Session, arguments: Namespace) -> int:
    """Steer or look back when that is asked for, else scrub and tell what was found."""
    starts = bool(arguments.repair or arguments.target)
    if arguments.pause + arguments.resume + arguments.stop + arguments.history + starts > 1:
        raise UsageError("start a scrub, --pause, --resume, --stop or --history: one at a time")
    if arguments.wait and arguments.no_wait:
        raise UsageError("--wait and --no-wait exclude each other")
    # Findings are facts of the metadata, so a scrub without repair writes too.
    access = Access.READ_ONLY if arguments.history else Access.READ_WRITE
    with connect(session, arguments.pool, access=access) as connection:
        control = connection.control
        sentences = _steer(control, arguments)
        if arguments.history:
            return _print_history(session, arguments, control.scrubs.history())
        if sentences and not starts and not arguments.wait:
            print_sentences(session, arguments, sentences)
            return ExitCode.FINE
        before = control.view().scrub
        if not before.running or not arguments.wait:
            sentences.append(_start(control, arguments))
        if arguments.no_wait and connection.owner is Owner.OTHER:
            print_sentences(session, arguments, sentences)
            return ExitCode.FINE
        view = _see_through(session, control, before)
    if arguments.json:
        print_json(session, view.scrub)
    else:
        _print_scrub(session, view.scrub)
    return _scrub_code(view)


def _steer(control: PoolControl, arguments: Namespace) -> list[str]:
    """Tell every wish on the command line; return the answers."""
    scrubs, said = control.scrubs, []
    if arguments.intensity:
        said.append(scrubs.set_intensity(str(arguments.intensity)))
    if arguments.limit is not None:
        said.append(scrubs.limit(arguments.limit))
    if arguments.schedule:
        said.append(scrubs.schedule(arguments.schedule))
    if arguments.pause:
        said.append(scrubs.pause())
    if arguments.resume:
        said.append(scrubs.resume())
    if arguments.stop:
        said.append(control.stop_scrub())
    return said


def _start(control: PoolControl, arguments: Namespace) -> str:
    target = arguments.target
    if not target:
        return control.start_scrub(repair=arguments.repair)
    if target.startswith(DIRECTORY):
        path = path_within(target.removeprefix(DIRECTORY).strip(), control.view().mountpoint)
        target = f"{DIRECTORY}{path}"
    return control.scrubs.start(target, repair=arguments.repair)


def _see_through(session: Session, control: PoolControl, before: ScrubView) -> PoolView:
    """Wait for the end; whoever interrupts the command stops a scrub that it started."""
    try:
        return watch(session, control, lambda view: _is_over(before, view.scrub), _progress)
    except KeyboardInterrupt:
        if not before.running:
            # The scrub belongs to this command; its cursor keeps what was done.
            session.note(control.stop_scrub())
        raise


def _is_over(before: ScrubView, now: ScrubView) -> bool:
    """Tell whether a scrub ended since *before*; the first views may not show it yet."""
    return not now.running and (now.finished_ns, now.runs_completed) != (
        before.finished_ns,
        before.runs_completed,
    )


def _progress(view: PoolView) -> str:
    scrub = view.scrub
    if scrub.paused:
        return f"paused at {scrub.done_fragments} of {scrub.total_fragments} fragments"
    return (
        f"{scrub.done_fragments} of {scrub.total_fragments} fragments, "
        f"{format_bytes(scrub.rate_bytes_s)}/s, {format_duration(scrub.eta_s)} left"
    )


def _scrub_code(view: PoolView) -> int:
    """Return 4 when data is lost, 3 when damage is left, else 0."""
    scrub = view.scrub
    if view.exposure.lost_extents:
        return ExitCode.DATA_LOST
    found = scrub.corrupt + scrub.missing + scrub.misplaced + scrub.parity_mismatches
    of_metadata = [one for one in scrub.findings if one.kind != "fragment"]
    unmended = sum(one.outcome != "repaired" for one in of_metadata)
    return ExitCode.DEGRADED if found - scrub.repaired + unmended > 0 else ExitCode.FINE


def _print_scrub(session: Session, scrub: ScrubView) -> None:
    """Print each finding, then the sums."""
    for finding in scrub.findings:
        for line in _finding_lines(finding):
            print(line, file=session.stdout)
    print(
        f"{scrub.intact} intact, {scrub.corrupt} corrupt, {scrub.missing} missing, "
        f"{scrub.misplaced} misplaced, {scrub.unreferenced} unreferenced, "
        f"{scrub.parity_mismatches} parity mismatches, {scrub.repaired} repaired; "
        f"{scrub.metadata_damaged} of {scrub.metadata_checked} metadata records damaged",
        file=session.stdout,
    )


def _finding_lines(finding: FindingView) -> list[str]:
    """Return what was found, then why, which copies there are, and what to do."""
    of = f" of {finding.path}" if finding.path else ""
    where = f" on {finding.disk}" if finding.disk else ""
    what = (
        f"fragment {finding.index} of extent {finding.extent_id}"
        if finding.kind == "fragment"
        else finding.name
    )
    outcome = f": {finding.outcome}" if finding.outcome else ""
    more = [text for text in (finding.cause, finding.tried) if text]
    return [
        f"{finding.verdict}: {what}{where}{of}{outcome}",
        *([f"  {'; '.join(more)}"] if more else []),
        *([f"  do: {finding.advice}"] if finding.advice else []),
    ]


def _print_history(session: Session, arguments: Namespace, history: ScrubHistoryView) -> int:
    """Print the runs kept, and how long ago fragments were proven intact."""
    if arguments.json:
        print_json(session, history)
        return ExitCode.FINE
    print_table(
        session,
        ("run", "started (UTC)", "took", "target", "result", "fragments", "bad", "repaired"),
        [
            (
                str(run.run),
                f"{datetime.fromtimestamp(run.started_ns / NS_PER_S, tz=UTC):%Y-%m-%d %H:%M}",
                format_duration((run.finished_ns - run.started_ns) / NS_PER_S),
                run.target + (", repair" if run.repair else ""),
                run.word,
                str(run.fragments),
                str(run.bad),
                str(run.repaired),
            )
            for run in history.runs
        ],
        right="run fragments bad repaired",
    )
    never = ("never", str(history.never_fragments), format_bytes(history.never_bytes))
    ages = [(_span(one), str(one.fragments), format_bytes(one.bytes)) for one in history.ages]
    print_table(
        session, ("last verified", "fragments", "bytes"), [*ages, never], right="fragments bytes"
    )
    return ExitCode.FINE


def _span(bucket: AgeBucketView) -> str:
    if bucket.days_max is None:
        return f"{bucket.days_min} days ago or longer"
    if bucket.days_min == 0:
        return "within a day"
    return f"{bucket.days_min} to {bucket.days_max} days ago"
