"""Which file has bytes in an extent, for people.

Nothing leads from an extent up to a name, so whole tables are walked, in
pieces; all extents asked for share one walk. Meant for few extents, rarely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import apsw

from engine.ids import ROOT_INODE, ExtentId
from engine.metadata.wal import ReaderPool

PIECE_ROWS: Final = 5000
EXTENTS_MAX: Final = 256
"""Extents looked up in one walk; the others get no path."""

DEPTH_MAX: Final = 512
"""Folders above a file; more is a loop."""


class PathFinder:
    """Finds one path for each extent. Any thread."""

    def __init__(self, readers: ReaderPool) -> None:
        self._readers: Final = readers

    def find(self, extents: Iterable[ExtentId]) -> dict[ExtentId, str]:
        """Return a path for those of *extents* that a file with a name has bytes in.

        The result is of the moments it was looked at: a file that moves
        meanwhile may be missing.
        """
        maps: dict[int, list[ExtentId]] = {}
        with self._readers.read() as connection:
            for extent_id in list(extents)[:EXTENTS_MAX]:
                row = connection.execute(
                    "SELECT map FROM segment WHERE extent = ? LIMIT 1", (extent_id,)
                ).fetchone()
                if row is not None:
                    maps.setdefault(row[0], []).append(extent_id)
        if not maps:
            return {}
        inodes = {inode: maps[map_id] for inode, map_id in self.files_of(set(maps))}
        found: dict[ExtentId, str] = {}
        for inode, path in self.names(set(inodes)).items():
            found |= dict.fromkeys(inodes[inode], path)
        return found

    def names(self, inodes: set[int]) -> dict[int, str]:
        """Return one path for each of *inodes* that has a name. Walks all names."""
        found: dict[int, str] = {}
        for parent, name, inode in self._names_of(inodes):
            if inode not in found and (path := self._path(parent, name)):
                found[inode] = path
                if len(found) == len(inodes):
                    break
        return found

    def files_of(self, maps: set[int]) -> Iterator[tuple[int, int]]:
        """Yield (inode, map) of each file whose map is one of *maps*."""
        cursor = 0
        while True:
            with self._readers.read() as connection:
                rows = list(
                    connection.execute(
                        "SELECT id, map FROM inode WHERE id > ? ORDER BY id LIMIT ?",
                        (cursor, PIECE_ROWS),
                    )
                )
            if not rows:
                return
            cursor = rows[-1][0]
            yield from ((inode, map_id) for inode, map_id in rows if map_id in maps)

    def _names_of(self, inodes: set[int]) -> Iterator[tuple[int, bytes, int]]:
        parent, name = 0, b""
        while True:
            with self._readers.read() as connection:
                rows = list(
                    connection.execute(
                        "SELECT parent, name, inode FROM dentry WHERE (parent, name) > (?, ?)"
                        " ORDER BY parent, name LIMIT ?",
                        (parent, name, PIECE_ROWS),
                    )
                )
            if not rows:
                return
            parent, name = rows[-1][0], rows[-1][1]
            yield from (row for row in rows if row[2] in inodes)

    def _path(self, parent: int, name: bytes) -> str:
        parts = [name]
        with self._readers.read() as connection:
            while parent != ROOT_INODE and len(parts) < DEPTH_MAX:
                above = _name_of_directory(connection, parent)
                if above is None:
                    return ""
                parent, folder = above
                parts.append(folder)
        return "/" + b"/".join(reversed(parts)).decode("utf-8", "replace")


def _name_of_directory(connection: apsw.Connection, inode: int) -> tuple[int, bytes] | None:
    row = connection.execute("SELECT parent FROM inode WHERE id = ?", (inode,)).fetchone()
    if row is None:
        return None
    named = connection.execute(
        "SELECT parent, name FROM dentry WHERE parent = ? AND inode = ? LIMIT 1", (row[0], inode)
    ).fetchone()
    return None if named is None else (int(named[0]), bytes(named[1]))
