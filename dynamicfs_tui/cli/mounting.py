"""Verbs about mounts: ``mount``, ``unmount`` and ``sync``."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from pathlib import Path

from dynamicfs_tui.cli.background import Announcement, start_in_background
from dynamicfs_tui.cli.command import SentenceParser, Session, Verbs, add_json
from dynamicfs_tui.cli.connection import pool_path
from dynamicfs_tui.cli.gateway import Access, MountOptions
from dynamicfs_tui.cli.output import print_sentences
from engine.errors import EngineError, PoolBusyError, PoolError, UsageError
from engine.status.views import ExitCode


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    mount = verbs.add_for_pool("mount", run_mount, "mount the pool; returns when it is mounted")
    mount.add_argument("mountpoint", metavar="MOUNTPOINT", help="an empty directory")
    mount.add_argument("--read-write", action="store_true", help="allow changes (read-only)")
    mount.add_argument(
        "--force",
        action="store_true",
        help="with --read-write: go on although too few journal disks are there; remembered",
    )
    mount.add_argument("--allow-other", action="store_true", help="let other users in")
    add_metrics_address(mount)
    mount.add_argument("--foreground", action="store_true", help="serve until unmounted")
    mount.add_argument("--announce-to", type=int, help=argparse.SUPPRESS)

    unmount = verbs.add("unmount", run_unmount, "unmount; returns when all is durable")
    sync = verbs.add("sync", run_sync, "make everything written so far durable")
    for verb in (unmount, sync):
        verb.add_argument("mountpoint", metavar="MOUNTPOINT", help="where the pool is mounted")
        add_json(verb)


def add_metrics_address(verb: SentenceParser) -> None:
    """Give *verb* the option to serve metrics over HTTP."""
    verb.add_argument(
        "--metrics-address",
        metavar="HOST:PORT",
        default="",
        help="serve metrics for Prometheus here; anybody who reaches the address may read them",
    )


def check_mountpoint(mountpoint: str) -> Path:
    """Return the path of an empty directory; UsageError in one sentence for anything else."""
    path = Path(mountpoint).absolute()
    try:
        with os.scandir(path) as entries:
            occupied = next(entries, None) is not None
    except FileNotFoundError as error:
        raise UsageError(f"the mount point {mountpoint} does not exist") from error
    except NotADirectoryError as error:
        raise UsageError(f"the mount point {mountpoint} is not a directory") from error
    except OSError as error:
        raise UsageError(
            f"the mount point {mountpoint} cannot be used: {error.strerror}"
        ) from error
    if occupied:
        raise UsageError(f"the mount point {mountpoint} is not empty")
    return path


def run_mount(session: Session, arguments: Namespace) -> int:
    """Mount in the background, or serve here with ``--foreground``."""
    pool_dir = pool_path(arguments.pool)
    mountpoint = Path(arguments.mountpoint).absolute()
    _access(arguments)  # Refused here, not in the background.
    if arguments.foreground:
        return _serve(session, arguments, pool_dir, mountpoint)
    if session.engine.remove_dead_mount(mountpoint):
        session.note(f"a dead mount at {arguments.mountpoint} was taken away")
    check_mountpoint(arguments.mountpoint)
    command = [sys.executable, "-P", "-m", "dynamicfs_tui.cli", "mount", "--foreground"]
    command += ["--read-write"] * arguments.read_write + ["--force"] * arguments.force
    command += ["--allow-other"] * arguments.allow_other
    if arguments.metrics_address:
        command += ["--metrics-address", arguments.metrics_address]
    start_in_background([*command, "--", str(pool_dir), str(mountpoint)])
    kind = "read-write" if arguments.read_write else "read-only"
    print(f"{arguments.pool} is mounted {kind} at {arguments.mountpoint}", file=session.stdout)
    return ExitCode.FINE


def _access(arguments: Namespace) -> Access:
    """Return what the mount is for; UsageError when the options contradict."""
    if arguments.force and not arguments.read_write:
        raise UsageError("--force is for --read-write; read-only needs none")
    if arguments.force:
        return Access.FORCED
    return Access.READ_WRITE if arguments.read_write else Access.READ_ONLY


def _serve(session: Session, arguments: Namespace, pool_dir: Path, mountpoint: Path) -> int:
    """Serve the mount in this process; tell who started us when it is ready or refused."""
    announcement = Announcement(arguments.announce_to)
    options = MountOptions(
        mountpoint=mountpoint,
        access=_access(arguments),
        shared=arguments.allow_other,
        metrics_address=arguments.metrics_address,
    )
    try:
        check_mountpoint(arguments.mountpoint)
        return session.engine.serve_mount(pool_dir, options, ready=announcement.ready)
    except EngineError as error:
        announcement.refused(error)
        raise


def _pool_at(session: Session, mountpoint: str) -> tuple[Path, Path]:
    """Return the pool mounted at *mountpoint*, and the mount point's path."""
    path = Path(mountpoint).absolute()
    pool_dir = session.engine.mounted_pool(path)
    if pool_dir is None:
        raise UsageError(f"no pool is mounted at {mountpoint}")
    return pool_dir, path


def run_unmount(session: Session, arguments: Namespace) -> int:
    """End the process that serves the mount and wait until its pool is closed."""
    pool_dir, path = _pool_at(session, arguments.mountpoint)
    sentence = session.engine.stop_owner(pool_dir)
    if sentence is None:
        return _remove_dead(session, arguments, path)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def _remove_dead(session: Session, arguments: Namespace, path: Path) -> int:
    """Take away a mount that nobody serves; what was not synced is gone, so it is no success."""
    if not session.engine.remove_dead_mount(path):
        raise PoolBusyError(f"the process that serves {arguments.mountpoint} does not answer")
    raise PoolError(
        f"{arguments.mountpoint} was taken away, but the process that served it had died: "
        "what it had accepted and not synced is lost"
    )


def run_sync(session: Session, arguments: Namespace) -> int:
    """Have the kernel hand over what it caches, then make all of it durable."""
    pool_dir, path = _pool_at(session, arguments.mountpoint)
    owner = session.engine.reach_owner(pool_dir)
    if owner is None:
        raise PoolBusyError(f"the process that serves {arguments.mountpoint} does not answer")
    with owner as control:
        session.engine.write_out(path)
        sentence = control.sync()
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE
