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
ASIDE_KEPT = 2
"""Databases that were set aside and are kept."""

_ASIDE = ".aside-"
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
    """Rename *path* and its companions to ``….aside-<n>``; return the new name.

    The newest ones are kept for people, ``ASIDE_KEPT`` of them: a database that is
    damaged again and again must not fill the pool directory (P8).
    """
    older = _set_aside_before(path)
    aside = path.with_name(f"{path.name}{_ASIDE}{max(older, default=0) + 1}")
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
    for number in sorted(older)[: max(0, len(older) + 1 - ASIDE_KEPT)]:
        _forget(path.with_name(f"{path.name}{_ASIDE}{number}"))
    return aside


def _set_aside_before(path: Path) -> set[int]:
    """Return the numbers of what was set aside of *path*, also of a log alone."""
    prefix = path.name + _ASIDE
    entries = [entry for entry in os.listdir(path.parent) if entry.startswith(prefix)]
    numbers = [entry.removeprefix(prefix).partition("-")[0] for entry in entries]
    return {int(number) for number in numbers if number.isascii() and number.isdigit()}


def _forget(aside: Path) -> None:
    """Remove one database that was set aside; what is no file stays."""
    # The log first: what is left where this breaks off is found again by its name.
    for file in (*companions(aside), aside):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def place_database(scratch: Path, path: Path) -> None:
    """Rename the closed database *scratch* to *path*, durably; *path* is free."""
    if any(os.path.lexists(file) for file in (path, *companions(path))):
        set_database_aside(path)
    flush_file(scratch)
    scratch.rename(path)
    path.with_name(path.name + _MARK).unlink(missing_ok=True)
    flush_file(path.parent)
