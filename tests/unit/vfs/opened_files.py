"""Short words for what the tests of this folder do with files."""

from __future__ import annotations

from engine.ids import ROOT_INODE, InodeId
from engine.vfs.interface import AttributeChanges, Caller, OpenMode
from tests.memory_engine import MemoryEngine

OWNER = Caller(1000, 1000)
BOTH = OpenMode.READ | OpenMode.WRITE
EVERYTHING = 64 << 20


class OpenedFiles:
    """Makes, writes and reads files by inode, over whatever engine is open now."""

    def __init__(self, pool: MemoryEngine) -> None:
        self._pool = pool

    def make(self, name: bytes, content: bytes = b"", *, parent: InodeId = ROOT_INODE) -> InodeId:
        """Make a file, closed again."""
        fs = self._pool.filesystem
        attributes, opened = fs.create(parent, name, 0o644, BOTH, OWNER)
        if content:
            fs.write(opened.handle, 0, content)
        fs.release(opened.handle)
        return attributes.inode.inode_id

    def directory(self, name: bytes, *, parent: InodeId = ROOT_INODE) -> InodeId:
        """Make a directory."""
        return self._pool.filesystem.make_directory(parent, name, 0o755, OWNER).inode.inode_id

    def write(self, inode_id: InodeId, offset: int, data: bytes) -> None:
        fs = self._pool.filesystem
        handle = fs.open(inode_id, OpenMode.WRITE).handle
        assert fs.write(handle, offset, data) == len(data)
        fs.release(handle)

    def resize(self, inode_id: InodeId, size: int) -> None:
        self._pool.filesystem.set_attributes(inode_id, AttributeChanges(size=size), OWNER)

    def read(self, inode_id: InodeId) -> bytes:
        """Return the whole content."""
        fs = self._pool.filesystem
        handle = fs.open(inode_id, OpenMode.READ).handle
        try:
            return bytes(fs.read(handle, 0, EVERYTHING))
        finally:
            fs.release(handle)

    def size(self, inode_id: InodeId) -> int:
        return self._pool.filesystem.get_attributes(inode_id).inode.size

    def committed_size(self, inode_id: InodeId) -> int:
        """Return the size in the metadata, pending data not counted."""
        inode = self._pool.engine.base.tables.inodes.get(inode_id)
        assert inode is not None
        return inode.size

    def staged(self, inode_id: InodeId) -> list[tuple[int, bytes]]:
        """Return the staged rows of a file."""
        tables = self._pool.engine.base.tables
        inode = tables.inodes.get(inode_id)
        assert inode is not None
        rows = tables.file_map.staged(inode.map_id, 0, EVERYTHING)
        return [(row.offset, row.data) for row in rows]
