"""What a file system shows: read through its own calls, to compare with a model."""

from __future__ import annotations

import stat

from engine.ids import ROOT_INODE, InodeId
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.interface import DirectoryItem, OpenMode
from tests.model.model_tree import Facts, Times

EVERYTHING = 4 << 20
"""More than any file of a model is long."""


def real_items(fs: EngineFileSystem, inode_id: InodeId) -> list[DirectoryItem]:
    """List a directory in small steps, without ``.`` and ``..``."""
    found: list[DirectoryItem] = []
    while True:
        more = fs.read_directory(inode_id, found[-1].cookie if found else 0, 3)
        if not more:
            return [one for one in found if one.name not in (b".", b"..")]
        found += more


def real_paths(fs: EngineFileSystem) -> list[tuple[bytes, InodeId, bool]]:
    """Return every (path, inode, is directory)."""
    found: list[tuple[bytes, InodeId, bool]] = []

    def walk(inode_id: InodeId, prefix: bytes) -> None:
        for item in real_items(fs, inode_id):
            assert item.attributes is not None
            inode = item.attributes.inode
            is_directory = stat.S_ISDIR(inode.mode)
            found.append((prefix + item.name, inode.inode_id, is_directory))
            if is_directory:
                walk(inode.inode_id, prefix + item.name + b"/")

    walk(ROOT_INODE, b"")
    return found


def real_content(fs: EngineFileSystem, inode_id: InodeId) -> bytes:
    """Return the bytes of a file."""
    handle = fs.open(inode_id, OpenMode.READ).handle
    try:
        return bytes(fs.read(handle, 0, EVERYTHING))
    finally:
        fs.release(handle)


def real_xattrs(fs: EngineFileSystem, inode_id: InodeId) -> dict[bytes, bytes]:
    """Return the extended attributes."""
    return {name: fs.get_xattr(inode_id, name) for name in fs.list_xattrs(inode_id)}


def real_facts(fs: EngineFileSystem, inode_id: InodeId) -> Facts:
    """Return all of an inode but its names, bytes and access time, which looking moves."""
    inode = fs.get_attributes(inode_id).inode
    return Facts(
        inode_id,
        inode.mode,
        (inode.uid, inode.gid),
        inode.rdev,
        fs.read_symlink(inode_id) if stat.S_ISLNK(inode.mode) else b"",
        tuple(sorted(real_xattrs(fs, inode_id).items())),
        Times(0, inode.mtime_ns, inode.ctime_ns),
    )
