"""Extended attributes of inodes. Quick: the write lock, one operation, no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.clock import Clock
from engine.errors import NoAttributeError
from engine.ids import InodeId
from engine.metadata.tables import Tables
from engine.vfs.tree import Tree


class Xattrs:
    """Named values that hang on inodes."""

    def __init__(self, *, tables: Tables, tree: Tree, clock: Clock) -> None:
        self._store = tables.store
        self._inodes = tables.inodes
        self._names = tables.names
        self._tree = tree
        self._clock = clock

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes:
        with self._store.lock:
            self._tree.inode(inode_id)
            value = self._names.get_xattr(inode_id, name)
            if value is None:
                raise NoAttributeError(repr(name))
            return value

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        with self._store.operation():
            inode = self._tree.inode(inode_id)
            self._names.set_xattr(inode_id, name, value)
            self._inodes.update(replace(inode, ctime_ns=self._clock.now_ns()))

    def list_xattrs(self, inode_id: InodeId) -> Sequence[bytes]:
        with self._store.lock:
            self._tree.inode(inode_id)
            return self._names.list_xattrs(inode_id)

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        with self._store.operation():
            inode = self._tree.inode(inode_id)
            if self._names.get_xattr(inode_id, name) is None:
                raise NoAttributeError(repr(name))
            self._names.remove_xattr(inode_id, name)
            self._inodes.update(replace(inode, ctime_ns=self._clock.now_ns()))
