"""Telling the kernel to forget what it cached, from a thread of its own.

Invalidating an inode waits until its dirty pages are written, which needs the
serving thread and the write pool; from either of them that is a deadlock for
good (traps 3 and 4). Nobody waits for this thread while it serves.

The kernel asks for the blocks of a file when it is closed only; of one that
is being written it is told every second that they moved (trap 24).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import pyfuse3

from engine.ids import InodeId

logger = logging.getLogger(__name__)

BLOCKS_S: Final = 1.0
"""How late the kernel may hear that a file takes more blocks. Each time costs a GETATTR."""


class Notifications:
    """A queue to the kernel. Thread-safe. Bounded by its callers: only rollback,
    restore and import notify, one pass at a time, and files that are open for writing."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._written: set[InodeId] = set()
        """Added to by the serving thread, emptied by ours; each step of either is one of the
        interpreter's, so that no lock is needed."""
        self._is_parked = True
        """Whether our thread sleeps until something is queued. It says so before it looks at
        ``_written``, and the other adds to that before it asks."""

    def start(self) -> None:
        """Start the thread; after the mount."""
        self._thread = threading.Thread(target=self._serve, name="fuse-notify", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Drop what is queued and let the thread end; does not wait for it."""
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self._queue.put(None)

    def is_idle_within(self, limit_s: float) -> bool:
        """Wait until the thread has ended after ``close``; False if it is stuck."""
        if self._thread is None:
            return True
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def forget_inode(self, inode_id: InodeId) -> None:
        """Have the kernel forget data and attributes of *inode_id*."""
        self._queue.put(lambda: pyfuse3.invalidate_inode(inode_id))

    def note_written(self, inode_id: InodeId) -> None:
        """Have the kernel ask anew for the blocks of a file, within BLOCKS_S. Serving thread."""
        if inode_id not in self._written:
            self._written.add(inode_id)
            if self._is_parked:
                self._is_parked = False
                self._queue.put(_look_again)

    def note_closed(self, inode_id: InodeId) -> None:
        """A handle was closed: the kernel asks anew by itself. Serving thread."""
        self._written.discard(inode_id)

    def forget_name(self, parent: InodeId, name: bytes) -> None:
        """Have the kernel forget the name, or that it does not exist."""
        self._queue.put(lambda: pyfuse3.invalidate_entry(parent, name))

    def _serve(self) -> None:
        while True:
            self._is_parked = True
            self._is_parked = not self._written
            try:
                notify = self._queue.get(timeout=None if self._is_parked else BLOCKS_S)
            except queue.Empty:
                self._tell_written()
                continue
            if notify is None:
                return
            _tell(notify)

    def _tell_written(self) -> None:
        for _ in range(len(self._written)):
            try:
                inode_id = self._written.pop()
            except KeyError:
                return  # It was closed meanwhile.
            # Attributes alone: this waits for no dirty page.
            _tell(partial(pyfuse3.invalidate_inode, inode_id, attr_only=True))


def _look_again() -> None:
    """Do nothing, but wake the thread."""


def _tell(notify: Callable[[], None]) -> None:
    try:
        notify()
    except FileNotFoundError:
        return  # The kernel knew nothing of it.
    except OSError as error:
        # A session that ends refuses (trap 15); nothing is cached then.
        logger.info("the kernel did not take a notification: %s", error)
