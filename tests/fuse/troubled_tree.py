"""The tree with troubles that a file's name asks for.

``slow…``: reads wait a second on a pool thread. ``stuck…``: looking the name up
keeps the serving thread that long. ``broken…``: looking the name
up is a programming error. ``unsafe…``: fsync fails because a group was lost.
``full…``: fsync finds no space. ``crowded…``: once it is made there is no room for
changes that long. ``rotten…``: reads find damage. ``strange``, which is
there from the start: its attributes are damaged.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from typing import Final

from engine.errors import DamagedDatabaseError, DamagedPageError, EngineStoppedError, NoSpaceError
from engine.ids import ROOT_INODE, InodeId
from engine.vfs.interface import (
    Attributes,
    Caller,
    ComingRead,
    DirectoryItem,
    HandleId,
    OpenedFile,
    OpenMode,
)
from tests.fuse.tree_filesystem import TreeFileSystem

SLOW_S: Final = 1.0
STRANGE: Final = b"strange"


class TroubledTree(TreeFileSystem):
    """See the module docstring. Every open bypasses the kernel's cache."""

    def __init__(self, slow_s: float) -> None:
        super().__init__()
        self._slow_s = slow_s
        self._room_at_s = 0.0
        self.make_node(ROOT_INODE, STRANGE, stat.S_IFREG | 0o644, 0, Caller(0, 0))

    def has_room(self) -> bool:
        return time.monotonic() >= self._room_at_s

    def wait_for_room(self) -> None:
        while not self.has_room():
            time.sleep(0.01)

    def make_directory(self, parent: InodeId, name: bytes, mode: int, caller: Caller) -> Attributes:
        made = super().make_directory(parent, name, mode, caller)
        if name.startswith(b"crowded"):
            self._room_at_s = time.monotonic() + self._slow_s
        return made

    def lookup(self, parent: InodeId, name: bytes) -> Attributes:
        if name.startswith(b"broken"):
            raise ValueError("a programming error, made for a test")
        if name == STRANGE:
            raise DamagedDatabaseError("an inode fails its checksum, made for a test")
        if name.startswith(b"stuck"):
            time.sleep(self._slow_s)
        return super().lookup(parent, name)

    def read_directory(
        self, inode_id: InodeId, after_cookie: int, limit: int
    ) -> Sequence[DirectoryItem]:
        return [
            item._replace(attributes=None) if item.name == STRANGE else item
            for item in super().read_directory(inode_id, after_cookie, limit)
        ]

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        opened = super().open(inode_id, how)
        return OpenedFile(opened.handle, direct_io=True)

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | ComingRead | None:
        if self._has_name(self.handles[handle], b"slow"):
            return None
        if self._has_name(self.handles[handle], b"rotten"):
            raise DamagedPageError("page 0 fails its checksum, made for a test")
        return super().start_read(handle, offset, length, arrived)

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        if self._has_name(self.handles[handle], b"slow"):
            time.sleep(self._slow_s)
        return super().read(handle, offset, length)

    def sync_file(self, inode_id: InodeId) -> None:
        if self._has_name(inode_id, b"unsafe"):
            raise EngineStoppedError("a group was lost, made for a test")
        if self._has_name(inode_id, b"full"):
            raise NoSpaceError("no room, made for a test")

    def _has_name(self, inode_id: InodeId, start: bytes) -> bool:
        with self.lock:
            return any(
                name.startswith(start) and child == inode_id
                for node in self.nodes.values()
                for name, (child, _) in node.names.items()
            )


def make_troubled(slow_s: str = str(SLOW_S)) -> TroubledTree:
    """Return a tree whose slow reads take *slow_s* seconds."""
    return TroubledTree(float(slow_s))
