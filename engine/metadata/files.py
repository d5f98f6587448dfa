"""Database files in the pool directory: put into place, set aside, removed.

A write-ahead log does not name its database: beside another database of the
same name it would be replayed into that. So a log never stays where a database
is put, and each move is ordered so that a crash leaves either the old pair or
no database at all, which is rebuilt.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from engine.errors import PoolError

DATABASE_NAME = "metadata.db"
_COMPANIONS = ("-wal", "-shm", "-journal")
_MARK = ".damaged"
_MARK_BYTES_MAX = 1000


def companions(path: Path) -> tuple[Path, ...]:
    """Return the files that SQLite keeps beside the database at *path*."""
    return tuple(path.with_name(path.name + suffix) for suffix in _COMPANIONS)


def remove_database(path: Path) -> None:
    """Remove a scratch database with its companions; harmless when absent.

    Raises:
        PoolError: something that is no file has one of the names.
    """
    for file in (path, *companions(path)):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise PoolError(f"{file} is in the way: {error.strerror}") from error


def flush_file(path: Path) -> None:
    """Make the content of a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mark_damaged(path: Path, reason: str) -> None:
    """Have the next open take the database at *path* for damaged.

    For what no checksum of a page shows: a row that is not what was written. Without
    room for the mark nothing is lost: its reader meets the row again.
    """
    with suppress(OSError):
        path.with_name(path.name + _MARK).write_bytes(reason.encode()[:_MARK_BYTES_MAX])


def damage_mark(path: Path) -> str:
    """Return why the database at *path* was marked; empty if it was not."""
    mark = path.with_name(path.name + _MARK)
    if not mark.is_file():
        return ""
    try:
        return mark.read_bytes()[:_MARK_BYTES_MAX].decode("utf-8", "replace") or "it was marked so"
    except OSError as error:
        return f"its mark cannot be read: {error.strerror}"


def set_database_aside(path: Path) -> Path:
    """Rename *path* and its companions to ``….aside-<n>``; return the new name."""
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.name}.aside-{number}")
        if os.path.lexists(aside):
            continue
        # The database first: a log without a database is moved by whoever
        # puts the next one into place, a database without its log would be
        # taken for an old but sound one. Flushed between the two, since renames
        # that were not may reach the disk in any order.
        if os.path.lexists(path):
            path.rename(aside)
            flush_file(path.parent)
        for old, new in zip(companions(path), companions(aside), strict=True):
            if os.path.lexists(old):  # A link to nothing would keep the next from opening.
                old.rename(new)
        flush_file(path.parent)
        return aside
    raise PoolError(f"{path.parent} is full of databases that were set aside")


def place_database(scratch: Path, path: Path) -> None:
    """Rename the closed database *scratch* to *path*, durably; *path* is free."""
    if any(os.path.lexists(file) for file in (path, *companions(path))):
        set_database_aside(path)
    flush_file(scratch)
    scratch.rename(path)
    path.with_name(path.name + _MARK).unlink(missing_ok=True)
    flush_file(path.parent)
