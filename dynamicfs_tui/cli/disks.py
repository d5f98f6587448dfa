"""Verbs about disks: add, list, probe."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Owner, connect
from dynamicfs_tui.cli.consent import asks_yes
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_sentences, print_table
from dynamicfs_tui.cli.rebuild import WORKS_ITSELF, watch_work
from engine.model.disk import Tier
from engine.status.control import PoolControl
from engine.status.views import DiskView, ExitCode
from engine.units import format_bytes


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    add = verbs.add_for_pool("add-disk", run_add_disk, "make a directory a disk of the pool")
    add.add_argument("path", metavar="PATH", help="the directory, best a mounted disk's")
    add.add_argument("--tier", choices=[*Tier], default=Tier.HOT, help="its tier (hot)")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--spare", action="store_true", help="use it only to heal")
    how.add_argument(
        "--rebalance", action="store_true", help="move its share of what is there already to it"
    )
    add_json(add)

    add_json(verbs.add_for_pool("list-disks", run_list_disks, "list the disks and their health"))
    add_json(verbs.add_for_pool("probe-disks", run_probe_disks, "look at every disk now"))


def run_add_disk(session: Session, arguments: Namespace) -> int:
    """Add a disk, and give it its share of the data where the operator wants that."""
    path = str(Path(arguments.path).absolute())
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        control = connection.control
        sentences = [control.add_disk(path, str(arguments.tier), spare=arguments.spare)]
        if _takes_share(session, arguments, control):
            started_s = control.view().monotonic_s
            sentences.append(control.work.rebalance())
            if connection.owner is not Owner.OTHER:
                session.note(WORKS_ITSELF)
                watch_work(session, control, started_s)
    print_sentences(session, arguments, sentences)
    return ExitCode.FINE


def _takes_share(session: Session, arguments: Namespace, control: PoolControl) -> bool:
    """Whether to rebalance: by its option, or asked at a terminal where there is data to move."""
    if arguments.rebalance or arguments.spare or arguments.json or not session.stdin.isatty():
        return bool(arguments.rebalance)
    if not any(disk.fragment_count for disk in control.view().disks):
        return False
    return asks_yes(session, "Move its share of what is there already to the new disk now?")


def run_list_disks(session: Session, arguments: Namespace) -> int:
    """Print every disk, also those that are not there."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        view = connection.control.view()
    if arguments.json:
        print_json(session, view.disks)
    else:
        print_disks(session, view.disks)
    return ExitCode.FINE


def print_disks(session: Session, disks: tuple[DiskView, ...]) -> None:
    """Print the table of disks for people."""
    print_table(
        session,
        ("disk", "uuid", "tier", "state", "used", "size", "errors", "path", "remark"),
        [_disk_row(disk) for disk in disks],
        right="used size errors",
    )


def _disk_row(disk: DiskView) -> tuple[str, ...]:
    return (
        disk.name,
        disk.uuid[:8],
        disk.tier.value,
        _state_words(disk),
        format_bytes(disk.total_bytes - disk.free_bytes),
        format_bytes(disk.total_bytes),
        str(disk.errors + disk.corruptions),
        disk.path,
        disk.reason,
    )


def _state_words(disk: DiskView) -> str:
    """Return the state and what else decides how the disk is used."""
    words = [disk.state.value]
    if disk.spare:
        words.append("spare")
    if not disk.present:
        words.append("detached" if disk.detached else "missing")
    return ", ".join(words)


def run_probe_disks(session: Session, arguments: Namespace) -> int:
    """Probe, print what was found, and return how the pool is now."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        sentences = connection.control.probe_disks()
        view = connection.control.view()
    print_sentences(session, arguments, sentences)
    return health_code(view)


def disk_name(text: str) -> str:
    """Make a relative path absolute: the engine may be in another directory."""
    return str(Path(text).absolute()) if "/" in text else text
