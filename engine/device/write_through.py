"""Append and flush in one step, on file systems that are known to do both then.

Each step gives the interpreter's lock up and has to win it back, among the
threads of all disks that were sent the same record: one step less is a
shorter fsync. The flag for it is older than its meaning in some network and
user-space file systems, so on others than those named here a flush follows.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Final

from engine.device.calls import FileSystemCalls, write_all
from engine.device.protocol import Buffer

FLUSHING_KINDS: Final = frozenset({0xEF53, 0x58465342, 0x9123683E})
"""ext4, XFS and btrfs, as statfs(2) tells them: a write with RWF_DSYNC ends there
with the very flush that fdatasync does."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_WORDS: Final = 64
"""More than ``struct statfs`` is long, in machine words; the first tells the kind."""


class WriteThroughCalls(FileSystemCalls):
    """The steps of one disk as the kernel does them; an append is one of them."""

    def __init__(self) -> None:
        self._kind: int | None = None

    def append(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        if self._kind is None:
            # All journal files of a disk are below the directory that is held open.
            self._kind = kind_of(descriptor)
        if self._kind in FLUSHING_KINDS:
            write_all(descriptor, parts, offset, flags=os.RWF_DSYNC)
        else:
            super().append(descriptor, parts, offset)


def kind_of(descriptor: int) -> int:
    """Return the number of the file system that an open file is on; 0 if it is not told."""
    facts = (ctypes.c_long * _WORDS)()
    if _LIBC.fstatfs(descriptor, ctypes.byref(facts)) != 0:
        return 0
    return int(facts[0])
