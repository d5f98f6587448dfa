"""Fragment files that no record names: list them, count them, delete them."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from typing import Final

from dynamicfs_tui.cli.command import SentenceParser, Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.consent import add_consent, asks_yes, require_consent
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json, print_sentences, print_table
from engine.status.answers import OrphanView
from engine.status.views import ExitCode
from engine.units import format_bytes

MIN_AGE_H: Final = 24
LISTED_MAX: Final = 10_000
"""Orphans that one command looks at; more are found by the next."""


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    detect = verbs.add_for_pool(
        "detect-orphans", run_detect, "list fragment files that no record names"
    )
    _add_min_age(detect)
    add_json(detect)
    clean = verbs.add_for_pool("cleanup-orphans", run_clean, "delete old orphans that may go")
    _add_min_age(clean)
    add_consent(clean, dry_run_help="only show what would be deleted")
    add_json(clean)
    stats = verbs.add_for_pool("orphan-stats", run_stats, "count orphans by disk")
    _add_min_age(stats)
    add_json(stats)


def _add_min_age(verb: SentenceParser) -> None:
    verb.add_argument(
        "--min-age-hours",
        type=int,
        default=MIN_AGE_H,
        metavar="H",
        help=f"younger ones stay ({MIN_AGE_H})",
    )


def _found(session: Session, arguments: Namespace) -> Sequence[OrphanView]:
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        return connection.control.files.find_orphans(LISTED_MAX, arguments.min_age_hours)


def run_detect(session: Session, arguments: Namespace) -> int:
    """Print every orphan, and why those stay that do."""
    _print_orphans(session, arguments, _found(session, arguments))
    return ExitCode.FINE


def _print_orphans(session: Session, arguments: Namespace, orphans: Sequence[OrphanView]) -> None:
    if arguments.json:
        print_json(session, orphans)
    elif not orphans:
        print("there are no orphans", file=session.stdout)
    else:
        print_table(
            session,
            ("disk", "file", "size", "age", "stays because"),
            [
                (
                    one.disk,
                    one.name,
                    format_bytes(one.bytes),
                    format_duration(one.age_s),
                    "" if one.removable else one.reason,
                )
                for one in orphans
            ],
            right="size age",
        )


def run_clean(session: Session, arguments: Namespace) -> int:
    """Show what would go, ask, and delete it."""
    require_consent(session, arguments)
    if arguments.dry_run:
        removable = [one for one in _found(session, arguments) if one.removable]
        _print_orphans(session, arguments, removable)
        return ExitCode.FINE
    # One connection: what is asked about is what this very process would delete.
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        files = connection.control.files
        if not arguments.yes:
            found = files.find_orphans(LISTED_MAX, arguments.min_age_hours)
            if not asks_yes(session, _question(found)):
                session.note("nothing was changed")
                return ExitCode.FAILED
        sentence = files.clean_orphans(arguments.min_age_hours)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def _question(orphans: Sequence[OrphanView]) -> str:
    removable = [one for one in orphans if one.removable]
    return f"Delete {len(removable)} orphans, {format_bytes(sum(one.bytes for one in removable))}?"


def run_stats(session: Session, arguments: Namespace) -> int:
    """Print counts and bytes by disk."""
    orphans = _found(session, arguments)
    disks = sorted({one.disk for one in orphans})
    count, size, removable = Counter[str](), Counter[str](), Counter[str]()
    for one in orphans:
        count[one.disk] += 1
        size[one.disk] += one.bytes
        removable[one.disk] += one.removable
    if arguments.json:
        rows = [
            {
                "disk": disk,
                "orphans": count[disk],
                "bytes": size[disk],
                "removable": removable[disk],
            }
            for disk in disks
        ]
        print_json(session, {"orphans": len(orphans), "disks": rows})
    elif not orphans:
        print("there are no orphans", file=session.stdout)
    else:
        print_table(
            session,
            ("disk", "orphans", "size", "may go"),
            [
                (disk, str(count[disk]), format_bytes(size[disk]), str(removable[disk]))
                for disk in disks
            ],
            right="orphans size may go",
        )
    return ExitCode.FINE
