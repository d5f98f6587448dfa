"""Paths that commands are given: on the mount of a pool, or within the pool."""

from __future__ import annotations

import os
from pathlib import Path

from dynamicfs_tui.cli.command import Session
from engine.errors import UsageError


def find_mounted(session: Session, path: str) -> tuple[Path, str]:
    """Return the pool directory whose mount holds *path*, and the path within the pool.

    Raises:
        UsageError: it is on no mount of a pool.
    """
    given = _without_links(path)
    for above in (given, *given.parents):
        pool_dir = session.engine.mounted_pool(above)
        if pool_dir is not None:
            return pool_dir, _below(given, above)
    raise UsageError(f"{path} is on no mounted pool: name the pool, too")


def path_within(path: str, mountpoint: str) -> str:
    """Return *path* as the pool knows it: on *mountpoint*, or within the pool already.

    >>> path_within("/a/b", ""), path_within("a/b", "")
    ('/a/b', '/a/b')
    >>> path_within("/mnt/tank/a", "/mnt/tank"), path_within("/mnt/tanks", "/mnt/tank")
    ('/a', '/mnt/tanks')
    """
    if mountpoint and path.startswith("/"):
        given = _without_links(path)
        if given == Path(mountpoint) or Path(mountpoint) in given.parents:
            return _below(given, Path(mountpoint))
    return os.path.normpath("/" + path.lstrip("/"))


def _without_links(path: str) -> Path:
    """Return *path* absolute; the last name may be a link, which is not followed."""
    given = Path(os.path.abspath(path))  # noqa: PTH100 - `absolute` keeps ".."
    return given.parent.resolve() / given.name


def _below(path: Path, mountpoint: Path) -> str:
    relative = path.relative_to(mountpoint).as_posix()
    return "/" if relative == "." else f"/{relative}"
