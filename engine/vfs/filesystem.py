"""The facade of the engine for bridges: ``FileSystem`` over the tables.

Thread-safe. Quick calls take the write lock for one operation and wait for no
disk; slow ones may. See ``engine.vfs.interface`` for what each promises.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from engine.errors import (
    AttributeTooLargeError,
    BadHandleError,
    EngineError,
    InvalidArgumentError,
    NoSpaceError,
    ReadOnlyError,
)
from engine.ids import InodeId
from engine.limits import (
    BLOCK_BYTES,
    GROUP_WAIT_S_MAX,
    NAME_BYTES_MAX,
    OVERFULL_AT_ONCE_RATIO,
    XATTR_NAME_BYTES_MAX,
    XATTR_VALUE_BYTES_MAX,
)
from engine.model.inode import Inode
from engine.vfs.attribute_changes import changed
from engine.vfs.files import TailLeftError
from engine.vfs.handles import OpenHandle
from engine.vfs.interface import (
    AttributeChanges,
    Attributes,
    Caller,
    FileSystemStatistics,
    HandleId,
    OpenedFile,
    OpenMode,
    RenameFlags,
)
from engine.vfs.listing import Listing
from engine.vfs.parts import FileSystemParts
from engine.vfs.started_read import StartedFileRead

READ_AHEAD_THREADS: Final = 4
FILES_SHOWN_MAX: Final = 2**48
"""Inode numbers do not run out; statfs wants some figure."""

_RENAME_TRIES_MAX: Final = 3
_THE_KERNEL: Final = Caller(0, 0)


class EngineFileSystem:
    """POSIX meaning over the pool; implements ``FileSystem``."""

    def __init__(self, parts: FileSystemParts, *, refusal: Callable[[], str]) -> None:
        """*refusal* says why nothing may change now; empty while changes are fine."""
        self._store = parts.tables.store
        self.has_room = self._store.has_room
        self.wait_for_room = partial(self._store.wait_for_room, GROUP_WAIT_S_MAX)
        self._inodes = parts.tables.inodes
        self._tree = parts.tree
        self._files = parts.files
        self._handles = parts.handles
        self._pending = parts.pending
        self._space = parts.space
        self._syncer = parts.syncer
        self._clock = parts.clock
        self._direct_io_below_bytes = parts.direct_io_below_bytes
        self._refusal = refusal
        self._ahead = ThreadPoolExecutor(READ_AHEAD_THREADS, thread_name_prefix="read-ahead")
        counter = parts.metrics.counter
        self._read_ops, self._read_bytes = counter("read_ops_total"), counter("read_bytes_total")
        self._write_ops = counter("write_ops_total")
        self._write_bytes = counter("write_bytes_total")
        self._namespace_ops, self._syncs = counter("namespace_ops_total"), counter("syncs_total")
        self.lookup = parts.tree.lookup
        self.get_attributes = parts.tree.get_attributes
        self.last_attributes = parts.tree.last_attributes
        self.read_directory = Listing(tables=parts.tables, tree=parts.tree).read_directory
        self.read_symlink = parts.tree.read_symlink
        self._policies = parts.policies
        self._xattrs = parts.xattrs
        self.get_xattr = self._xattrs.get_xattr
        self.list_xattrs = self._xattrs.list_xattrs

    def close(self) -> None:
        """Stop reading ahead. Open handles stay valid for what is in memory."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _begin_change(self) -> None:
        reason = self._refusal()
        if reason:
            raise ReadOnlyError(reason)
        self._store.wait_for_room(GROUP_WAIT_S_MAX, OVERFULL_AT_ONCE_RATIO)
        self._namespace_ops.add()

    # Names

    def create(
        self, parent: InodeId, name: bytes, mode: int, how: OpenMode, caller: Caller
    ) -> tuple[Attributes, OpenedFile]:
        self._begin_change()
        self._require_room()
        with self._store.lock:
            mode = stat.S_IFREG | stat.S_IMODE(mode)
            attributes = self._tree.make(parent, name, mode, rdev=0, caller=caller)
            return attributes, self._add_handle(attributes.inode.inode_id, how)

    def make_node(
        self, parent: InodeId, name: bytes, mode: int, rdev: int, caller: Caller
    ) -> Attributes:
        self._begin_change()
        if stat.S_ISDIR(mode):
            raise InvalidArgumentError("mknod makes no directories")
        self._require_room()
        return self._tree.make(parent, name, mode, rdev=rdev, caller=caller)

    def make_directory(self, parent: InodeId, name: bytes, mode: int, caller: Caller) -> Attributes:
        self._begin_change()
        self._require_room()
        mode = stat.S_IFDIR | stat.S_IMODE(mode)
        return self._tree.make(parent, name, mode, rdev=0, caller=caller)

    def make_symlink(
        self, parent: InodeId, name: bytes, target: bytes, caller: Caller
    ) -> Attributes:
        self._begin_change()
        self._require_room()
        return self._tree.make_symlink(parent, name, target, caller)

    def link(self, inode_id: InodeId, parent: InodeId, name: bytes) -> Attributes:
        self._begin_change()
        self._require_metadata_room()
        return self._tree.link(inode_id, parent, name)

    def unlink(self, parent: InodeId, name: bytes) -> None:
        self._begin_change()
        with self._store.operation():
            moved = self._policies.before_unlink(parent, name)
            self._tree.unlink(parent, name)
            self._policies.after_move(moved)

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        self._begin_change()
        self._tree.remove_directory(parent, name)

    def try_rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> bool:
        self._begin_change()
        with self._store.lock:
            carried = self._syncer.carried(parent, name, new_parent, new_name, flags)
            if not all(self._syncer.stage_if_small(inode_id) for inode_id in carried):
                return False
            self._rename(parent, name, new_parent, new_name, flags)
            return True

    def _rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        with self._store.operation():
            moved = self._policies.before_rename(parent, name, new_parent, new_name, flags)
            self._tree.rename(parent, name, new_parent, new_name, flags)
            self._policies.after_move(moved)

    def rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        for _ in range(_RENAME_TRIES_MAX):
            with self._store.lock:
                carried = self._syncer.carried(parent, name, new_parent, new_name, flags)
            for inode_id in carried:
                self._syncer.settle_file(inode_id)
            if self.try_rename(parent, name, new_parent, new_name, flags):
                return
        # Someone keeps writing: what was written before the call has landed.
        self._rename(parent, name, new_parent, new_name, flags)

    # Attributes

    def try_set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes | None:
        try:
            return self._set_attributes(inode_id, changes, caller)
        except TailLeftError:
            return None

    def set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes:
        while (done := self.try_set_attributes(inode_id, changes, caller)) is None:
            self._files.clear_tail(inode_id)
        return done

    def _set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes:
        self._begin_change()
        for time_ns in (changes.atime_ns, changes.mtime_ns, changes.ctime_ns):
            if time_ns is not None and not -(2**63) <= time_ns < 2**63:
                raise InvalidArgumentError(f"the time {time_ns} ns is out of range")
        if changes.size is None and self._tree.ended.get(inode_id) is not None:
            with self._store.lock:
                ended = self._tree.ended.get(inode_id)
                if ended is not None and not self._handles.is_open(inode_id):
                    return Attributes(self._changed_at_the_end(ended, changes, caller), 0)
        with self._store.operation():
            size = changes.size
            before = None if size is None else self._files.resize(inode_id, size)
            if changes.atime_ns is not None:
                self._tree.accessed.forget(inode_id)
            inode = self._tree.inode(inode_id)
            now_ns = self._clock.now_ns()
            inode = changed(inode, changes, caller, size_before=before, now_ns=now_ns)
            self._inodes.update(inode)
            return self._tree.attributes(inode)

    def _changed_at_the_end(self, ended: Inode, changes: AttributeChanges, caller: Caller) -> Inode:
        """Change what is only remembered, for whoever still holds it; under the lock."""
        if changes.mtime_ns is not None and changes.atime_ns is None:
            return ended  # The kernel writes times back, which nobody sees but itself.
        now_ns = self._clock.now_ns()
        ended = changed(ended, changes, caller, size_before=None, now_ns=now_ns)
        self._tree.ended.change(ended)
        return ended

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        self._begin_change()
        if not name or len(name) > XATTR_NAME_BYTES_MAX:
            raise InvalidArgumentError("an attribute name has 1 to 255 bytes")
        if len(value) > XATTR_VALUE_BYTES_MAX:
            raise AttributeTooLargeError(f"a value of {len(value)} bytes")
        self._require_metadata_room()
        self._xattrs.set_xattr(inode_id, name, value)

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        self._begin_change()
        self._xattrs.remove_xattr(inode_id, name)

    # Files

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        with self._store.lock:
            self._files.regular(inode_id)
            return self._add_handle(inode_id, how)

    def _add_handle(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        # Asked once: each look at the bits of a Flag costs as much as all the rest here.
        writes = OpenMode.WRITE in how
        direct_io = writes and self._space.free_bytes < self._direct_io_below_bytes
        stamps = direct_io or OpenMode.DIRECT in how
        unnoticed = writes or OpenMode.UNNOTICED in how
        number = self._handles.add(OpenHandle(inode_id, writes, stamps, unnoticed, direct_io))
        return OpenedFile(number, direct_io)

    def release(self, handle: HandleId) -> None:
        with self._store.lock:
            ended = self._handles.remove(handle)
            if ended is None:
                return
            inode = self._inodes.get(ended)
            if inode is not None and inode.nlink == 0 and not self._store.stopped:
                self._tree.end_orphan(ended)

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | StartedFileRead | None:
        with self._store.lock:
            opened = self._handles.get(handle)
            start, count = opened.sequence.advise(offset, length)
        if count:
            self._ahead.submit(self._read_ahead, opened.inode_id, start, count)
        served = partial(self._note_read, opened)
        found = self._files.start(opened.inode_id, offset, length, arrived=arrived, served=served)
        if isinstance(found, bytes | memoryview):
            served(len(found))
        return found

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        with self._store.lock:
            opened = self._handles.get(handle)
        data = self._files.read(opened.inode_id, offset, length)
        self._note_read(opened, len(data))
        return data

    def _note_read(self, opened: OpenHandle, length: int) -> None:
        self._read_ops.add()
        self._read_bytes.add(length)
        if opened.reads_unnoticed:
            return
        with self._store.lock:
            self._tree.accessed.note(self._tree.inode(opened.inode_id))

    def _read_ahead(self, inode_id: InodeId, start: int, length: int) -> None:
        try:
            self._files.prefetch(inode_id, start, length)
        except EngineError:
            # Reading ahead is a guess; the read itself meets the error and tells it.
            return

    def try_write(self, handle: HandleId, offset: int, data: bytes) -> int | None:
        opened = self._writable(handle)
        if opened.stamps and not self.has_room():
            return None
        try:
            if not self._files.try_write(opened.inode_id, offset, data):
                return None
        except NoSpaceError:
            return None  # The slow call frees what was deleted before it gives up.
        self._after_write(opened, len(data))
        return len(data)

    def write(self, handle: HandleId, offset: int, data: bytes) -> int:
        opened = self._writable(handle)
        self._files.write(opened.inode_id, offset, data)
        self._after_write(opened, len(data))
        return len(data)

    def _writable(self, handle: HandleId) -> OpenHandle:
        reason = self._refusal()
        if reason:
            raise ReadOnlyError(reason)
        with self._store.lock:
            opened = self._handles.get(handle)
        if not opened.writes:
            raise BadHandleError(f"handle {handle} is not open for writing")
        return opened

    def _after_write(self, opened: OpenHandle, length: int) -> None:
        self._write_ops.add()
        self._write_bytes.add(length)
        if opened.stamps:
            now = self._clock.now_ns()
            # Nor does the kernel tell whether the writer may keep privileges.
            changes = AttributeChanges(mtime_ns=now, ctime_ns=now, ends_privileges=opened.direct_io)
            self.set_attributes(opened.inode_id, changes, _THE_KERNEL)

    def sync_file(self, inode_id: InodeId) -> None:
        self._syncs.add()
        # What refuses changes is no reason to answer "safe": something accepted
        # before may be lost (C8) or not acknowledged, and the program must hear it (P2).
        if self._store.started:
            self._syncer.sync_file(inode_id)

    def sync_all(self) -> None:
        self._syncs.add()
        if self._store.started:
            self._syncer.sync_all()

    # Space

    def _require_room(self) -> None:
        self._require_metadata_room()
        if self._space.free_bytes == 0 and not self._pending.open:
            raise NoSpaceError("the pool is full: no room for a new file")

    def _require_metadata_room(self) -> None:
        if self._space.refusal:
            raise NoSpaceError(self._space.refusal)

    def statistics(self) -> FileSystemStatistics:
        with self._store.lock:
            room = self._pending.open_room_bytes
        return FileSystemStatistics(
            block_bytes=BLOCK_BYTES,
            blocks_total=self._space.total_bytes // BLOCK_BYTES,
            blocks_free=(self._space.free_bytes + room) // BLOCK_BYTES,
            files_total=FILES_SHOWN_MAX,
            files_free=FILES_SHOWN_MAX,
            name_bytes_max=NAME_BYTES_MAX,
        )
