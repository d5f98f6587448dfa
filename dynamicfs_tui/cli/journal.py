"""Verbs about what happened and what it means: ``events``, ``audit`` and ``explain``."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json
from engine.errors import CorruptionError
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.control import PoolControl
from engine.status.explain import explanation_of, find_code, heading_of
from engine.status.transport import encode
from engine.status.views import EventView, ExitCode, Severity

FOLLOW_S: Final = 0.5
"""Between two looks for new events."""

EVENTS_ASKED: Final = 1000
"""Events of one answer; more are asked for in the next."""

LINES_SHOWN: Final = 100


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    events = verbs.add_for_pool("events", run_events, "print what happened, oldest first")
    events.add_argument("--follow", action="store_true", help="go on with what happens from now on")
    events.add_argument(
        "--since", type=_number, default=0, metavar="N", help="only events behind number N"
    )
    events.add_argument(
        "--severity",
        choices=[str(one) for one in Severity],
        default=str(Severity.INFO),
        help="only events at least this loud",
    )
    events.add_argument("--json", action="store_true", help="print one JSON object a line")
    audit = verbs.add_for_pool("audit", run_audit, "print who did what, oldest first")
    audit.add_argument("--verify", action="store_true", help="check the chain of hashes instead")
    audit.add_argument(
        "--limit",
        type=_number,
        default=LINES_SHOWN,
        metavar="N",
        help=f"the newest N lines ({LINES_SHOWN})",
    )
    add_json(audit)
    explain = verbs.add("explain", run_explain, "tell what a code means and what to do")
    explain.add_argument("code", nargs="?", metavar="CODE", help="DFS-nnnn; all when left out")
    add_json(explain)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def run_events(session: Session, arguments: Namespace) -> int:
    """Print events; with ``--follow`` until interrupted or the pool's process ends."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        last = _print_events(session, arguments, connection.control, arguments.since)
        while arguments.follow:
            session.pause(FOLLOW_S)
            last = _print_events(session, arguments, connection.control, last)
    return ExitCode.FINE


def _print_events(session: Session, arguments: Namespace, control: PoolControl, since: int) -> int:
    """Print all events behind *since*; return the number of the last one."""
    loudness = list(Severity)
    least = loudness.index(Severity(arguments.severity))
    while events := control.journal.events_since(since, EVENTS_ASKED):
        for event in events:
            if loudness.index(event.severity) >= least:
                print(_event_line(event, arguments), file=session.stdout)
        since = events[-1].sequence
        if len(events) < EVENTS_ASKED:
            break
    session.stdout.flush()
    return since


def _event_line(event: EventView, arguments: Namespace) -> str:
    if arguments.json:
        return json.dumps(encode(event), ensure_ascii=False)
    code = f" [{event.code}]" if event.code else ""
    time = _local_time(event.time_ns)
    return f"{event.sequence} {time} {event.severity} {event.source}:{code} {event.text}"


def _local_time(time_ns: int) -> str:
    """Return a time of this machine's zone, to the second."""
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().isoformat(" ", "seconds")


def run_audit(session: Session, arguments: Namespace) -> int:
    """Print the trail's newest lines, or check all of it."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        journal = connection.control.journal
        if arguments.verify:
            return _print_verification(session, arguments, journal.verify_audit)
        lines = journal.audit(max(1, arguments.limit))
    if arguments.json:
        print_json(session, lines)
        return ExitCode.FINE
    for line in lines:
        who = f"{line.user}@{line.terminal}" if line.terminal else line.user
        judged = f" [{line.judgement}]" if line.judgement else ""
        print(
            f"{line.number} {_local_time(line.time_ns)} {who}: {line.verb} {line.arguments}"
            f"{judged} ({line.duration_s:.3f} s): {line.result}",
            file=session.stdout,
        )
    return ExitCode.FINE


def _print_verification(session: Session, arguments: Namespace, verify: Callable[[], str]) -> int:
    """Print what the check found; a broken chain is a failure."""
    try:
        sentence, holds = verify(), True
    except CorruptionError as error:
        sentence, holds = str(error), False
    if arguments.json:
        print_json(session, {"holds": holds, "message": sentence})
    else:
        print(sentence, file=session.stdout)
    return ExitCode.FINE if holds else ExitCode.FAILED


def run_explain(session: Session, arguments: Namespace) -> int:
    """Print the four texts of a code, or the headings of all."""
    if arguments.code is None:
        return _print_codes(session, arguments, list(MEANINGS))
    code = find_code(arguments.code)
    if arguments.json:
        return _print_codes(session, arguments, [code])
    print(heading_of(code), file=session.stdout)
    for heading, text in explanation_of(code):
        print(f"  {heading}: {text}", file=session.stdout)
    return ExitCode.FINE


def _print_codes(session: Session, arguments: Namespace, codes: Sequence[Code]) -> int:
    if arguments.json:
        texts = [
            {
                "code": code,
                "title": MEANINGS[code].title,
                "word": MEANINGS[code].word,
                **dict(explanation_of(code)),
            }
            for code in codes
        ]
        print_json(session, texts)
    else:
        for code in codes:
            print(heading_of(code), file=session.stdout)
    return ExitCode.FINE
