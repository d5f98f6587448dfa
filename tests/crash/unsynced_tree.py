"""A file system in memory that knows, page by page, what a power cut may take.

Beside what programs see it keeps what was made durable: a file's pages and
length by a sync of the file, names by a sync of their directory, and nothing
by anything else. A cut chooses for each page, length and name that differs
whether the disk had got to it. It is stricter than most file systems, as POSIX
allows: syncing a file makes no name of it durable. In one thing it is kinder,
as all file systems are: a file that had a durable name and was only renamed
has one of the two names afterwards.

Mode, owner and the targets of links count as durable at once.
"""

from __future__ import annotations

import random
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from engine.errors import DeviceFailedError
from engine.ids import ROOT_INODE, InodeId
from engine.vfs.interface import Attributes, Caller, FileSystemStatistics, HandleId
from tests.fuse.tree_filesystem import Node, TreeFileSystem

PAGE_BYTES: Final = 4096
_ZERO_PAGE: Final = bytes(PAGE_BYTES)

Names: TypeAlias = dict[bytes, InodeId]
Coin: TypeAlias = Callable[[], bool]
"""Says whether one change reached the disk."""


class Kept(Enum):
    """How much of what nobody synced a power cut leaves."""

    NOTHING = "nothing"
    SOME = "some"
    ALL = "all"


@dataclass(slots=True)
class PagedFile:
    """A file's pages and length, as seen and as durable. An absent page is zeros."""

    size: int = 0
    pages: dict[int, bytes] = field(default_factory=dict)
    durable_size: int = 0
    durable_pages: dict[int, bytes] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    """Pages that differ, perhaps, from the durable ones."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes that are there."""
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        first = offset // PAGE_BYTES
        numbers = range(first, (end - 1) // PAGE_BYTES + 1)
        whole = b"".join([self.pages.get(number, _ZERO_PAGE) for number in numbers])
        return whole[offset - first * PAGE_BYTES : end - first * PAGE_BYTES]

    def write(self, offset: int, data: bytes) -> None:
        """Put *data* at *offset*; a gap before it is zeros."""
        done = 0
        while done < len(data):
            number, start = divmod(offset + done, PAGE_BYTES)
            piece = data[done : done + PAGE_BYTES - start]
            if len(piece) < PAGE_BYTES:
                old = self.pages.get(number, _ZERO_PAGE)
                self._set(number, old[:start] + piece + old[start + len(piece) :])
            else:
                self._set(number, bytes(piece))
            done += len(piece)
        self.size = max(self.size, offset + len(data))

    def resize(self, size: int) -> None:
        """Cut or lengthen; what is cut off comes back as zeros."""
        if size < self.size:
            whole, rest = divmod(size, PAGE_BYTES)
            if rest and whole in self.pages:
                self._set(whole, self.pages[whole][:rest].ljust(PAGE_BYTES, b"\0"))
            for number in [one for one in self.pages if one >= whole + (rest > 0)]:
                del self.pages[number]
                self.dirty.add(number)
        self.size = size

    def sync(self) -> None:
        """Make what is seen durable."""
        for number in self.dirty:
            _put(self.durable_pages, number, self.pages.get(number))
        self.dirty.clear()
        self.durable_size = self.size

    def after_cut(self, coin: Coin) -> PagedFile:
        """Return the file as the disk has it: each page and the length old or new."""
        pages = dict(self.durable_pages)
        for number in sorted(self.dirty):
            if coin():
                _put(pages, number, self.pages.get(number))
        size = self.durable_size
        if self.size != size and coin():
            size = self.size
        left = PagedFile(size=self.size, pages=pages)
        # What lies behind the length that was chosen is not of the file.
        left.size = max(left.size, (max(pages, default=-1) + 1) * PAGE_BYTES)
        left.resize(size)
        return PagedFile(
            size=size, pages=left.pages, durable_size=size, durable_pages=dict(left.pages)
        )

    def _set(self, number: int, page: bytes) -> None:
        _put(self.pages, number, None if page == _ZERO_PAGE else page)
        self.dirty.add(number)


class UnsyncedTree(TreeFileSystem):
    """Implements ``FileSystem``. ``cut`` once, then serve ``survivor`` instead.

    Removed files are kept until the cut: a name that leads to them may come back.
    """

    def __init__(self) -> None:
        self.files: dict[InodeId, PagedFile] = {}
        self.durable_names: dict[InodeId, Names] = {}
        self.survivor: UnsyncedTree | None = None
        super().__init__()

    def cut(self, kept: Kept, seed: int) -> None:
        """Make ``survivor`` what is left, *seed* choosing; nothing can be synced any more.

        Programs may still change what they see here: it is lost.
        """
        chance = random.Random(seed)
        coin: Coin = {
            Kept.NOTHING: lambda: False,
            Kept.SOME: lambda: chance.random() < 0.5,
            Kept.ALL: lambda: True,
        }[kept]
        with self.lock:
            self.survivor = self._after_cut(coin)

    def sync_file(self, inode_id: InodeId) -> None:
        with self.lock:
            if self.survivor is not None:
                raise DeviceFailedError("the power was cut")
            node = self._node(inode_id)
            if stat.S_ISDIR(node.inode.mode):
                self.durable_names[inode_id] = _names_of(node)
            elif inode_id in self.files:
                self.files[inode_id].sync()

    # Contents in pages

    def get_attributes(self, inode_id: InodeId) -> Attributes:
        with self.lock:
            attributes = super().get_attributes(inode_id)
            file = self.files.get(inode_id)
            if file is None:
                return attributes
            inode = attributes.inode._replace(size=file.size)
            return Attributes(inode, len(file.pages) * PAGE_BYTES // 512)

    def read(self, handle: HandleId, offset: int, length: int) -> bytes | memoryview:
        with self.lock:
            return self.files[self.handles[handle]].read(offset, length)

    def write(self, handle: HandleId, offset: int, data: bytes) -> int:
        with self.lock:
            self.files[self.handles[handle]].write(offset, data)
            return len(data)

    def statistics(self) -> FileSystemStatistics:
        return FileSystemStatistics(
            block_bytes=PAGE_BYTES,
            blocks_total=1 << 24,
            blocks_free=1 << 23,
            files_total=1 << 20,
            files_free=1 << 19,
            name_bytes_max=255,
        )

    def remove_directory(self, parent: InodeId, name: bytes) -> None:
        with self.lock:
            child = self._child(parent, name)
            node = self._node(child)
            super().remove_directory(parent, name)
            self.nodes[child] = node

    def _drop_if_unused(self, inode_id: InodeId) -> None:
        """Keep it; see the class."""

    def _resize(self, node: Node, size: int) -> None:
        self.files[node.inode.inode_id].resize(size)

    def _add(
        self, inode_id: InodeId, mode: int, rdev: int, caller: Caller, parent: InodeId
    ) -> None:
        super()._add(inode_id, mode, rdev, caller, parent)
        if stat.S_ISDIR(mode):
            self.durable_names[inode_id] = {}
        elif stat.S_ISREG(mode):
            self.files[inode_id] = PagedFile()

    # The cut

    def _after_cut(self, coin: Coin) -> UnsyncedTree:
        names = {
            inode_id: _chosen(durable, _names_of(self.nodes[inode_id]), coin)
            for inode_id, durable in sorted(self.durable_names.items())
        }
        self._keep_renamed(names)
        left = UnsyncedTree()
        left._last_number = self._last_number
        left._grow(ROOT_INODE, self, names, coin)
        return left

    def _keep_renamed(self, names: dict[InodeId, Names]) -> None:
        """Give back a durable name to what still has a name now and has lost both."""
        left = _all_named(names.values())
        current = _all_named(_names_of(self.nodes[folder]) for folder in names)
        for folder, durable in self.durable_names.items():
            for name, inode_id in durable.items():
                if inode_id in current and inode_id not in left:
                    names[folder].setdefault(name, inode_id)

    def _grow(
        self, folder: InodeId, before: UnsyncedTree, names: dict[InodeId, Names], coin: Coin
    ) -> None:
        """Take over what *names* name below *folder*, each inode once."""
        for name, inode_id in names[folder].items():
            is_new = inode_id not in self.nodes
            node = before.nodes[inode_id]
            is_folder = stat.S_ISDIR(node.inode.mode)
            if is_folder and not is_new:
                continue  # Renamed, and both names are there: the first will do.
            if is_new:
                parent, links = (folder, 2) if is_folder else (InodeId(0), 0)
                inode = node.inode._replace(nlink=links, parent=parent)
                self.nodes[inode_id] = Node(inode, target=node.target, xattrs=dict(node.xattrs))
            self._insert(folder, name, inode_id)
            self._count_links(folder if is_folder else inode_id, +1)
            if is_folder:
                self._grow(inode_id, before, names, coin)
            elif is_new and inode_id in before.files:
                self.files[inode_id] = before.files[inode_id].after_cut(coin)
        self.durable_names[folder] = dict(names[folder])


def _put(pages: dict[int, bytes], number: int, page: bytes | None) -> None:
    """Set a page; None makes it absent."""
    if page is None:
        pages.pop(number, None)
    else:
        pages[number] = page


def _names_of(node: Node) -> Names:
    return {name: child for name, (child, _) in node.names.items()}


def _all_named(directories: Iterable[Names]) -> set[InodeId]:
    return {inode_id for names in directories for inode_id in names.values()}


def _chosen(durable: Names, current: Names, coin: Coin) -> Names:
    """Return one directory's names, each as it is durable or as it is now."""
    names = dict(durable)
    for name in sorted(durable.keys() | current.keys()):
        if durable.get(name) != current.get(name) and coin():
            if name in current:
                names[name] = current[name]
            else:
                del names[name]
    return names
