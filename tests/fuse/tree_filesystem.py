"""A plain tree in memory with real bytes: stands in for the engine in bridge tests.

It follows POSIX as far as the kernel leaves that to a server, has no idea of
disks, and waits for nothing. One lock around everything: it is called from
the serving thread and from pool threads.
"""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.errors import (
    ExistsError,
    IsDirectoryError,
    NameTooLongError,
    NoAttributeError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    StaleHandleError,
)
from engine.ids import NO_MAP, ROOT_INODE, InodeId
from engine.model.inode import Inode
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


@dataclass(slots=True)
class Node:
    """One inode: attributes and what it contains, whichever kind it is."""

    inode: Inode
    data: bytearray = field(default_factory=bytearray)
    names: dict[bytes, tuple[InodeId, int]] = field(default_factory=dict)
    """Children of a directory with their cookies."""
    target: bytes = b""
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    opened: int = 0


class TreeFileSystem:
    """Implements ``FileSystem``."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.nodes: dict[InodeId, Node] = {}
        self.handles: dict[HandleId, InodeId] = {}
        self._last_number = 2
        self._add(ROOT_INODE, stat.S_IFDIR | 0o755, 0, Caller(0, 0), ROOT_INODE)

    # Names

    def has_room(self) -> bool:
        return True

    def wait_for_room(self) -> None:
        return

    def lookup(self, parent: InodeId, name: bytes) -> Attributes:
        with self.lock:
            check_length(name)
            if name == b".":
                return self.get_attributes(parent)
            if name == b"..":
                return self.get_attributes(self._node(parent).inode.parent)
            return self.get_attributes(self._child(parent, name))

    def get_attributes(self, inode_id: InodeId) -> Attributes:
        with self.lock:
            node = self._node(inode_id)
            size = len(node.data) or len(node.target)
            inode = node.inode._replace(size=size)
            return Attributes(inode, (size + 511) // 512)

    def try_set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes | None:
        return self.set_attributes(inode_id, changes, caller)

    def last_attributes(self, inode_id: InodeId) -> Attributes:
        raise StaleHandleError

    def set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes:
        with self.lock:
            node = self._node(inode_id)
            if changes.size is not None:
                self._resize(node, changes.size)
            given = {
                name: value
                for name in ("mode", "uid", "gid", "atime_ns", "mtime_ns", "ctime_ns")
                if (value := getattr(changes, name)) is not None
            }
            node.inode = node.inode._replace(**given)
            return self.get_attributes(inode_id)

    def create(
        self, parent: InodeId, name: bytes, mode: int, how: OpenMode, caller: Caller
    ) -> tuple[Attributes, OpenedFile]:
        with self.lock:
            attributes = self.make_node(parent, name, stat.S_IFREG | mode, 0, caller)
            return attributes, self.open(attributes.inode.inode_id, how)

    def make_node(
        self, parent: InodeId, name: bytes, mode: int, rdev: int, caller: Caller
    ) -> Attributes:
        with self.lock:
            check_length(name)
            if name in self._directory(parent).names:
                raise ExistsError
            inode_id = InodeId(self._next_number())
            self._add(inode_id, mode, rdev, caller, parent)
            self._insert(parent, name, inode_id)
            return self.get_attributes(inode_id)

    def make_directory(self, parent: InodeId, name: bytes, mode: int, caller: Caller) -> Attributes:
        with self.lock:
            attributes = self.make_node(parent, name, stat.S_IFDIR | mode, 0, caller)
            self._count_links(parent, +1)
            return attributes

    def make_symlink(
        self, parent: InodeId, name: bytes, target: bytes, caller: Caller
    ) -> Attributes:
        with self.lock:
            made = self.make_node(parent, name, stat.S_IFLNK | 0o777, 0, caller)
            self._node(made.inode.inode_id).target = target
            return self.get_attributes(made.inode.inode_id)

    def link(self, inode_id: InodeId, parent: InodeId, name: bytes) -> Attributes:
        with self.lock:
            if name in self._directory(parent).names:
                raise ExistsError
            self._insert(parent, name, inode_id)
            self._count_links(inode_id, +1)
            return self.get_attributes(inode_id)

    def unlink(self, parent: InodeId, name: bytes) -> None:
        with self.lock:
            child = self._child(parent, name)
            if stat.S_ISDIR(self._node(child).inode.mode):
                raise IsDirectoryError
            del self._node(parent).names[name]
            self._count_links(child, -1)
            self._drop_if_unused(child)

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        with self.lock:
            child = self._child(parent, name)
            if self._directory(child).names:
                raise NotEmptyError
            del self._node(parent).names[name]
            del self.nodes[child]
            self._count_links(parent, -1)

    def read_symlink(self, inode_id: InodeId) -> bytes:
        with self.lock:
            return self._node(inode_id).target

    def try_rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> bool:
        """Leave what replaces a name to ``rename``, as the engine does."""
        with self.lock:
            if new_name in self._directory(new_parent).names:
                return False
            self.rename(parent, name, new_parent, new_name, flags)
            return True

    def rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        with self.lock:
            moved = self._child(parent, name)
            there = self._directory(new_parent).names.get(new_name)
            if flags is RenameFlags.EXCHANGE:
                if there is None:
                    raise NotFoundError
                self._place(parent, name, there[0])
                self._place(new_parent, new_name, moved)
                return
            if there is not None and flags is RenameFlags.NO_REPLACE:
                raise ExistsError
            if there is not None and there[0] == moved:
                return  # Two names of one file: rename(2) does nothing.
            if there is not None and stat.S_ISDIR(self._node(there[0]).inode.mode):
                self.remove_directory(new_parent, new_name)
            elif there is not None:
                self.unlink(new_parent, new_name)
            del self._node(parent).names[name]
            self._place(new_parent, new_name, moved)

    def read_directory(
        self, inode_id: InodeId, after_cookie: int, limit: int
    ) -> Sequence[DirectoryItem]:
        with self.lock:
            node = self._directory(inode_id)
            items = [
                DirectoryItem(b".", 1, inode_id, self.get_attributes(inode_id)),
                self._item(b"..", 2, node.inode.parent),
            ]
            items = [item for item in items if item.cookie > after_cookie]
            for name, (child, cookie) in node.names.items():
                if len(items) >= limit:
                    break
                if cookie > after_cookie:
                    items.append(self._item(name, cookie, child))
            return items[:limit]

    def _item(self, name: bytes, cookie: int, inode_id: InodeId) -> DirectoryItem:
        return DirectoryItem(name, cookie, inode_id, self.get_attributes(inode_id))

    # Extended attributes

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes:
        with self.lock:
            try:
                return self._node(inode_id).xattrs[name]
            except KeyError:
                raise NoAttributeError from None

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        with self.lock:
            self._node(inode_id).xattrs[name] = value

    def list_xattrs(self, inode_id: InodeId) -> Sequence[bytes]:
        with self.lock:
            return tuple(self._node(inode_id).xattrs)

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        with self.lock:
            if self._node(inode_id).xattrs.pop(name, None) is None:
                raise NoAttributeError

    # Files

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        with self.lock:
            node = self._node(inode_id)
            node.opened += 1
            handle = HandleId(self._next_number())
            self.handles[handle] = inode_id
            return OpenedFile(handle, direct_io=False)

    def release(self, handle: HandleId) -> None:
        with self.lock:
            inode_id = self.handles.pop(handle)
            self._node(inode_id).opened -= 1
            self._drop_if_unused(inode_id)

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | ComingRead | None:
        return self.read(handle, offset, length)

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        with self.lock:
            data = self._node(self.handles[handle]).data
            return bytes(data[offset : offset + length])

    def try_write(self, handle: HandleId, offset: int, data: bytes) -> int | None:
        return self.write(handle, offset, data)

    def write(self, handle: HandleId, offset: int, data: bytes) -> int:
        with self.lock:
            node = self._node(self.handles[handle])
            if len(node.data) < offset:
                self._resize(node, offset)
            node.data[offset : offset + len(data)] = data
            return len(data)

    def sync_file(self, inode_id: InodeId) -> None:
        pass

    def sync_all(self) -> None:
        pass

    def statistics(self) -> FileSystemStatistics:
        return FileSystemStatistics(
            block_bytes=4096,
            blocks_total=1000,
            blocks_free=600,
            files_total=5000,
            files_free=4000,
            name_bytes_max=255,
        )

    # Inside, under the lock

    def _node(self, inode_id: InodeId) -> Node:
        try:
            return self.nodes[inode_id]
        except KeyError:
            raise StaleHandleError from None

    def _directory(self, inode_id: InodeId) -> Node:
        node = self._node(inode_id)
        if not stat.S_ISDIR(node.inode.mode):
            raise NotDirectoryError
        return node

    def _child(self, parent: InodeId, name: bytes) -> InodeId:
        try:
            return self._directory(parent).names[name][0]
        except KeyError:
            raise NotFoundError from None

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _insert(self, parent: InodeId, name: bytes, inode_id: InodeId) -> None:
        self._node(parent).names[name] = (inode_id, self._next_number())

    def _place(self, parent: InodeId, name: bytes, inode_id: InodeId) -> None:
        """Let *name* lead to *inode_id*, and a directory know where it is now."""
        self._node(parent).names.pop(name, None)
        self._insert(parent, name, inode_id)
        node = self._node(inode_id)
        if stat.S_ISDIR(node.inode.mode) and node.inode.parent != parent:
            self._count_links(node.inode.parent, -1)
            self._count_links(parent, +1)
            node.inode = node.inode._replace(parent=parent)

    def _count_links(self, inode_id: InodeId, change: int) -> None:
        node = self._node(inode_id)
        node.inode = node.inode._replace(nlink=node.inode.nlink + change, ctime_ns=time.time_ns())

    def _drop_if_unused(self, inode_id: InodeId) -> None:
        node = self._node(inode_id)
        if node.inode.nlink == 0 and node.opened == 0:
            del self.nodes[inode_id]

    def _resize(self, node: Node, size: int) -> None:
        if size < len(node.data):
            del node.data[size:]
        else:
            node.data.extend(bytes(size - len(node.data)))

    def _add(
        self, inode_id: InodeId, mode: int, rdev: int, caller: Caller, parent: InodeId
    ) -> None:
        is_directory = stat.S_ISDIR(mode)
        now = time.time_ns()
        inode = Inode(
            inode_id=inode_id,
            mode=mode,
            uid=caller.uid,
            gid=caller.gid,
            nlink=2 if is_directory else 1,
            size=0,
            rdev=rdev,
            atime_ns=now,
            mtime_ns=now,
            ctime_ns=now,
            map_id=NO_MAP,
            parent=parent if is_directory else InodeId(0),
        )
        self.nodes[inode_id] = Node(inode)


def check_length(name: bytes) -> None:
    """Refuse what statfs says is too long; the kernel does not."""
    if len(name) > 255:
        raise NameTooLongError


def make_tree() -> TreeFileSystem:
    """Return an empty tree."""
    return TreeFileSystem()
