"""Inode rows, each with a checksum of its own (DESIGN 5, Integrity).

What changes is kept here and written when the group ends: a directory changes
with every name in it, and a file several times while it is made (decision
0011). So whoever asks SQLite for inodes asks for those of an earlier group.

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import Final

from blake3 import blake3

from engine.errors import DamagedDatabaseError
from engine.ids import InodeId, MapId
from engine.metadata.rows import reported
from engine.metadata.store import MetadataStore
from engine.model.inode import Inode

ROWS_CACHED_MAX: Final = 32_768
NO_INODE: Final = InodeId(0)
"""Before the first; no inode has it."""

_PACK: Final = struct.Struct("<12q").pack
_COLUMNS: Final = len(Inode._fields)


def _check_hash(inode: Inode) -> bytes:
    return blake3(_PACK(*inode)).digest(16)


class InodeTable:
    """Inodes by number: rows, a cache of them, and what the open group made of them."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._execute = store.writer.execute
        self._rows = store.rows
        self._cache: dict[InodeId, Inode] = {}
        """Rows as they are."""
        self._unwritten: dict[InodeId, Inode] = {}
        """Rows as they will be; never more than a group may have."""
        store.on_rollback.append(self._cache.clear)
        store.before_commit.append(self._write)
        store.on_lost.append(lambda _reason: self._unwritten.clear())

    def get(self, inode_id: InodeId) -> Inode | None:
        """Return the inode, None when there is none."""
        inode = self._unwritten.get(inode_id) or self._cache.get(inode_id)
        if inode is not None:
            return inode
        row = self._rows.first("SELECT * FROM inode WHERE id = ?", (inode_id,))
        if row is None:
            return None
        with reported(self._rows.note):
            inode = decode_inode(row)
        self._remember(inode)
        return inode

    def insert(self, inode: Inode) -> None:
        """Add a new inode.

        Its row is written at once: one that is there already is heard of here.
        """
        self._execute(
            "INSERT INTO inode VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*inode, _check_hash(inode)),
        )
        self._remember(inode)

    def update(self, inode: Inode) -> None:
        """Change any attributes of an inode that exists; its row follows."""
        inode_id = inode.inode_id
        before = self._unwritten.get(inode_id)
        if before is None:
            self._store.note_row()
        self._store.on_undo(partial(self._take_back, inode_id, before))
        self._unwritten[inode_id] = inode

    def _take_back(self, inode_id: InodeId, before: Inode | None) -> None:
        """An operation that changed or removed the inode was undone."""
        if before is None:
            self._unwritten.pop(inode_id, None)
        else:
            self._unwritten[inode_id] = before

    def resize(self, inode: Inode, size: int) -> None:
        """Change only the size, as landing data does."""
        self.update(inode._replace(size=size))

    def delete(self, inode_id: InodeId) -> None:
        """Remove the inode."""
        before = self._unwritten.pop(inode_id, None)
        if before is not None:
            self._store.on_undo(partial(self._take_back, inode_id, before))
        self._execute("DELETE FROM inode WHERE id = ?", (inode_id,))
        self._cache.pop(inode_id, None)

    def _write(self) -> None:
        """Write what the group made of its inodes: each row once, however often it changed."""
        self._store.writer.executemany(
            "UPDATE inode SET mode = ?2, uid = ?3, gid = ?4, nlink = ?5, size = ?6, rdev = ?7,"
            " atime_ns = ?8, mtime_ns = ?9, ctime_ns = ?10, map = ?11, parent = ?12,"
            " check_hash = ?13 WHERE id = ?1",
            [(*inode, _check_hash(inode)) for inode in self._unwritten.values()],
        )
        for inode in self._unwritten.values():
            self._remember(inode)
        self._unwritten.clear()

    def count(self) -> int:
        """Return how many inodes there are; walks an index, not for hot paths."""
        return int(self._rows.read("SELECT count(*) FROM inode").get)

    def of_maps(self, maps: set[MapId]) -> list[InodeId]:
        """Return the inodes whose map is one of *maps*; looks at every row."""
        rows = self._rows.read("SELECT id, map FROM inode WHERE map != 0")
        found = {InodeId(row[0]): MapId(row[1]) for row in rows if row[1] in maps}
        found |= {inode.inode_id: inode.map_id for inode in self._unwritten.values()}
        return [inode_id for inode_id, map_id in found.items() if map_id in maps]

    def add_orphan(self, inode_id: InodeId) -> None:
        """Remember an inode without a name that is still open."""
        self._execute("INSERT INTO orphan VALUES (?)", (inode_id,))

    def remove_orphan(self, inode_id: InodeId) -> None:
        """Forget it."""
        self._execute("DELETE FROM orphan WHERE inode = ?", (inode_id,))

    def orphans(self, limit: int, *, after: InodeId = NO_INODE) -> list[InodeId]:
        """Return inodes without a name behind *after*, oldest first."""
        rows = self._rows.read(
            "SELECT inode FROM orphan WHERE inode > ? ORDER BY inode LIMIT ?", (after, limit)
        )
        return [InodeId(row[0]) for row in rows]

    def _remember(self, inode: Inode) -> None:
        if len(self._cache) >= ROWS_CACHED_MAX:
            for key in list(self._cache)[: ROWS_CACHED_MAX // 4]:
                del self._cache[key]
        self._cache[inode.inode_id] = inode


def decode_inode(row: tuple[object, ...]) -> Inode:
    """Turn a row of ``inode`` into an Inode after checking its checksum (P1).

    Raises:
        DamagedDatabaseError: the row is not what was written.
    """
    inode = Inode._make(row[:_COLUMNS])
    if _check_hash(inode) != row[_COLUMNS]:
        raise DamagedDatabaseError(f"inode {row[0]} fails its checksum")
    return inode
