"""Verbs about disks: add, list, probe, set their health."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import health_code, print_json, print_sentences, print_table
from engine.model.disk import DiskState, Tier
from engine.status.views import DiskView, ExitCode
from engine.units import format_bytes

_DISK_HELP = "a disk's name, the start of its UUID, or its path"


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    add = verbs.add_for_pool("add-disk", run_add_disk, "make a directory a disk of the pool")
    add.add_argument("path", metavar="PATH", help="the directory, best a mounted disk's")
    add.add_argument("--tier", choices=[*Tier], default=Tier.HOT, help="its tier (hot)")
    add_json(add)

    add_json(verbs.add_for_pool("list-disks", run_list_disks, "list the disks and their health"))
    add_json(verbs.add_for_pool("probe-disks", run_probe_disks, "look at every disk now"))

    health = verbs.add_for_pool("set-disk-health", run_set_health, "set the state of a disk")
    health.add_argument("disk", metavar="DISK", help=_DISK_HELP)
    health.add_argument("state", metavar="STATE", choices=[*DiskState], help=", ".join(DiskState))
    add_json(health)

    fail = verbs.add_for_pool("fail-disk", run_fail_disk, "mark a disk failed and rebuild it")
    fail.add_argument("disk", metavar="DISK", help=_DISK_HELP)
    add_json(fail)


def run_add_disk(session: Session, arguments: Namespace) -> int:
    """Add a disk."""
    path = str(Path(arguments.path).absolute())
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        sentence = connection.control.add_disk(path, str(arguments.tier))
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


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
        disk.state.value if disk.present else f"{disk.state.value}, missing",
        format_bytes(disk.total_bytes - disk.free_bytes),
        format_bytes(disk.total_bytes),
        str(disk.errors + disk.corruptions),
        disk.path,
        disk.reason,
    )


def run_probe_disks(session: Session, arguments: Namespace) -> int:
    """Probe, print what was found, and return how the pool is now."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        sentences = connection.control.probe_disks()
        view = connection.control.view()
    print_sentences(session, arguments, sentences)
    return health_code(view)


def run_set_health(session: Session, arguments: Namespace) -> int:
    """Set a disk's state."""
    return _set_state(session, arguments, str(arguments.state))


def run_fail_disk(session: Session, arguments: Namespace) -> int:
    """Set a disk's state to failed."""
    return _set_state(session, arguments, DiskState.FAILED.value)


def _set_state(session: Session, arguments: Namespace, state: str) -> int:
    disk = _disk_name(arguments.disk)
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        sentence = connection.control.set_disk_health(disk, state)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def _disk_name(text: str) -> str:
    """Make a relative path absolute: the engine may be in another directory."""
    return str(Path(text).absolute()) if "/" in text else text
