"""Access times by the rule of relatime, kept in memory until there is a reason to write.

A read must not cost a write: what is noted here is stored when the pool closes
or the bound is reached, and lost in a crash (access times are not promised).
What only the kernel knows, such as a read of its cached pages, is not seen.
"""

from __future__ import annotations

import stat
from itertools import islice
from typing import Final

from engine.clock import Clock
from engine.ids import InodeId
from engine.limits import ACCESS_TIMES_MAX, STEP_ROWS_MAX
from engine.metadata.inodes import InodeTable
from engine.metadata.store import MetadataStore
from engine.model.inode import Inode

DAY_NS: Final = 86_400 * 10**9
"""An access time this old is renewed by any access."""

TICK_NS: Final = 10 * 10**6
"""Writes carry the kernel's coarse clock, so they may look this much older than they are."""


class AccessTimes:
    """Times newer than those in the rows. Under the write lock, but for ``store``."""

    def __init__(self, store: MetadataStore, inodes: InodeTable, clock: Clock) -> None:
        self._store = store
        self._inodes = inodes
        self._clock = clock
        self._noted: dict[InodeId, int] = {}

    def note(self, inode: Inode) -> None:
        """The data, the names or the target of *inode* were read just now."""
        now_ns = self._clock.now_ns()
        noted_ns = self._noted.get(inode.inode_id, inode.atime_ns)
        if is_due(inode, noted_ns, now_ns):
            if len(self._noted) >= ACCESS_TIMES_MAX:
                self._store_oldest()
            self._noted[inode.inode_id] = now_ns

    def applied(self, inode: Inode) -> Inode:
        """Return *inode* with the time of its last noted access."""
        noted_ns = self._noted.get(inode.inode_id)
        return inode if noted_ns is None else inode._replace(atime_ns=noted_ns)

    def forget(self, inode_id: InodeId) -> None:
        """The inode is gone, or its access time was set by somebody."""
        self._noted.pop(inode_id, None)

    def store(self) -> None:
        """Write all that was noted into the rows, a step at a time.

        Raises:
            EngineStoppedError: the rows could not be written.
        """
        while self._noted:
            with self._store.lock:
                self._store_oldest()

    def _store_oldest(self) -> None:
        """Write one step of rows; when the engine has stopped they are dropped instead."""
        oldest = dict(islice(self._noted.items(), STEP_ROWS_MAX))
        for inode_id in oldest:
            del self._noted[inode_id]
        if not self._store.started or self._store.stopped:
            return
        with self._store.operation():
            for inode_id, atime_ns in oldest.items():
                inode = self._inodes.get(inode_id)
                if inode is not None:
                    self._inodes.update(inode._replace(atime_ns=atime_ns))


def is_due(inode: Inode, atime_ns: int, now_ns: int) -> bool:
    """Whether relatime moves *atime_ns* at *now_ns*: a change since, or a day old."""
    changed_ns = max(inode.mtime_ns, inode.ctime_ns)
    if stat.S_ISREG(inode.mode):
        changed_ns += TICK_NS
    return atime_ns <= changed_ns or now_ns - atime_ns >= DAY_NS
