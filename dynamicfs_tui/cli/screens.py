"""Verbs that take the whole terminal: ``console`` and ``demo``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dynamicfs_tui.cli.command import Session, Verbs
from dynamicfs_tui.cli.connection import pool_path
from dynamicfs_tui.cli.mounting import add_metrics_address, check_mountpoint
from engine.errors import UsageError


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    console = verbs.add_for_pool("console", run_console, "open the pool in the terminal console")
    console.add_argument(
        "mountpoint", nargs="?", metavar="MOUNTPOINT", help="mount it here read-write meanwhile"
    )
    add_metrics_address(console)
    demo = verbs.add(
        "demo", run_demo, "make or reopen a pool of six disks, mounted, in the console"
    )
    demo.add_argument("--dir", metavar="D", help="where its pool, disks and mount point are")


def _need_terminal(session: Session) -> None:
    if not (session.stdin.isatty() and session.stdout.isatty()):
        raise UsageError("the console needs a terminal")


def run_console(session: Session, arguments: Namespace) -> int:
    """Run the console on a pool."""
    pool_dir = pool_path(arguments.pool)
    mountpoint = None
    if arguments.mountpoint is not None:
        mountpoint = check_mountpoint(arguments.mountpoint)
    _need_terminal(session)
    return session.engine.run_console(
        pool_dir, mountpoint, metrics_address=arguments.metrics_address
    )


def run_demo(session: Session, arguments: Namespace) -> int:
    """Run the demo."""
    _need_terminal(session)
    directory = None if arguments.dir is None else Path(arguments.dir).absolute()
    return session.engine.run_demo(directory)
