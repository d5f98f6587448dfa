"""A small tree that tests of names and attributes begin with."""

from __future__ import annotations

from engine.ids import ROOT_INODE, InodeId
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.interface import RenameFlags
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OWNER, OpenedFiles

NONE, NO_REPLACE, EXCHANGE = RenameFlags.NONE, RenameFlags.NO_REPLACE, RenameFlags.EXCHANGE


class Setting:
    """``d/`` with ``d/inner``, ``full/`` with a file, ``empty/``, ``f`` and a link ``l``."""

    def __init__(self, pool: MemoryEngine) -> None:
        files = OpenedFiles(pool)
        self.fs: EngineFileSystem = pool.filesystem
        self.d = files.directory(b"d")
        self.inner = files.directory(b"inner", parent=self.d)
        self.full = files.directory(b"full")
        files.make(b"x", parent=self.full)
        self.empty = files.directory(b"empty")
        self.f = files.make(b"f", b"content")
        made = self.fs.make_symlink(ROOT_INODE, b"l", b"f", OWNER)
        self.link = made.inode.inode_id

    def rename(self, name: bytes, new: bytes, flags: RenameFlags = NONE) -> None:
        """Rename within the root."""
        self.fs.rename(ROOT_INODE, name, ROOT_INODE, new, flags)

    def names(self, inode_id: InodeId = ROOT_INODE) -> set[bytes]:
        listed = self.fs.read_directory(inode_id, 0, 100)
        return {item.name for item in listed} - {b".", b".."}

    def links(self, inode_id: InodeId) -> int:
        return self.fs.get_attributes(inode_id).inode.nlink

    def inode(self, name: bytes, parent: InodeId = ROOT_INODE) -> InodeId:
        return self.fs.lookup(parent, name).inode.inode_id
