"""A file system that keeps names and sizes but no bytes: the limit of the bridge.

What this serves per second is what the bridge can serve at all; the engine is
measured against it. Directories are flat dictionaries, reads return zeros out
of one buffer, nothing ever waits. It does as little checking as the kernel
lets it get away with, and is of no other use.
"""

from __future__ import annotations

import stat
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final

from engine.errors import (
    ExistsError,
    NoAttributeError,
    NotEmptyError,
    NotFoundError,
    StaleHandleError,
)
from engine.ids import NO_MAP, ROOT_INODE, InodeId
from engine.model.inode import Inode
from engine.units import KIB, MIB
from engine.vfs.interface import (
    AttributeChanges,
    Attributes,
    Caller,
    ComingRead,
    DirectoryItem,
    FileSystemStatistics,
    HandleId,
    OpenedFile,
    OpenMode,
    RenameFlags,
)

_ZEROS: Final = memoryview(bytes(MIB))
"""One request reads at most this much."""

_NOTHING: Final = InodeId(0)


class EmptyFileSystem:
    """Names and sizes in dictionaries. Implements ``FileSystem``.

    Called from the serving thread only (nothing here is ever slow), except
    ``read`` and ``sync_file``, which touch nothing.
    """

    def __init__(self) -> None:
        now = time.time_ns()
        self._inodes: dict[InodeId, Inode] = {
            ROOT_INODE: _make_inode(ROOT_INODE, stat.S_IFDIR | 0o755, Caller(0, 0), now)
        }
        self._names: dict[InodeId, dict[bytes, InodeId]] = {ROOT_INODE: {}}
        self._targets: dict[InodeId, bytes] = {}
        self._last_inode = 1
        self._listings: dict[InodeId, list[tuple[InodeId, bytes]]] = {}
        """As they were when a reader began at the top."""

    def has_room(self) -> bool:
        return True

    def wait_for_room(self) -> None:
        return

    def lookup(self, parent: InodeId, name: bytes) -> Attributes:
        if name in (b".", b".."):
            return self.get_attributes(parent)
        try:
            return self.get_attributes(self._names[parent][name])
        except KeyError:
            raise NotFoundError from None

    def get_attributes(self, inode_id: InodeId) -> Attributes:
        inode = self._inodes[inode_id]
        return Attributes(inode, (inode.size + 511) // 512)

    def try_set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes | None:
        return self.set_attributes(inode_id, changes, caller)

    def last_attributes(self, inode_id: InodeId) -> Attributes:
        raise StaleHandleError

    def set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes:
        inode = self._inodes[inode_id]
        self._inodes[inode_id] = inode._replace(
            mode=inode.mode if changes.mode is None else changes.mode,
            uid=inode.uid if changes.uid is None else changes.uid,
            gid=inode.gid if changes.gid is None else changes.gid,
            size=inode.size if changes.size is None else changes.size,
            atime_ns=inode.atime_ns if changes.atime_ns is None else changes.atime_ns,
            mtime_ns=inode.mtime_ns if changes.mtime_ns is None else changes.mtime_ns,
            ctime_ns=inode.ctime_ns if changes.ctime_ns is None else changes.ctime_ns,
        )
        return self.get_attributes(inode_id)

    def create(
        self, parent: InodeId, name: bytes, mode: int, how: OpenMode, caller: Caller
    ) -> tuple[Attributes, OpenedFile]:
        attributes = self.make_node(parent, name, mode | stat.S_IFREG, 0, caller)
        return attributes, self.open(attributes.inode.inode_id, how)

    def make_node(
        self, parent: InodeId, name: bytes, mode: int, rdev: int, caller: Caller
    ) -> Attributes:
        names = self._names[parent]
        if name in names:
            raise ExistsError
        self._last_inode += 1
        inode_id = InodeId(self._last_inode)
        inode = _make_inode(inode_id, mode, caller, time.time_ns())
        self._inodes[inode_id] = inode
        names[name] = inode_id
        return Attributes(inode, 0)

    def make_directory(self, parent: InodeId, name: bytes, mode: int, caller: Caller) -> Attributes:
        attributes = self.make_node(parent, name, mode | stat.S_IFDIR, 0, caller)
        self._names[attributes.inode.inode_id] = {}
        return attributes

    def make_symlink(
        self, parent: InodeId, name: bytes, target: bytes, caller: Caller
    ) -> Attributes:
        attributes = self.make_node(parent, name, stat.S_IFLNK | 0o777, 0, caller)
        self._targets[attributes.inode.inode_id] = target
        return attributes

    def link(self, inode_id: InodeId, parent: InodeId, name: bytes) -> Attributes:
        if name in self._names[parent]:
            raise ExistsError
        self._names[parent][name] = inode_id
        inode = self._inodes[inode_id]
        self._inodes[inode_id] = inode._replace(nlink=inode.nlink + 1)
        return self.get_attributes(inode_id)

    def unlink(self, parent: InodeId, name: bytes) -> None:
        # The inode stays: who has it open may go on, and nobody counts.
        if self._names[parent].pop(name, _NOTHING) == _NOTHING:
            raise NotFoundError

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        if self._names[self._names[parent][name]]:
            raise NotEmptyError
        del self._names[parent][name]

    def read_symlink(self, inode_id: InodeId) -> bytes:
        return self._targets[inode_id]

    def try_rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> bool:
        if name not in self._names[parent]:
            raise NotFoundError
        self._names[new_parent][new_name] = self._names[parent].pop(name)
        return True

    def rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        self.try_rename(parent, name, new_parent, new_name, flags)

    def read_directory(
        self, inode_id: InodeId, after_cookie: int, limit: int
    ) -> Sequence[DirectoryItem]:
        """Resume by inode number; a hard link would be listed once only."""
        listing = self._listings.get(inode_id)
        if listing is None or after_cookie == 0:
            listing = sorted((child, name) for name, child in self._names[inode_id].items())
            self._listings[inode_id] = listing
        at = bisect_right(listing, after_cookie, key=lambda item: item[0])
        return [
            DirectoryItem(name, child, child, self.get_attributes(child))
            for child, name in listing[at : at + limit]
        ]

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes:
        raise NoAttributeError

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        pass

    def list_xattrs(self, inode_id: InodeId) -> Sequence[bytes]:
        return ()

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        raise NoAttributeError

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        return OpenedFile(HandleId(inode_id), direct_io=False)

    def release(self, handle: HandleId) -> None:
        pass

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | ComingRead | None:
        return self.read(handle, offset, length)

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        size = self._inodes[InodeId(handle)].size
        return _ZEROS[: max(0, min(length, size - offset))]

    def try_write(self, handle: HandleId, offset: int, data: bytes) -> int | None:
        inode = self._inodes[InodeId(handle)]
        end = offset + len(data)
        if end > inode.size:
            self._inodes[InodeId(handle)] = inode._replace(size=end)
        return len(data)

    def write(self, handle: HandleId, offset: int, data: bytes) -> int:
        return len(data)

    def sync_file(self, inode_id: InodeId) -> None:
        pass

    def sync_all(self) -> None:
        pass

    def statistics(self) -> FileSystemStatistics:
        return FileSystemStatistics(
            block_bytes=4 * KIB,
            blocks_total=1 << 30,
            blocks_free=1 << 30,
            files_total=1 << 30,
            files_free=1 << 30,
            name_bytes_max=255,
        )


class OffloadingFileSystem(EmptyFileSystem):
    """The same, but every read goes to a pool thread: the cost of an offload."""

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | ComingRead | None:
        return None

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        opened = super().open(inode_id, how)
        # Past the kernel's cache, so that every read is a request.
        return OpenedFile(opened.handle, direct_io=True)


def _make_inode(inode_id: InodeId, mode: int, caller: Caller, now_ns: int) -> Inode:
    return Inode(
        inode_id=inode_id,
        mode=mode,
        uid=caller.uid,
        gid=caller.gid,
        nlink=2 if stat.S_ISDIR(mode) else 1,
        size=0,
        rdev=0,
        atime_ns=now_ns,
        mtime_ns=now_ns,
        ctime_ns=now_ns,
        map_id=NO_MAP,
        parent=InodeId(0),
    )


def make_empty() -> EmptyFileSystem:
    """Return the limit of the bridge for requests that never wait."""
    return EmptyFileSystem()


def make_offloading() -> OffloadingFileSystem:
    """Return the limit of the bridge for reads that must wait."""
    return OffloadingFileSystem()
