"""Telling the kernel to forget what it cached, from a thread of its own.

Invalidating an inode waits until its dirty pages are written, which needs the
serving thread and the write pool; from either of them that is a deadlock for
good (traps 3 and 4). Nobody waits for this thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

import pyfuse3

from engine.ids import InodeId

logger = logging.getLogger(__name__)


class Notifications:
    """A queue to the kernel. Thread-safe. Bounded by its callers: only rollback,
    restore and import notify, one pass at a time."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

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

    def forget_name(self, parent: InodeId, name: bytes) -> None:
        """Have the kernel forget the name, or that it does not exist."""
        self._queue.put(lambda: pyfuse3.invalidate_entry(parent, name))

    def _serve(self) -> None:
        while (notify := self._queue.get()) is not None:
            try:
                notify()
            except FileNotFoundError:
                continue  # The kernel knew nothing of it.
            except OSError as error:
                # A session that ends refuses (trap 15); nothing is cached then.
                logger.info("the kernel did not take a notification: %s", error)
