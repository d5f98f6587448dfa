"""The kernel's requests, each turned into one call of the engine.

Quick calls run on the serving thread. Where the engine answers that it would
have to wait, the slow twin runs on a pool thread. No state is kept by path,
and lookups are not counted: the engine never uses an inode number twice.

With the kernel's writeback cache on: reads come on handles opened for writing
only, O_APPEND is the kernel's business, and a write sets no times, since a
SETATTR follows.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Final

import pyfuse3
from pyfuse3 import FUSEError

from engine.errors import NoAttributeError, NotFoundError, StaleHandleError
from engine.ids import InodeId
from engine.vfs.interface import (
    AttributeChanges,
    Attributes,
    Caller,
    FileSystem,
    HandleId,
    OpenMode,
    RenameFlags,
)
from fusebridge.groups import further_groups_of
from fusebridge.handlers import changing, quick, waiting
from fusebridge.notifications import Notifications
from fusebridge.replies import (
    make_entry,
    make_file_info,
    make_negative_entry,
    make_statistics,
    make_unknown_entry,
    read_changes,
)
from fusebridge.runtime import Pool, Runtime
from fusebridge.xattr_names import CapabilityMemory, check_name, is_visible

OPEN_FLAGS_MAX: Final = 256
"""Combinations whose meaning is remembered; programs use a handful."""

READDIR_NAMES_MIN: Final = 16
"""Names asked for at once; grows with what the kernel's buffer takes."""

_RENAME_FLAGS: Final = {
    0: RenameFlags.NONE,
    int(pyfuse3.RENAME_NOREPLACE): RenameFlags.NO_REPLACE,
    int(pyfuse3.RENAME_EXCHANGE): RenameFlags.EXCHANGE,
}


def caller_of(context: pyfuse3.RequestContext) -> Caller:
    """Return who asks, by the groups that the request itself names."""
    return Caller(context.uid, context.gid)


def whole_caller_of(context: pyfuse3.RequestContext) -> Caller:
    """Return who asks; all groups can be asked for while the request waits."""
    return Caller(context.uid, context.gid, partial(further_groups_of, context.pid))


@lru_cache(maxsize=OPEN_FLAGS_MAX)
def open_mode_of(flags: int) -> OpenMode:
    """Return what the flags of open(2) mean to the engine."""
    access = flags & os.O_ACCMODE
    mode = OpenMode.READ if access == os.O_RDONLY else OpenMode.WRITE
    if access == os.O_RDWR:
        mode |= OpenMode.READ
    if flags & os.O_DIRECT:
        mode |= OpenMode.DIRECT
    if flags & os.O_NOATIME:
        mode |= OpenMode.UNNOTICED
    return mode


class Operations(pyfuse3.Operations):
    """Every request of one mount. Handlers run on the serving thread only."""

    supports_dot_lookup = True
    enable_writeback_cache = True
    enable_acl = False

    def __init__(
        self, filesystem: FileSystem, runtime: Runtime, notifications: Notifications
    ) -> None:
        self._files = filesystem
        self._runtime = runtime
        self._notifications = notifications
        self._inode_of: dict[HandleId, InodeId] = {}
        """Requests name a handle, others want the inode. Bounded by open files."""
        self._capability = CapabilityMemory()
        self._readdir_names = READDIR_NAMES_MIN
        self.counts: dict[str, int] = dict.fromkeys(HANDLER_NAMES, 0)

    def forget_cached(self) -> None:
        """Drop what is remembered about attributes; after rollback and restore."""
        self._capability = CapabilityMemory()

    # Room for changes: where the journals do not keep up, changes wait, and reads do not.

    def has_room(self) -> bool:
        """Whether a change need not wait."""
        return self._files.has_room()

    async def wait_for_room(self) -> None:
        """Wait until it need not. All wait for one thread: the others are for slow changes."""
        while not self._files.has_room():
            await self._runtime.offload_once(Pool.METADATA, self._files.wait_for_room)

    # Names

    @quick
    def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        try:
            return make_entry(self._files.lookup(InodeId(parent_inode), name))
        except NotFoundError:
            return make_negative_entry()

    @quick
    def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        pass  # Inodes end with their last name or handle, not here (decision 0009).

    @quick
    def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        try:
            return make_entry(self._files.get_attributes(InodeId(inode)))
        except StaleHandleError:
            return make_entry(self._files.last_attributes(InodeId(inode)))

    @waiting
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        return make_entry(await self._change(InodeId(inode), read_changes(attr, fields), ctx))

    async def _change(
        self, inode_id: InodeId, changes: AttributeChanges, context: pyfuse3.RequestContext
    ) -> Attributes:
        await self.wait_for_room()
        asked = inode_id, changes, whole_caller_of(context)
        changed = self._files.try_set_attributes(*asked)
        if changed is None:
            changed = await self._runtime.offload(Pool.METADATA, self._files.set_attributes, *asked)
        return changed

    @quick
    def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        return self._files.read_symlink(InodeId(inode))

    @changing
    def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        parent = InodeId(parent_inode)
        return make_entry(self._files.make_node(parent, name, mode, rdev, caller_of(ctx)))

    @changing
    def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        parent = InodeId(parent_inode)
        return make_entry(self._files.make_directory(parent, name, mode, caller_of(ctx)))

    @changing
    def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        parent = InodeId(parent_inode)
        return make_entry(self._files.make_symlink(parent, name, target, caller_of(ctx)))

    @changing
    def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return make_entry(self._files.link(InodeId(inode), InodeId(new_parent_inode), new_name))

    @changing
    def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        self._files.unlink(InodeId(parent_inode), name)

    @changing
    def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        self._files.remove_directory(InodeId(parent_inode), name)

    @waiting
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        kept = _RENAME_FLAGS.get(flags)
        if kept is None:
            raise FUSEError(errno.EINVAL)
        old, new = InodeId(parent_inode_old), InodeId(parent_inode_new)
        await self.wait_for_room()
        if not self._files.try_rename(old, name_old, new, name_new, kept):
            rename = self._files.rename
            await self._runtime.offload(Pool.METADATA, rename, old, name_old, new, name_new, kept)

    # Directories: a handle is the inode itself, the engine resumes by cookie.

    @quick
    def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        return inode

    @quick
    def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        # Nothing is read ahead of what fits: attributes kept here would go
        # stale and then stay in the kernel for as long as CACHED_S.
        given = 0
        while True:
            asked = self._readdir_names
            try:
                items = self._files.read_directory(InodeId(fh), start_id, asked)
            except StaleHandleError:
                return  # It was removed while open: such a directory lists nothing.
            for item in items:
                known = item.attributes
                entry = make_entry(known) if known else make_unknown_entry(item.inode_id)
                if not pyfuse3.readdir_reply(token, item.name, entry, item.cookie):
                    self._readdir_names = max(READDIR_NAMES_MIN, given + 1)
                    return
                given += 1
                start_id = item.cookie
            if len(items) < asked:
                return

    @quick
    def releasedir(self, fh: int) -> None:
        pass

    @waiting
    async def fsyncdir(self, fh: int, datasync: bool) -> None:  # noqa: FBT001 - pyfuse3's signature
        await self._runtime.offload(Pool.SYNC, self._files.sync_file, InodeId(fh))

    # Files

    @waiting
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        if flags & os.O_TRUNC:
            # Atomic O_TRUNC is on: the kernel sends no SETATTR for it.
            await self._change(InodeId(inode), AttributeChanges(size=0), ctx)
        opened = self._files.open(InodeId(inode), open_mode_of(flags))
        self._inode_of[opened.handle] = InodeId(inode)
        return make_file_info(opened)

    @changing
    def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        how = open_mode_of(flags)
        attributes, opened = self._files.create(
            InodeId(parent_inode), name, mode, how, caller_of(ctx)
        )
        inode_id = attributes.inode.inode_id
        self._inode_of[opened.handle] = inode_id
        self._capability.note_absent(inode_id)
        return make_file_info(opened), make_entry(attributes)

    # Any buffer will do for pyfuse3, whatever its type stub says.
    @waiting
    async def read(  # type: ignore[override]
        self, fh: int, off: int, size: int
    ) -> bytes | memoryview:
        handle = HandleId(fh)
        wake = self._runtime.make_wake()
        found = self._files.start_read(handle, off, size, wake.ring)
        if found is None:
            return await self._runtime.offload(Pool.READ, self._files.read, handle, off, size)
        if isinstance(found, bytes | memoryview):
            return found
        await wake.wait()
        data = found.take()
        if data is None:
            data = await self._runtime.offload(Pool.READ, found.finish)
        return data

    @waiting
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        handle = HandleId(fh)
        count = self._files.try_write(handle, off, buf)
        if count is None:
            count = await self._runtime.offload(Pool.WRITE, self._files.write, handle, off, buf)
        self._notifications.note_written(self._inode_of[handle])
        return count

    @quick
    def flush(self, fh: int) -> None:
        # Asked once, then never again: close() needs nothing of us, and the
        # kernel writes dirty pages out by itself before it would ask.
        raise FUSEError(errno.ENOSYS)

    @quick
    def release(self, fh: int) -> None:
        inode_id = self._inode_of.pop(HandleId(fh), None)
        if inode_id is not None:
            self._notifications.note_closed(inode_id)
        self._files.release(HandleId(fh))

    @waiting
    async def fsync(self, fh: int, datasync: bool) -> None:  # noqa: FBT001 - pyfuse3's signature
        inode_id = self._inode_of[HandleId(fh)]
        await self._runtime.offload(Pool.SYNC, self._files.sync_file, inode_id)

    @quick
    def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        return make_statistics(self._files.statistics())

    # Extended attributes

    @quick
    def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        inode_id = InodeId(inode)
        if self._capability.is_known_absent(inode_id, name):
            raise FUSEError(errno.ENODATA)
        check_name(name)
        try:
            return self._files.get_xattr(inode_id, name)
        except NoAttributeError:
            self._capability.note_missing(inode_id, name)
            raise

    @changing
    def setxattr(self, inode: int, name: bytes, value: bytes, ctx: pyfuse3.RequestContext) -> None:
        check_name(name)
        self._capability.note_set(InodeId(inode), name)
        self._files.set_xattr(InodeId(inode), name, value)

    @quick
    def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> list[bytes]:
        names = self._files.list_xattrs(InodeId(inode))
        return [name for name in names if is_visible(name, ctx.uid)]

    @changing
    def removexattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        check_name(name)
        self._files.remove_xattr(InodeId(inode), name)


HANDLER_NAMES: Final = tuple(
    name
    for name, value in vars(Operations).items()
    if "is_wrapped" in getattr(value, "__dict__", ())
)
"""Every request that is served, by its handler's name."""
