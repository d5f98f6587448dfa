"""Verbs that make a pool or a pool directory: ``init`` and ``import``."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.gateway import ImportSurvey, NewDisk, NewPool, SurveyedDisk
from dynamicfs_tui.cli.output import print_json, print_sentences, print_table
from engine.errors import PoolError, UsageError
from engine.model.disk import Tier
from engine.model.redundancy import parse_redundancy
from engine.status.views import ExitCode
from engine.units import NS_PER_S

DEFAULT_REDUNDANCY = "rs:4+2"
NARROW = ("off", "auto")


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    init = verbs.add_for_pool("init", run_init, "make a new pool")
    init.add_argument("--name", help="what to call it (the directory's name)")
    init.add_argument(
        "--redundancy",
        default=DEFAULT_REDUNDANCY,
        metavar="rs:K+M|copies:N",
        help=f"how every extent is protected ({DEFAULT_REDUNDANCY})",
    )
    init.add_argument(
        "--narrow",
        choices=NARROW,
        default=NARROW[0],
        help="what becomes of extents whose width is gone: wait (off), or fewer disks (auto)",
    )
    init.add_argument(
        "--rebuild-delay",
        type=float,
        metavar="SECONDS",
        help="how long a disk may be missing before it is rebuilt (600)",
    )
    init.add_argument(
        "--disk",
        action="append",
        default=[],
        metavar="PATH[:TIER]",
        help="a directory that becomes a disk; hot, warm or cold (hot); repeatable",
    )
    add_json(init)

    bring = verbs.add("import", run_import, "make a lost pool directory again from its disks")
    bring.add_argument("disks", nargs="+", metavar="DISK", help="a disk's directory")
    bring.add_argument("--into", required=True, metavar="POOL", help="the pool directory to make")
    bring.add_argument("--dry-run", action="store_true", help="show what would be taken and stop")
    bring.add_argument("--yes", action="store_true", help="do not ask")
    add_json(bring)


def parse_new_disk(text: str) -> NewDisk:
    """Read ``PATH[:TIER]``; a colon that no tier follows belongs to the path.

    >>> parse_new_disk("/d/1:cold").tier, parse_new_disk("/d/a:b").path.name
    ('cold', 'a:b')
    """
    path, colon, tier = text.rpartition(":")
    if colon and tier in {*Tier}:
        return NewDisk(path=_disk_path(path), tier=tier)
    return NewDisk(path=_disk_path(text), tier=Tier.HOT.value)


def _disk_path(text: str) -> Path:
    if not text:
        raise UsageError("a disk needs a path: --disk PATH[:TIER]")
    return Path(text).absolute()


def run_init(session: Session, arguments: Namespace) -> int:
    """Make a pool and tell what was made."""
    parse_redundancy(arguments.redundancy)  # Refused here before anything is touched.
    disks = [parse_new_disk(text) for text in arguments.disk]
    pool_dir = Path(arguments.pool).absolute()
    pool = NewPool(
        name=arguments.name or pool_dir.name,
        redundancy=arguments.redundancy,
        narrow=arguments.narrow,
        rebuild_delay_s=arguments.rebuild_delay,
        disks=tuple(disks),
    )
    sentences = session.engine.create_pool(pool_dir, pool)
    print_sentences(session, arguments, sentences)
    return ExitCode.FINE


def run_import(session: Session, arguments: Namespace) -> int:
    """Show what the disks hold, ask, and make the pool directory again."""
    disks = [_disk_path(text) for text in arguments.disks]
    into = Path(arguments.into).absolute()
    survey = session.engine.survey_import(disks)
    if arguments.json and arguments.dry_run:
        print_json(session, survey)
    elif not arguments.json:
        _print_survey(session, survey)
    if survey.obstacle:
        raise PoolError(survey.obstacle)
    if arguments.dry_run:
        return ExitCode.FINE
    if not arguments.yes and not _confirmed(session, f"Import {survey.pool_name} into {into}?"):
        session.note("nothing was changed")
        return ExitCode.FAILED
    print_sentences(session, arguments, session.engine.import_pool(disks, into))
    return ExitCode.FINE


def _print_survey(session: Session, survey: ImportSurvey) -> None:
    """Show the head that would be taken, each disk, and what is missing."""
    if survey.pool_uuid:
        print(
            f"pool {survey.pool_name} ({survey.pool_uuid}), generation {survey.generation} "
            f"of epoch {survey.epoch}",
            file=session.stdout,
        )
    print_table(
        session,
        ("disk", "generation", "epoch", "written", "path", "remark"),
        [_survey_row(disk) for disk in survey.disks],
        right="generation epoch",
    )
    for name in survey.missing:
        print(f"missing: {name}", file=session.stdout)


def _survey_row(disk: SurveyedDisk) -> tuple[str, ...]:
    written = "never"
    if disk.written_ns:
        moment = datetime.fromtimestamp(disk.written_ns / NS_PER_S, UTC)
        written = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return (disk.name, str(disk.generation), str(disk.epoch), written, disk.path, disk.remark)


def _confirmed(session: Session, question: str) -> bool:
    """Ask on the terminal; UsageError when there is none to ask."""
    if not session.stdin.isatty():
        raise UsageError("nobody can be asked here: add --yes to import, or --dry-run to look")
    print(f"{question} [y/N] ", end="", file=session.stderr, flush=True)
    return session.stdin.readline().strip().lower() in ("y", "yes")
