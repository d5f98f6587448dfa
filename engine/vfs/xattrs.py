"""Extended attributes of inodes. Quick: the write lock, one operation, no disk."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence

from engine.clock import Clock
from engine.errors import InvalidArgumentError, NoAttributeError
from engine.ids import InodeId
from engine.metadata.policies import REDUNDANCY_NAME, encode_policy
from engine.metadata.tables import Tables
from engine.model.inode import Inode
from engine.model.redundancy import Redundancy
from engine.vfs.policy import FilePolicies
from engine.vfs.tree import Tree
from engine.vfs.virtual_xattrs import (
    Describe,
    is_virtual,
    nothing_known,
    read_virtual,
    refuse_change,
    wanted_policy,
)


class Xattrs:
    """Named values that hang on inodes."""

    def __init__(
        self,
        *,
        tables: Tables,
        tree: Tree,
        policies: FilePolicies,
        check_policy: Callable[[Redundancy], None],
        clock: Clock,
    ) -> None:
        """*check_policy* raises PolicyError for what the disks cannot hold (P6)."""
        self._store = tables.store
        self._inodes = tables.inodes
        self._names = tables.names
        self._tree = tree
        self._policies = policies
        self._check_policy = check_policy
        self._clock = clock
        self.describe: Describe = nothing_known
        """Tells where a file is; set by the pool."""

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes:
        """Return the value; the redundancy is told also where it is inherited."""
        with self._store.lock:
            inode = self._tree.inode(inode_id)
            if name == REDUNDANCY_NAME and has_policy(inode):
                return encode_policy(self._policies.of(inode_id))
            value = None if is_virtual(name) else self._names.get_xattr(inode_id, name)
        if is_virtual(name):
            return read_virtual(name, inode_id, self.describe)
        if value is None:
            raise NoAttributeError(repr(name))
        return value

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        if is_virtual(name):
            refuse_change(name)
            self.set_policy(inode_id, wanted_policy(value))
            return
        with self._store.operation():
            inode = self._tree.inode(inode_id)
            self._names.set_xattr(inode_id, name, value)
            self._inodes.update(inode._replace(ctime_ns=self._clock.now_ns()))

    def set_policy(self, inode_id: InodeId, redundancy: Redundancy | None) -> None:
        """Set what new data of a file, or below a directory, gets; None inherits.

        Raises:
            PolicyError: the disks cannot hold it; nothing was changed (P6).
            InvalidArgumentError: neither a file nor a directory.
        """
        if redundancy is not None:
            self._check_policy(redundancy)
        with self._store.operation():
            inode = self._tree.inode(inode_id)
            if not has_policy(inode):
                raise InvalidArgumentError(f"inode {inode_id} holds no data")
            if redundancy is None:
                self._policies.remove(inode_id)
            else:
                self._policies.put(inode_id, redundancy)
            self._inodes.update(inode._replace(ctime_ns=self._clock.now_ns()))

    def list_xattrs(self, inode_id: InodeId) -> Sequence[bytes]:
        with self._store.lock:
            self._tree.inode(inode_id)
            return self._names.list_xattrs(inode_id)

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        if is_virtual(name):
            refuse_change(name)
        with self._store.operation():
            inode = self._tree.inode(inode_id)
            if self._names.get_xattr(inode_id, name) is None:
                raise NoAttributeError(repr(name))
            self._names.remove_xattr(inode_id, name)
            if name == REDUNDANCY_NAME:
                self._policies.forget()
            self._inodes.update(inode._replace(ctime_ns=self._clock.now_ns()))


def has_policy(inode: Inode) -> bool:
    """Whether a redundancy means something for *inode*: files and directories."""
    return stat.S_ISREG(inode.mode) or stat.S_ISDIR(inode.mode)
