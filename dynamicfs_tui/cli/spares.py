"""``set-spare``: keep a disk for the day another one fails."""

from __future__ import annotations

from argparse import Namespace

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.disks import disk_name
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_sentences
from engine.status.views import ExitCode


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    spare = verbs.add_for_pool("set-spare", run_set_spare, "keep a disk to heal with, or use it")
    spare.add_argument("disk", metavar="DISK", help="a disk's name, UUID prefix, or path")
    spare.add_argument("use", metavar="on|off", choices=["on", "off"], help="on: only to heal")
    add_json(spare)


def run_set_spare(session: Session, arguments: Namespace) -> int:
    """Make a disk a spare or an ordinary disk."""
    disk = disk_name(arguments.disk)
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        sentence = connection.control.disks.set_spare(disk, spare=arguments.use == "on")
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE
