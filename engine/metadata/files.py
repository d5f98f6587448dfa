"""Database files in the pool directory: put into place, set aside, removed.

A write-ahead log does not name its database: beside another database of the
same name it would be replayed into that. So a log never stays where a database
is put, and each move is ordered so that a crash leaves either the old pair or
no database at all, which is rebuilt.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import PoolError

DATABASE_NAME = "metadata.db"
_COMPANIONS = ("-wal", "-shm", "-journal")


def companions(path: Path) -> tuple[Path, ...]:
    """Return the files that SQLite keeps beside the database at *path*."""
    return tuple(path.with_name(path.name + suffix) for suffix in _COMPANIONS)


def remove_database(path: Path) -> None:
    """Remove a scratch database with its companions; harmless when absent."""
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)


def flush_file(path: Path) -> None:
    """Make the content of a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_database_aside(path: Path) -> Path:
    """Rename *path* and its companions to ``….aside-<n>``; return the new name."""
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.name}.aside-{number}")
        if aside.exists():
            continue
        # The database first: a log without a database is moved by whoever
        # puts the next one into place, a database without its log would be
        # taken for an old but sound one.
        if path.exists():
            path.rename(aside)
        for old, new in zip(companions(path), companions(aside), strict=True):
            if old.exists():
                old.rename(new)
        flush_file(path.parent)
        return aside
    raise PoolError(f"{path.parent} is full of databases that were set aside")


def place_database(scratch: Path, path: Path) -> None:
    """Rename the closed database *scratch* to *path*, durably; *path* is free."""
    if any(file.exists() for file in (path, *companions(path))):
        set_database_aside(path)
    flush_file(scratch)
    scratch.rename(path)
    flush_file(path.parent)
