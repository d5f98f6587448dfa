"""Which extended attributes exist here, and the one the kernel asks for all the time."""

from __future__ import annotations

import errno
from typing import Final

from pyfuse3 import FUSEError

from engine.ids import InodeId

CAPABILITY: Final = b"security.capability"
"""Asked for before the first write on every open file."""

KEPT: Final = (b"user.", b"trusted.", b"security.")
"""Namespaces that are stored; ``system.posix_acl_*`` is not supported."""

INODES_MAX: Final = 65_536
"""Inodes remembered at once (P8); at the bound all are forgotten."""


def check_name(name: bytes) -> None:
    """Raise EOPNOTSUPP for a namespace that is not kept, EINVAL for one without a name."""
    if not name.startswith(KEPT):
        raise FUSEError(errno.EOPNOTSUPP)
    if name in KEPT:
        raise FUSEError(errno.EINVAL)


def is_visible(name: bytes, uid: int) -> bool:
    """Whether *uid* may see the name in a listing: ``trusted.`` is root's.

    >>> is_visible(b"trusted.a", 1000), is_visible(b"user.a", 1000)
    (False, True)
    """
    return uid == 0 or not name.startswith(b"trusted.")


class CapabilityMemory:
    """Inodes known to have no ``security.capability``.

    Serving thread only. Attributes change through this mount alone; whoever
    changes them otherwise makes a new memory.
    """

    def __init__(self) -> None:
        self._absent: set[InodeId] = set()

    def is_known_absent(self, inode_id: InodeId, name: bytes) -> bool:
        """Whether the answer is known to be: no such attribute."""
        return name == CAPABILITY and inode_id in self._absent

    def note_absent(self, inode_id: InodeId) -> None:
        """Remember a new inode, or one that was asked in vain."""
        if len(self._absent) >= INODES_MAX:
            self._absent.clear()
        self._absent.add(inode_id)

    def note_missing(self, inode_id: InodeId, name: bytes) -> None:
        """Remember that the engine has no attribute *name*."""
        if name == CAPABILITY:
            self.note_absent(inode_id)

    def note_set(self, inode_id: InodeId, name: bytes) -> None:
        """The attribute may exist from now on."""
        if name == CAPABILITY:
            self._absent.discard(inode_id)
