"""What the kernel is told about files, in pyfuse3's own types."""

from __future__ import annotations

from typing import Final

import pyfuse3

from engine.ids import InodeId
from engine.vfs.interface import AttributeChanges, Attributes, FileSystemStatistics, OpenedFile

CACHED_S: Final = 86_400.0
"""How long the kernel may keep names and attributes: nobody but this mount
changes them, and whoever does (rollback, restore) invalidates."""

NEGATIVE_S: Final = 86_400.0
"""How long the kernel may remember that a name does not exist."""


_NO_CHANGES: Final = AttributeChanges()


def make_entry(attributes: Attributes) -> pyfuse3.EntryAttributes:
    """Return the full attributes of an inode."""
    inode = attributes.inode
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = inode.inode_id
    entry.entry_timeout = CACHED_S
    entry.attr_timeout = CACHED_S
    entry.st_mode = inode.mode
    entry.st_nlink = inode.nlink
    entry.st_uid = inode.uid
    entry.st_gid = inode.gid
    entry.st_rdev = inode.rdev
    entry.st_size = inode.size
    entry.st_blocks = attributes.blocks_512
    entry.st_atime_ns = inode.atime_ns
    entry.st_mtime_ns = inode.mtime_ns
    entry.st_ctime_ns = inode.ctime_ns
    return entry


def make_negative_entry() -> pyfuse3.EntryAttributes:
    """Return the entry that says: no such name, and remember that."""
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = 0
    entry.entry_timeout = NEGATIVE_S
    return entry


def make_unknown_entry(inode_id: InodeId) -> pyfuse3.EntryAttributes:
    """Return the entry of a name in a listing whose attributes cannot be told.

    Without a file type the kernel lists the name and keeps nothing of it, so
    whoever needs more looks it up and hears the error.
    """
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = inode_id
    entry.st_mode = 0
    entry.entry_timeout = 0
    entry.attr_timeout = 0
    return entry


def make_file_info(opened: OpenedFile) -> pyfuse3.FileInfo:
    """Return the reply to open. What the kernel has cached of the file stays valid."""
    return pyfuse3.FileInfo(fh=opened.handle, direct_io=opened.direct_io, keep_cache=True)


def make_statistics(statistics: FileSystemStatistics) -> pyfuse3.StatvfsData:
    """Return the reply to statfs; without a longest name programs fail."""
    reply = pyfuse3.StatvfsData()
    reply.f_bsize = statistics.block_bytes
    reply.f_frsize = statistics.block_bytes
    reply.f_blocks = statistics.blocks_total
    reply.f_bfree = statistics.blocks_free
    reply.f_bavail = statistics.blocks_free
    reply.f_files = statistics.files_total
    reply.f_ffree = statistics.files_free
    reply.f_favail = statistics.files_free
    reply.f_namemax = statistics.name_bytes_max
    return reply


def read_changes(
    wanted: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields
) -> AttributeChanges:
    """Return what a setattr request changes; the mode has the file type in it.

    One without any field is how a kernel that leaves privileges to us tells of
    a write that ends them.
    """
    changes = AttributeChanges(
        mode=wanted.st_mode if fields.update_mode else None,
        uid=wanted.st_uid if fields.update_uid else None,
        gid=wanted.st_gid if fields.update_gid else None,
        size=wanted.st_size if fields.update_size else None,
        atime_ns=wanted.st_atime_ns if fields.update_atime else None,
        mtime_ns=wanted.st_mtime_ns if fields.update_mtime else None,
        ctime_ns=wanted.st_ctime_ns if fields.update_ctime else None,
    )
    return AttributeChanges(ends_privileges=True) if changes == _NO_CHANGES else changes
