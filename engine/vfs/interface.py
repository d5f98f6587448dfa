"""What a bridge to the kernel sees of the engine, and nothing else.

Two kinds of calls: *quick* ones never wait for a disk and may run on the
thread that serves the kernel; *slow* ones may. Where both exist the quick one
is called ``try_…`` and answers None (or False) when it would have to wait.
All are thread-safe. Errors are ``engine.errors`` classes only.

What comes and goes with every request is a tuple: quicker to make than a frozen class.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import NamedTuple, NewType, Protocol

from engine.ids import InodeId
from engine.model.inode import Inode

HandleId = NewType("HandleId", int)


class Caller(NamedTuple):
    """Who asks: effective ids of the calling process."""

    uid: int
    gid: int
    further_groups: Callable[[], Collection[int]] = tuple
    """Asked for only where they decide: the kernel does not send them along."""

    def is_member_of(self, gid: int) -> bool:
        """Whether *gid* is one of the caller's groups; root is in every group."""
        return self.uid == 0 or self.gid == gid or gid in self.further_groups()


class Attributes(NamedTuple):
    """An inode as programs see it: pending writes included."""

    inode: Inode
    blocks_512: int
    """Units of 512 bytes that hold data; holes do not count."""


class AttributeChanges(NamedTuple):
    """What setattr changes; None leaves a field alone."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    ends_privileges: bool = False
    """suid and sgid go, as by a write of somebody who may not keep them."""


class OpenMode(Flag):
    """How a file is opened."""

    READ = auto()
    WRITE = auto()
    DIRECT = auto()
    """The opener asked for O_DIRECT: write() must hear errors itself."""
    UNNOTICED = auto()
    """The opener asked for O_NOATIME: reading moves no access time."""


class OpenedFile(NamedTuple):
    """``direct_io``: space is so low that write() must hear ENOSPC itself (P6)."""

    handle: HandleId
    direct_io: bool


class DirectoryItem(NamedTuple):
    """One name of a directory; ``cookie`` resumes the listing behind it.

    ``attributes`` is None when what the name leads to is damaged: to look the
    name up is an error then, but it is there.
    """

    name: bytes
    cookie: int
    inode_id: InodeId
    attributes: Attributes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemStatistics:
    """statfs with redundancy counted: what a user could still write."""

    block_bytes: int
    blocks_total: int
    blocks_free: int
    files_total: int
    files_free: int
    name_bytes_max: int


class RenameFlags(Flag):
    """renameat2's flags that are kept."""

    NONE = 0
    NO_REPLACE = auto()
    EXCHANGE = auto()


class ComingRead(Protocol):
    """Bytes that are on their way; whoever started the read ends it, by one of these."""

    def take(self) -> bytes | memoryview | None:
        """Quick: return what arrived, or None if ``finish`` must be called."""

    def finish(self) -> bytes | memoryview:
        """Slow: return the bytes, which did not come as they should; as ``read``."""


class FileSystem(Protocol):
    """POSIX meaning over the pool."""

    # Before every change of names or attributes

    def has_room(self) -> bool:
        """Quick: whether the group of changes that is open takes more."""

    def wait_for_room(self) -> None:
        """Slow: wait until it does; EngineStoppedError when the disks do not keep up.

        Quick calls that change anything wait for it too, far later: whoever must
        not wait asks ``has_room`` first.
        """

    # Names: quick

    def lookup(self, parent: InodeId, name: bytes) -> Attributes:
        """Return what *name* is; ``.`` and ``..`` too. NotFoundError if nothing."""

    def get_attributes(self, inode_id: InodeId) -> Attributes:
        """Return the attributes; StaleHandleError when the inode is gone."""

    def last_attributes(self, inode_id: InodeId) -> Attributes:
        """Return what an inode was that ended a while ago; StaleHandleError if not known.

        Directories that are open, and what O_PATH leads to, are asked about after their end.
        """

    def try_set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes | None:
        """Change attributes, the size too; clears suid and sgid where POSIX does.

        A write clears them by such a call: the kernel knows whether the writer may keep them.
        None if ``set_attributes`` must be called: a file that was cut grows again,
        and what the cut left behind its end is much.
        """

    def set_attributes(
        self, inode_id: InodeId, changes: AttributeChanges, caller: Caller
    ) -> Attributes:
        """Slow: do the same in any case."""

    def create(
        self, parent: InodeId, name: bytes, mode: int, how: OpenMode, caller: Caller
    ) -> tuple[Attributes, OpenedFile]:
        """Make a regular file and open it; ExistsError when the name is taken."""

    def make_node(
        self, parent: InodeId, name: bytes, mode: int, rdev: int, caller: Caller
    ) -> Attributes:
        """Make a regular file, FIFO, socket or device node, by the type in *mode*."""

    def make_directory(self, parent: InodeId, name: bytes, mode: int, caller: Caller) -> Attributes:
        """Make a directory."""

    def make_symlink(
        self, parent: InodeId, name: bytes, target: bytes, caller: Caller
    ) -> Attributes:
        """Make a symbolic link."""

    def link(self, inode_id: InodeId, parent: InodeId, name: bytes) -> Attributes:
        """Give the inode another name; the reply has the new link count."""

    def unlink(self, parent: InodeId, name: bytes) -> None:
        """Remove a name that is no directory; open files live on."""

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        """Remove an empty directory."""

    def read_symlink(self, inode_id: InodeId) -> bytes:
        """Return the target."""

    def try_rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> bool:
        """Rename if that waits for no disk; False if ``rename`` must be called."""

    def rename(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> None:
        """Slow: rename; over an existing name it carries the data with it (P2)."""

    def read_directory(
        self, inode_id: InodeId, after_cookie: int, limit: int
    ) -> Sequence[DirectoryItem]:
        """Return up to *limit* names behind *after_cookie* (0: from the start).

        ``.`` (cookie 1) and ``..`` (cookie 2) come first. No name is left out.
        """

    # Extended attributes: quick

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes:
        """Return the value; NoAttributeError when there is none."""

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        """Create or replace the attribute; NoSpaceError beyond what an inode may have."""

    def list_xattrs(self, inode_id: InodeId) -> Sequence[bytes]:
        """Return the names."""

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        """Remove the attribute; NoAttributeError when there is none."""

    # Files

    def open(self, inode_id: InodeId, how: OpenMode) -> OpenedFile:
        """Quick: open a regular file."""

    def release(self, handle: HandleId) -> None:
        """Quick: close the handle; the last one of an unlinked inode ends it."""

    def start_read(
        self, handle: HandleId, offset: int, length: int, arrived: Callable[[], None]
    ) -> bytes | memoryview | ComingRead | None:
        """Quick: return the bytes, or ask a disk for them, or None if ``read`` must be called.

        Where a disk was asked, *arrived* is called once, from another thread
        and in bounded time (P8); what is returned is of use from then on.
        """

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        """Slow: return the bytes, fewer only at the end of the file."""

    def try_write(self, handle: HandleId, offset: int, data: bytes) -> int | None:
        """Quick: accept the bytes if a buffer is free and no cut is in the way, else None."""

    def write(self, handle: HandleId, offset: int, data: bytes) -> int:
        """Slow: accept the bytes, waiting for a buffer; NoSpaceError when full."""

    def sync_file(self, inode_id: InodeId) -> None:
        """Slow: fsync of a file or directory; what it acknowledged is there (P2)."""

    def sync_all(self) -> None:
        """Slow: make everything accepted so far durable."""

    def statistics(self) -> FileSystemStatistics:
        """Quick: what statfs says."""
