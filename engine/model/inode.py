"""Inodes, directory entries and file map rows, as committed.

What every request makes anew is a tuple: a frozen class takes ten times as long
to make, and as long again to change with ``dataclasses.replace``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.ids import ExtentId, InodeId, MapId


class Inode(NamedTuple):
    """Attributes of one file. Times are nanoseconds since the Unix epoch.

    Fields are in the order of the columns of its row, without ``check_hash``.
    """

    inode_id: InodeId
    mode: int
    uid: int
    gid: int
    nlink: int
    size: int
    rdev: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    map_id: MapId
    parent: InodeId
    """The directory that holds it; for a file with several names the one it was
    made in or moved to last, which may be gone by now."""


class DirectoryEntry(NamedTuple):
    """A name in a directory. ``cookie`` is stable and unique in the pool."""

    name: bytes
    inode_id: InodeId
    cookie: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A file map row: this range of the file is that range of the extent."""

    offset: int
    length: int
    extent_id: ExtentId
    extent_offset: int


@dataclass(frozen=True, slots=True)
class StagedRow:
    """Small data made durable inside the metadata."""

    offset: int
    data: bytes
