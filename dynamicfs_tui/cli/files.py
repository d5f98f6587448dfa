"""Where a file is, and what a directory holds: ``where`` and ``ls``."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json, print_table
from dynamicfs_tui.cli.pool_paths import find_mounted, path_within
from engine.errors import UsageError
from engine.status.answers import ExtentPlaceView, WhereView
from engine.status.views import ExitCode
from engine.units import format_bytes


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    where = verbs.add("where", run_where, "tell where a file is: extents, disks, exposure")
    where.add_argument(
        "target",
        metavar="FILE",
        nargs="+",
        help="a file on a mount, or the pool directory and a path within the pool",
    )
    add_json(where)
    listing = verbs.add_for_pool("list-files", run_list_files, "list a directory with its health")
    listing.add_argument("path", metavar="PATH", nargs="?", default="/", help="the directory (/)")
    listing.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="how many names (1000)"
    )
    add_json(listing)


def run_where(session: Session, arguments: Namespace) -> int:
    """Print where a file is; the exit code tells how it is."""
    match arguments.target:
        case [path]:
            pool_dir, inside = find_mounted(session, path)
            pool = str(pool_dir)
        case [pool, path]:
            inside = ""
        case _:
            raise UsageError("where takes a file, or a pool and a file")
    with ExitStack() as stack:
        connection = stack.enter_context(connect(session, pool, access=Access.READ_ONLY))
        inside = inside or path_within(path, connection.control.view().mountpoint)
        view = connection.control.files.where(inside)
    if arguments.json:
        print_json(session, view)
    else:
        _print_where(session, view)
    return _code(view.health)


def _code(health: str) -> int:
    if health == "lost":
        return ExitCode.DATA_LOST
    return ExitCode.FINE if health == "whole" else ExitCode.DEGRADED


def _print_where(session: Session, view: WhereView) -> None:
    losses = "data is lost" if view.exposure < 0 else f"survives {view.exposure} more losses"
    lines = [
        f"{view.path}: {view.health}, {losses}",
        f"  {format_bytes(view.size)} in {view.extent_count} extents, "
        f"{format_bytes(view.pending_bytes)} not in one yet, inode {view.inode}",
        f"  new data is {view.redundancy}, says the {view.policy_from}",
        "  fragments: " + (", ".join(f"{disk} {count}" for disk, count in view.disks) or "none"),
    ]
    for line in lines:
        print(line, file=session.stdout)
    if view.extents:
        print_table(
            session,
            ("offset", "length", "extent", "at", "redundancy", "exposure", "fragments"),
            [_extent_row(extent) for extent in view.extents],
            right="offset length extent at exposure",
        )
    hidden = view.extent_count - len({extent.extent_id for extent in view.extents})
    if hidden > 0:
        print(f"and {hidden} extents more", file=session.stdout)


def _extent_row(extent: ExtentPlaceView) -> tuple[str, ...]:
    fragments = " ".join(
        one.disk if one.state == "intact" else f"{one.disk}({one.state})"
        for one in extent.fragments
    )
    return (
        str(extent.offset),
        str(extent.length),
        str(extent.extent_id),
        str(extent.extent_offset),
        extent.redundancy,
        "lost" if extent.exposure < 0 else str(extent.exposure),
        fragments,
    )


def run_list_files(session: Session, arguments: Namespace) -> int:
    """Print a directory's names, each with its health."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        path = path_within(arguments.path, connection.control.view().mountpoint)
        entries = connection.control.files.list_directory(path, arguments.limit)
    if arguments.json:
        print_json(session, entries)
        return ExitCode.FINE
    print_table(
        session,
        ("name", "size", "survives", "health"),
        [
            (
                f"{entry.name}/" if entry.is_directory else entry.name,
                "" if entry.is_directory else format_bytes(entry.size),
                "lost" if entry.exposure < 0 else str(entry.exposure),
                entry.health,
            )
            for entry in entries
        ],
        right="size survives",
    )
    return ExitCode.FINE
