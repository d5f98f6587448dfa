"""Inode rows, each with a checksum of its own (DESIGN 5, Integrity).

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

import struct
from typing import Final

from blake3 import blake3

from engine.errors import DamagedDatabaseError
from engine.ids import InodeId
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
    """Inodes by number, with a write-through cache of rows."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._execute = store.connection.execute
        self._rows = store.rows
        self._cache: dict[InodeId, Inode] = {}
        store.on_rollback.append(self._cache.clear)

    def get(self, inode_id: InodeId) -> Inode | None:
        """Return the inode, None when there is none."""
        inode = self._cache.get(inode_id)
        if inode is not None:
            return inode
        row = self._rows.read("SELECT * FROM inode WHERE id = ?", (inode_id,)).fetchone()
        if row is None:
            return None
        with reported(self._rows.note):
            inode = decode_inode(row)
        self._remember(inode)
        return inode

    def insert(self, inode: Inode) -> None:
        """Add a new inode."""
        self._execute(
            "INSERT INTO inode VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*inode, _check_hash(inode)),
        )
        self._remember(inode)

    def update(self, inode: Inode) -> None:
        """Write every attribute of an inode that exists."""
        self._execute(
            "UPDATE inode SET mode = ?, uid = ?, gid = ?, nlink = ?, size = ?, rdev = ?,"
            " atime_ns = ?, mtime_ns = ?, ctime_ns = ?, map = ?, parent = ?, check_hash = ?"
            " WHERE id = ?",
            (*inode[1:], _check_hash(inode), inode.inode_id),
        )
        self._cache[inode.inode_id] = inode

    def resize(self, inode: Inode, size: int) -> None:
        """Change only the size, as landing data does."""
        self.update(inode._replace(size=size))

    def delete(self, inode_id: InodeId) -> None:
        """Remove the inode."""
        self._execute("DELETE FROM inode WHERE id = ?", (inode_id,))
        self._cache.pop(inode_id, None)

    def count(self) -> int:
        """Return how many inodes there are; walks an index, not for hot paths."""
        return int(self._rows.read("SELECT count(*) FROM inode").get)

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
