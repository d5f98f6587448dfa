"""Which redundancy new data of a file gets: its own, a directory's, or the pool's.

A policy is the extended attribute ``user.dynamicfs.redundancy`` of an inode,
so it is replayed, imported and removed with it. What a file wants is resolved
when it is written, up the directories; a file with several names follows the
directory it was made in or moved to last, and once no name of it is left there, the
oldest directory that has one. Every method runs under the write
lock; changes run inside an operation.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import DamagedDatabaseError
from engine.ids import ROOT_INODE, InodeId
from engine.metadata.policies import REDUNDANCY_NAME, decode_policy, encode_policy
from engine.metadata.tables import Tables
from engine.model.inode import Inode
from engine.model.redundancy import Redundancy
from engine.vfs.interface import RenameFlags

DEPTH_MAX: Final = 512
"""Directories looked at above a file (P8); deeper ones follow the pool."""

RESOLVED_MAX: Final = 32_768
"""Inodes whose policy is remembered (P8); at the bound all are forgotten."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an inode wants, and the inode that says so; None is the pool."""

    redundancy: Redundancy
    source: InodeId | None


class FilePolicies:
    """Policies of files and directories, resolved and remembered."""

    def __init__(self, tables: Tables, *, default: Callable[[], Redundancy]) -> None:
        """*default* is the pool's policy."""
        self._store: Final = tables.store
        self._inodes: Final = tables.inodes
        self._names: Final = tables.names
        self._default: Final = default
        self._sources: dict[InodeId, Decision | None] = {}
        self._any: bool | None = None
        self.version = 0
        """Grows with everything that may change what a file with data wants."""
        tables.store.on_rollback.append(self._sources.clear)

    def of(self, inode_id: InodeId) -> Redundancy:
        """Return what new data of the inode gets."""
        return self.decide(inode_id).redundancy if self.is_any() else self._default()

    def decide(self, inode_id: InodeId) -> Decision:
        """Return what new data of the inode gets, and who says so."""
        if not self.is_any():
            return Decision(self._default(), None)
        if inode_id not in self._sources:
            self._resolve(inode_id)
        return self._sources[inode_id] or Decision(self._default(), None)

    def own(self, inode_id: InodeId) -> Redundancy | None:
        """Return the policy set on this very inode."""
        return decode_policy(self._names.get_xattr(inode_id, REDUNDANCY_NAME))

    def put(self, inode_id: InodeId, redundancy: Redundancy) -> None:
        """Set the policy of an inode, which the pool can hold."""
        self._names.set_xattr(inode_id, REDUNDANCY_NAME, encode_policy(redundancy))
        self._any = True
        self.forget()

    def remove(self, inode_id: InodeId) -> None:
        """Let the inode follow its directory again; harmless when it did."""
        self._names.remove_xattr(inode_id, REDUNDANCY_NAME)
        self.forget()

    def forget(self) -> None:
        """Resolve everything anew: a policy changed."""
        self._sources.clear()
        self.version += 1

    def before_unlink(self, parent: InodeId, name: bytes) -> Mapping[InodeId, Decision]:
        """Return what decides for the file, if it will follow another of its names."""
        return self._decide_each(self._survivor(parent, name)) if self.is_any() else {}

    def before_rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> Mapping[InodeId, Decision]:
        """Return what decides for inodes that are about to get other directories."""
        if not self.is_any():
            return {}
        if flags & RenameFlags.EXCHANGE:
            other = self._inode_at(new_parent, new_name)
        else:
            other = self._survivor(new_parent, new_name)
        moves = parent != new_parent
        return self._decide_each(self._inode_at(parent, name) if moves else None, other)

    def _decide_each(self, *inodes: Inode | None) -> Mapping[InodeId, Decision]:
        return {one.inode_id: self.decide(one.inode_id) for one in inodes if one is not None}

    def _survivor(self, parent: InodeId, name: bytes) -> Inode | None:
        """Return the inode if it is in this directory and outlives the loss of this name."""
        inode = self._inode_at(parent, name)
        if inode is None or stat.S_ISDIR(inode.mode) or inode.nlink < 2:
            return None
        return inode if inode.parent == parent else None

    def _inode_at(self, parent: InodeId, name: bytes) -> Inode | None:
        entry = self._names.find(parent, name)
        return None if entry is None else self._inodes.get(entry.inode_id)

    def after_move(self, before: Mapping[InodeId, Decision]) -> None:
        """Let them, and all that follows them, want what their new directories say."""
        for inode_id in before:
            self._sources.pop(inode_id, None)
        if any(self.decide(inode_id) != decision for inode_id, decision in before.items()):
            self.forget()

    def is_any(self) -> bool:
        """Whether any inode may have a policy; looked up once, not for each write."""
        if self._any is None:
            query = "SELECT 1 FROM xattr WHERE name = ? LIMIT 1"
            try:
                row = self._store.rows.read(query, (REDUNDANCY_NAME,)).fetchone()
            except DamagedDatabaseError:
                return True  # Each inode looks for itself, and hears of its own rows.
            self._any = row is not None
        return self._any

    def _resolve(self, inode_id: InodeId) -> None:
        """Walk up to whoever decides; everything on the way follows it."""
        at, passed = inode_id, list[InodeId]()
        found: Decision | None = None
        while at not in self._sources and len(passed) < DEPTH_MAX:
            passed.append(at)
            own = self.own(at)
            if own is not None:
                found = Decision(own, at)
                break
            inode = self._inodes.get(at)
            # Zero: made before files named their directory.
            if at == ROOT_INODE or inode is None or not inode.parent:
                break
            at = inode.parent
        else:
            found = self._sources.get(at)
        if len(self._sources) + len(passed) > RESOLVED_MAX:
            self._sources.clear()
        self._sources.update(dict.fromkeys(passed, found))
