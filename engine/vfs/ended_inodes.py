"""What inodes were that have ended, for questions and changes that come late.

The kernel may still write their times back; refusing that would be kept as a
write error of the whole mount and come out of the next syncfs. And programs
still hold them: a directory that was removed, a FIFO, what O_PATH leads to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.ids import InodeId
from engine.model.inode import Inode

ENDED_KEPT_MAX: Final = 16_384
"""Ended inodes that are remembered; the kernel writes times back within seconds."""


class EndedInodes:
    """The newest inodes that ended, without links. Changed under the write lock, asked anywhere."""

    def __init__(self) -> None:
        self._kept: dict[InodeId, Inode] = {}

    def add(self, inode: Inode) -> None:
        """*inode* ended; the one remembered longest makes room."""
        if len(self._kept) >= ENDED_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[inode.inode_id] = replace(inode, nlink=0)

    def change(self, inode: Inode) -> None:
        """Whoever still holds *inode* changed its attributes; nobody else sees that."""
        if inode.inode_id in self._kept:
            self._kept[inode.inode_id] = inode

    def take_back(self, inode_id: InodeId) -> None:
        """It did not end: the operation was undone."""
        self._kept.pop(inode_id, None)

    def get(self, inode_id: InodeId) -> Inode | None:
        """Return what it was, None for one that lives or is forgotten."""
        return self._kept.get(inode_id)
