"""What a directory holds and how safe it is: the file explorer's question.

Read from the last committed group, without the write lock, in short pieces.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from engine.errors import DamagedDatabaseError
from engine.ids import DiskId, InodeId, MapId
from engine.metadata.inodes import decode_inode
from engine.metadata.wal import ReaderPool
from engine.model.inode import Inode
from engine.pool.whereabouts import health_word
from engine.status.answers import DirectoryEntryView

PIECE_EXTENTS: Final = 1024
"""Segments judged in one read transaction: some 10 ms."""

CHILDREN_MAX: Final = 256
"""Files of a directory that are judged for it."""

PIECES_MAX: Final = 256
"""Read transactions of one listing (P8); what is left then is ``unknown``."""

UNKNOWN: Final = "unknown"

_JUDGED: Final = (
    "SELECT min(intact - needed), max(width - intact) FROM (SELECT e.needed AS needed,"
    " e.width AS width, (SELECT count(*) FROM fragment f WHERE f.extent = e.id"
    " AND f.disk IN (SELECT value FROM json_each(?4)) AND NOT EXISTS (SELECT 1 FROM damage d"
    " WHERE d.extent = e.id AND d.position = f.position)) AS intact FROM extent e WHERE e.id IN"
    " (SELECT extent FROM segment WHERE map = ?1 AND offset > ?2 ORDER BY offset LIMIT ?3))"
)
_LAST: Final = (
    "SELECT max(offset) FROM (SELECT offset FROM segment WHERE map = ?1 AND offset > ?2"
    " ORDER BY offset LIMIT ?3)"
)


@dataclass(slots=True)
class _Judged:
    """The worst of some extents."""

    exposure: int | None = None
    degraded: bool = False
    known: bool = True

    def add(self, other: _Judged) -> None:
        """Take the worse of both."""
        if other.exposure is not None:
            mine = self.exposure
            self.exposure = other.exposure if mine is None else min(mine, other.exposure)
        self.degraded |= other.degraded
        self.known &= other.known


class DirectoryListing:
    """One listing of one directory."""

    def __init__(
        self, readers: ReaderPool, *, readable: AbstractSet[DiskId], tolerance: int
    ) -> None:
        """*readable* are the disks whose fragments count; *tolerance* is the pool's."""
        self._readers = readers
        self._readable = json.dumps(sorted(readable))
        self._tolerance = tolerance
        self._pieces = 0

    def entries(self, directory: InodeId, limit: int) -> Sequence[DirectoryEntryView]:
        """Return up to *limit* entries by name."""
        found: list[DirectoryEntryView] = []
        for name, inode in self._children(directory, limit):
            if inode is None:
                found.append(_damaged(name))
                continue
            is_directory = stat.S_ISDIR(inode.mode)
            judged = self._directory(inode.inode_id) if is_directory else self._file(inode.map_id)
            stored = judged.exposure is not None
            exposure = self._tolerance if judged.exposure is None else judged.exposure
            word = health_word(exposure, degraded=judged.degraded, stored=stored)
            found.append(
                DirectoryEntryView(
                    name=name.decode("utf-8", "replace"),
                    is_directory=is_directory,
                    size=inode.size,
                    exposure=exposure,
                    health=word if judged.known or word == "lost" else UNKNOWN,
                )
            )
        return found

    def _children(self, directory: InodeId, limit: int) -> Sequence[tuple[bytes, Inode | None]]:
        """Return names with what they lead to, None where that is damaged or not there."""
        with self._readers.read() as connection:
            return [
                (bytes(row[0]), self._decoded(row[1:]))
                for row in connection.execute(
                    "SELECT d.name, i.* FROM dentry d LEFT JOIN inode i ON i.id = d.inode"
                    " WHERE d.parent = ? ORDER BY d.name LIMIT ?",
                    (directory, limit),
                )
            ]

    def _decoded(self, row: tuple[object, ...]) -> Inode | None:
        try:
            if row[0] is None:
                raise DamagedDatabaseError("a name leads to an inode that is not there")
            return decode_inode(row)
        except DamagedDatabaseError as error:
            self._readers.note.take(error)
            return None

    def _directory(self, inode: InodeId) -> _Judged:
        """Return the worst of the files right in a directory."""
        judged = _Judged()
        children = self._children(inode, CHILDREN_MAX + 1)
        judged.known = len(children) <= CHILDREN_MAX
        for _, child in children[:CHILDREN_MAX]:
            judged.add(self._file(child.map_id) if child else _Judged(known=False))
        return judged

    def _file(self, map_id: MapId) -> _Judged:
        judged, cursor = _Judged(), -1
        while map_id:
            if self._pieces >= PIECES_MAX:
                judged.known = False
                break
            self._pieces += 1
            with self._readers.read() as connection:
                bindings = (map_id, cursor, PIECE_EXTENTS)
                last = connection.execute(_LAST, bindings).get
                if last is None:
                    break
                row = connection.execute(_JUDGED, (*bindings, self._readable)).fetchone()
            if row is not None and row[0] is not None:
                judged.add(_Judged(max(-1, row[0]), row[1] > 0))
            cursor = last
        return judged


def _damaged(name: bytes) -> DirectoryEntryView:
    """Return what is known of a name whose inode is damaged: that it is there."""
    return DirectoryEntryView(
        name=name.decode("utf-8", "replace"),
        is_directory=False,
        size=0,
        exposure=0,
        health=UNKNOWN,
    )
