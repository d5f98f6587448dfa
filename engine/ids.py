"""One type for each kind of identifier, so that none passes for another.

Ids of extents, inodes, maps and layouts come from high-water marks in the
root record and are never used twice, not after an import either.
"""

from __future__ import annotations

from typing import Final, NewType
from uuid import UUID

PoolUuid = NewType("PoolUuid", UUID)
DiskUuid = NewType("DiskUuid", UUID)
"""What a disk's label says; outlives paths and host names."""

DiskId = NewType("DiskId", int)
"""Key of a disk inside one pool's metadata, given once and never again."""

ExtentId = NewType("ExtentId", int)
LayoutId = NewType("LayoutId", int)
"""Number of one encoding of an extent; unique in the pool."""

InodeId = NewType("InodeId", int)
MapId = NewType("MapId", int)
"""Key of a file map. An inode names one; truncation may give it another."""

Generation = NewType("Generation", int)
"""Number of a transaction group. The first group of a pool is 1."""

Epoch = NewType("Epoch", int)
"""How many times the pool was opened read-write."""

ROOT_INODE: Final = InodeId(1)
"""The root directory; FUSE fixes this number."""

NO_MAP: Final = MapId(0)
"""What an inode without file data (directory, symlink, device) names."""
