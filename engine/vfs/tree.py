"""The name space: what POSIX says about names, links and attributes.

Every method takes the write lock for one operation; none waits for a disk.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from engine.clock import Clock
from engine.errors import (
    DamagedDatabaseError,
    ExistsError,
    InvalidArgumentError,
    IsDirectoryError,
    NameTooLongError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    NotPermittedError,
    StaleHandleError,
    TooManyLinksError,
)
from engine.ids import NO_MAP, ROOT_INODE, InodeId
from engine.limits import DIRECTORY_LINKS_MAX, LINKS_MAX, SYMLINK_BYTES_MAX
from engine.metadata.tables import Tables
from engine.model.inode import DirectoryEntry, Inode
from engine.vfs.access_times import AccessTimes
from engine.vfs.ended_inodes import EndedInodes
from engine.vfs.interface import Attributes, Caller, RenameFlags
from engine.vfs.names import check_name
from engine.vfs.pending import Pending

_SPECIAL = (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)


class Tree:
    """Names, links and directories over the tables."""

    def __init__(
        self,
        *,
        tables: Tables,
        pending: Pending,
        clock: Clock,
        is_open: Callable[[InodeId], bool],
    ) -> None:
        self._tables = tables
        self._store = tables.store
        self._inodes = tables.inodes
        self._names = tables.names
        self._pending = pending
        self._clock = clock
        self._is_open = is_open
        self.ended = EndedInodes()
        self.accessed = AccessTimes(tables.store, tables.inodes, clock)

    # Look

    def inode(self, inode_id: InodeId) -> Inode:
        """Return the inode; StaleHandleError when it is gone. Under the lock."""
        inode = self._inodes.get(inode_id)
        if inode is None:
            raise StaleHandleError(f"inode {inode_id} is gone")
        return inode

    def attributes(self, inode: Inode) -> Attributes:
        """Return what programs see of *inode*. Under the lock."""
        stored = self._tables.file_map.stored_bytes(inode.map_id) if inode.map_id else 0
        file = self._pending.files.get(inode.inode_id)
        if file is not None:
            stored = min(stored + file.bytes, file.size)
            inode = replace(inode, size=file.size)
        elif stat.S_ISLNK(inode.mode):
            stored = 0
        return Attributes(self.accessed.applied(inode), -(-stored // 512))

    def lookup(self, parent: InodeId, name: bytes) -> Attributes:
        with self._store.lock:
            if name == b".":
                # Asked of files, too: so the kernel finds an inode by its number.
                return self.attributes(self.inode(parent))
            if name == b"..":
                return self.attributes(self.inode(self.directory(parent).parent))
            check_name(name)
            entry = self._names.find(parent, name)
            if entry is None:
                raise NotFoundError(repr(name))
            return self.attributes(self.named(entry))

    def get_attributes(self, inode_id: InodeId) -> Attributes:
        with self._store.lock:
            return self.attributes(self.inode(inode_id))

    def directory(self, inode_id: InodeId) -> Inode:
        """Return a directory's inode; NotDirectoryError if it is none. Under the lock."""
        inode = self.inode(inode_id)
        if not stat.S_ISDIR(inode.mode):
            raise NotDirectoryError(f"inode {inode_id} is no directory")
        return inode

    def _entry(self, parent: InodeId, name: bytes) -> tuple[DirectoryEntry, Inode]:
        entry = self._names.find(parent, name)
        if entry is None:
            raise NotFoundError(repr(name))
        return entry, self.named(entry)

    def named(self, entry: DirectoryEntry) -> Inode:
        """Return what *entry* leads to. Under the lock.

        Raises:
            DamagedDatabaseError: it is not what was written, or not there at all.
        """
        inode = self._inodes.get(entry.inode_id)
        if inode is None:
            text = f"{entry.name!r} leads to inode {entry.inode_id}, which is not there"
            raise self._store.rows.note.take(DamagedDatabaseError(text))
        return inode

    # Make

    def make(
        self, parent: InodeId, name: bytes, mode: int, *, rdev: int, caller: Caller
    ) -> Attributes:
        """Make a node of the type in *mode* under a free name."""
        check_name(name)
        kind = stat.S_IFMT(mode)
        if kind not in (*_SPECIAL, stat.S_IFDIR):
            raise InvalidArgumentError(f"mode {mode:o} is of no known type")
        with self._store.operation():
            return self.attributes(self._make(parent, name, mode, rdev=rdev, caller=caller))

    def make_symlink(
        self, parent: InodeId, name: bytes, target: bytes, caller: Caller
    ) -> Attributes:
        check_name(name)
        if len(target) > SYMLINK_BYTES_MAX:
            raise NameTooLongError(f"a link target of {len(target)} bytes")
        with self._store.operation():
            inode = self._make(parent, name, stat.S_IFLNK | 0o777, rdev=0, caller=caller)
            inode = replace(inode, size=len(target))
            self._inodes.update(inode)
            self._names.set_target(inode.inode_id, target)
            return self.attributes(inode)

    def _make(self, parent: InodeId, name: bytes, mode: int, *, rdev: int, caller: Caller) -> Inode:
        directory = self.directory(parent)
        self._refuse_removed(directory)
        if self._names.find(parent, name) is not None:
            raise ExistsError(repr(name))
        is_directory = stat.S_ISDIR(mode)
        gid = caller.gid
        if directory.mode & stat.S_ISGID:
            gid = directory.gid
            mode |= stat.S_ISGID if is_directory else 0
        if is_directory:
            self._refuse_full(directory)
        now = self._clock.now_ns()
        inode = Inode(
            inode_id=self._store.new_inode_id(),
            mode=mode,
            uid=caller.uid,
            gid=gid,
            nlink=2 if is_directory else 1,
            size=0,
            rdev=rdev,
            atime_ns=now,
            mtime_ns=now,
            ctime_ns=now,
            map_id=self._store.new_map_id() if stat.S_ISREG(mode) else NO_MAP,
            parent=parent,
        )
        self._inodes.insert(inode)
        self._names.insert(parent, name, inode.inode_id)
        self._touch(directory, links=1 if is_directory else 0)
        return inode

    def _touch(self, directory: Inode, *, links: int = 0) -> None:
        """A name of the directory changed; inside an operation."""
        now = self._clock.now_ns()
        self._inodes.update(
            replace(directory, mtime_ns=now, ctime_ns=now, nlink=directory.nlink + links)
        )

    def _refuse_full(self, directory: Inode) -> None:
        if directory.nlink >= DIRECTORY_LINKS_MAX:
            text = f"directory {directory.inode_id} has {directory.nlink} links"
            raise TooManyLinksError(text)

    def _refuse_removed(self, directory: Inode) -> None:
        if directory.nlink < 2:
            raise NotFoundError(f"directory {directory.inode_id} was removed")

    def link(self, inode_id: InodeId, parent: InodeId, name: bytes) -> Attributes:
        check_name(name)
        with self._store.operation():
            inode = self.inode(inode_id)
            directory = self.directory(parent)
            self._refuse_removed(directory)
            if stat.S_ISDIR(inode.mode):
                raise NotPermittedError("a directory has one name")
            if inode.nlink == 0:
                raise NotFoundError(f"inode {inode_id} was removed")
            if inode.nlink >= LINKS_MAX:
                raise TooManyLinksError(f"inode {inode_id} has {inode.nlink} links")
            if self._names.find(parent, name) is not None:
                raise ExistsError(repr(name))
            self._names.insert(parent, name, inode_id)
            self._touch(directory)
            inode = replace(inode, nlink=inode.nlink + 1, ctime_ns=self._clock.now_ns())
            self._inodes.update(inode)
            return self.attributes(inode)

    # Remove

    def unlink(self, parent: InodeId, name: bytes) -> None:
        """Remove a name of a file, inside the caller's operation."""
        directory = self.directory(parent)
        entry, inode = self._entry(parent, name)
        if stat.S_ISDIR(inode.mode):
            raise IsDirectoryError(repr(name))
        self._names.delete(parent, entry.name)
        self._touch(directory)
        self._drop_link(inode)

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        if name == b".":
            raise InvalidArgumentError("a directory cannot remove itself")
        with self._store.operation():
            directory = self.directory(parent)
            entry, inode = self._entry(parent, name)
            self._require_empty_directory(inode)
            self._names.delete(parent, entry.name)
            self._touch(directory, links=-1)
            self._drop_directory(inode)

    def _require_empty_directory(self, inode: Inode) -> None:
        if not stat.S_ISDIR(inode.mode):
            raise NotDirectoryError(f"inode {inode.inode_id} is no directory")
        if not self._names.is_empty(inode.inode_id):
            raise NotEmptyError(f"directory {inode.inode_id} has entries")

    def _drop_directory(self, inode: Inode) -> None:
        self._drop_link(replace(inode, nlink=1))

    def _drop_link(self, inode: Inode) -> None:
        """One name fewer, gone already; the last one ends the inode unless it is open."""
        left = inode.nlink - 1
        if left > 0:
            # Its policy is that of a directory it is still in.
            inode = replace(inode, parent=self._names.home_of(inode.inode_id, inode.parent))
        if left > 0 or self._is_open(inode.inode_id):
            self._inodes.update(replace(inode, nlink=left, ctime_ns=self._clock.now_ns()))
            if left == 0:
                self._inodes.add_orphan(inode.inode_id)
        else:
            self._erase(inode)

    def end_orphan(self, inode_id: InodeId) -> None:
        """The last handle of an inode without a name was closed."""
        with self._store.operation():
            inode = self._inodes.get(inode_id)
            if inode is not None and inode.nlink == 0:
                self._inodes.remove_orphan(inode_id)
                self._erase(inode)

    def _erase(self, inode: Inode) -> None:
        """Remove an inode and let go of its data; inside an operation."""
        self._store.on_undo(self._pending.keep(inode.inode_id))
        self._pending.forget(inode.inode_id)
        self.empty_map(inode)
        if not stat.S_ISREG(inode.mode) or self._names.has_xattrs(inode.inode_id):
            self._names.forget(inode.inode_id)
        self._inodes.delete(inode.inode_id)
        self.accessed.forget(inode.inode_id)
        self.ended.add(inode)
        self._store.on_undo(partial(self.ended.take_back, inode.inode_id))

    def last_attributes(self, inode_id: InodeId) -> Attributes:
        if (inode := self.ended.get(inode_id)) is None:
            raise StaleHandleError(f"inode {inode_id} is gone")
        return Attributes(inode, 0)

    def empty_map(self, inode: Inode) -> None:
        """Let go of all data of an inode: a little at once, the rest by Collect."""
        if not inode.map_id:
            return
        cleared = self._tables.file_map.clear(inode.map_id, 0, 2**63 - 1, row_limit=4)
        self._tables.garbage.suspect(cleared.extents)
        if not cleared.complete:
            self._tables.file_map.detach(inode.map_id, 0)

    # Rename

    def rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        """Rename, inside the caller's operation."""
        check_name(new_name)
        old_directory, directory = self.directory(parent), self.directory(new_parent)
        self._refuse_removed(directory)
        _, inode = self._entry(parent, name)
        target = self._names.find(new_parent, new_name)
        if RenameFlags.EXCHANGE in flags:
            if target is None:
                raise NotFoundError(repr(new_name))
            self._exchange(parent, name, new_parent, new_name)
            return
        if target is not None:
            if RenameFlags.NO_REPLACE in flags:
                raise ExistsError(repr(new_name))
            if target.inode_id == inode.inode_id:
                return
        if stat.S_ISDIR(inode.mode):
            self._refuse_loop(inode.inode_id, new_parent)
            if target is None and parent != new_parent:
                self._refuse_full(directory)
        if target is not None:
            self._replace(inode, target, new_parent)
        else:
            self._names.insert(new_parent, new_name, inode.inode_id)
        self._names.delete(parent, name)
        self._after_move(inode, old_directory, directory)

    def _replace(self, inode: Inode, target: DirectoryEntry, new_parent: InodeId) -> None:
        """Let the name of *target* lead to *inode*; what it led to loses a link."""
        victim = self.inode(target.inode_id)
        if stat.S_ISDIR(inode.mode):
            self._require_empty_directory(victim)
        elif stat.S_ISDIR(victim.mode):
            raise IsDirectoryError(repr(target.name))
        self._names.point(new_parent, target.name, inode.inode_id)
        if stat.S_ISDIR(victim.mode):
            self._drop_directory(victim)
            self._touch(self.inode(new_parent), links=-1)
        else:
            self._drop_link(victim)

    def _after_move(self, inode: Inode, old_directory: Inode, directory: Inode) -> None:
        # A file follows the policy of the directory it was moved into last.
        moved = replace(
            self.inode(inode.inode_id), ctime_ns=self._clock.now_ns(), parent=directory.inode_id
        )
        crosses = old_directory.inode_id != directory.inode_id
        if stat.S_ISDIR(inode.mode) and crosses:
            self._touch(self.inode(old_directory.inode_id), links=-1)
            self._touch(self.inode(directory.inode_id), links=1)
        else:
            self._touch(self.inode(old_directory.inode_id))
            if crosses:
                self._touch(self.inode(directory.inode_id))
        self._inodes.update(moved)

    def _exchange(self, parent: InodeId, name: bytes, new_parent: InodeId, new_name: bytes) -> None:
        _, one = self._entry(parent, name)
        _, other = self._entry(new_parent, new_name)
        for inode, into in ((one, new_parent), (other, parent)):
            if stat.S_ISDIR(inode.mode):
                self._refuse_loop(inode.inode_id, into)
        self._names.point(parent, name, other.inode_id)
        self._names.point(new_parent, new_name, one.inode_id)
        old_directory, directory = self.inode(parent), self.inode(new_parent)
        self._after_move(one, old_directory, directory)
        self._after_move(other, directory, old_directory)

    def _refuse_loop(self, moved: InodeId, into: InodeId) -> None:
        """A directory cannot move below itself."""
        at = into
        while at != ROOT_INODE:
            if at == moved:
                raise InvalidArgumentError("a directory cannot move below itself")
            at = self.inode(at).parent

    # Link targets

    def read_symlink(self, inode_id: InodeId) -> bytes:
        with self._store.lock:
            inode = self.inode(inode_id)
            target = self._names.target(inode_id)
            if target is None:
                raise InvalidArgumentError(f"inode {inode_id} is no symbolic link")
            self.accessed.note(inode)
            return target
