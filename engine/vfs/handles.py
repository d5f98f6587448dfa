"""Open files. Protected by the write lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import BadHandleError
from engine.extents.read_ahead import SequenceDetector
from engine.ids import InodeId
from engine.vfs.interface import HandleId


@dataclass(slots=True)
class OpenHandle:
    """One open file, and what its reads look like."""

    inode_id: InodeId
    writes: bool
    """Whether it is open for writing."""
    stamps: bool
    """Whether a write sets times: without the writeback cache no SETATTR follows it."""
    reads_unnoticed: bool
    """Whether reading moves no access time: O_NOATIME, or the kernel reads for a write."""
    direct_io: bool
    sequence: SequenceDetector = field(default_factory=SequenceDetector)


class Handles:
    """Every open handle, and how many an inode has."""

    def __init__(self) -> None:
        self._open: dict[HandleId, OpenHandle] = {}
        self._counts: dict[InodeId, int] = {}
        self._next = 1

    def add(self, handle: OpenHandle) -> HandleId:
        """Give *handle* a number that was never given out before."""
        number = HandleId(self._next)
        self._next += 1
        self._open[number] = handle
        self._counts[handle.inode_id] = self._counts.get(handle.inode_id, 0) + 1
        return number

    def get(self, number: HandleId) -> OpenHandle:
        """Return the handle; BadHandleError when it is closed."""
        handle = self._open.get(number)
        if handle is None:
            raise BadHandleError(f"handle {number} is not open")
        return handle

    def remove(self, number: HandleId) -> InodeId | None:
        """Close a handle; return its inode if that was the last one."""
        handle = self._open.pop(number, None)
        if handle is None:
            return None
        left = self._counts[handle.inode_id] - 1
        if left:
            self._counts[handle.inode_id] = left
            return None
        del self._counts[handle.inode_id]
        return handle.inode_id

    def is_open(self, inode_id: InodeId) -> bool:
        """Whether any handle is open on the inode."""
        return inode_id in self._counts

    @property
    def count(self) -> int:
        """How many handles are open."""
        return len(self._open)
