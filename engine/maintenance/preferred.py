"""Extents of the files that the operator wants to have mended first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from stat import S_ISDIR
from typing import Final

import apsw

from engine.ids import ROOT_INODE, ExtentId
from engine.metadata.wal import ReaderPool

PREFERRED_EXTENTS_MAX: Final = 100_000
"""Extents remembered; those beyond it keep their place among the others."""

PIECE_INODES: Final = 200
"""Inodes looked at in one read transaction."""


class PreferredExtents:
    """Which extents have bytes of the preferred files. ``refresh`` by one thread."""

    def __init__(self, readers: ReaderPool) -> None:
        self._readers: Final = readers
        self._extents: frozenset[ExtentId] = frozenset()

    def __contains__(self, extent_id: object) -> bool:
        return extent_id in self._extents

    def exists(self, path: str) -> bool:
        """Whether the newest group has *path*."""
        with self._readers.read() as connection:
            return _find(connection, path) is not None

    def refresh(self, paths: Iterable[str]) -> None:
        """Find the extents anew: those of the newest group, at most PREFERRED_EXTENTS_MAX."""
        found: set[ExtentId] = set()
        for inode in self._files_below(paths):
            with self._readers.read() as connection:
                rows = connection.execute(
                    "SELECT DISTINCT extent FROM segment"
                    " WHERE map = (SELECT map FROM inode WHERE id = ?1) AND map <> 0 LIMIT ?2",
                    (inode, PREFERRED_EXTENTS_MAX - len(found)),
                )
                found |= {ExtentId(row[0]) for row in rows}
            if len(found) >= PREFERRED_EXTENTS_MAX:
                break
        self._extents = frozenset(found)

    def _files_below(self, paths: Iterable[str]) -> Iterator[int]:
        waiting: list[int] = []
        for path in paths:
            with self._readers.read() as connection:
                inode = _find(connection, path)
            if inode is not None:
                waiting.append(inode)
        while waiting:
            piece, waiting = waiting[:PIECE_INODES], waiting[PIECE_INODES:]
            with self._readers.read() as connection:
                directories = [inode for inode in piece if _is_directory(connection, inode)]
                for inode in directories:
                    query = "SELECT inode FROM dentry WHERE parent = ?"
                    waiting += [row[0] for row in connection.execute(query, (inode,))]
            yield from (inode for inode in piece if inode not in directories)


def _is_directory(connection: apsw.Connection, inode: int) -> bool:
    row = connection.execute("SELECT mode FROM inode WHERE id = ?", (inode,)).fetchone()
    return row is not None and S_ISDIR(row[0])


def _find(connection: apsw.Connection, path: str) -> int | None:
    """Return the inode at *path*; symbolic links are not followed."""
    inode: int = ROOT_INODE
    for name in path.split("/"):
        if not name:
            continue
        row = connection.execute(
            "SELECT inode FROM dentry WHERE parent = ? AND name = ?",
            (inode, name.encode("utf-8", "surrogateescape")),
        ).fetchone()
        if row is None:
            return None
        inode = int(row[0])
    return inode
