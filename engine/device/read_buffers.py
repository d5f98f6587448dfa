"""Aligned memory for large reads, used again when the reader lets go of it.

A fresh buffer costs a page fault for each 4 KiB, which is most of the CPU time
of a cold 2 MiB read; one used before costs none. A buffer comes back by itself
when the last view of it is dropped, so nobody has to give it back.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
import weakref
from typing import Final

from engine.device.anonymous import map_memory
from engine.units import KIB, MIB, align_up

_CLASS_BYTES: Final = 256 * KIB
IDLE_BYTES_MAX: Final = 32 * MIB
"""Memory kept for the next reads, of all disks together."""


class ReadBuffers:
    """Hands out writable aligned views. Thread-safe."""

    def __init__(self, *, idle_bytes_max: int = IDLE_BYTES_MAX) -> None:
        self._idle_bytes_max = idle_bytes_max
        # A view can be dropped, and so come back, while this very thread is
        # inside ``take``: the collector runs anywhere.
        self._lock = threading.RLock()
        self._idle: dict[int, list[mmap.mmap]] = {}
        self.idle_bytes = 0

    def take(self, length_bytes: int) -> memoryview:
        """Return at least *length_bytes*, with whatever was in there before."""
        size = align_up(max(1, length_bytes), _CLASS_BYTES)
        with self._lock:
            idle = self._idle.get(size)
            pages = idle.pop() if idle else None
            if pages is not None:
                self.idle_bytes -= size
        if pages is None:
            pages = map_memory(size)
        # The array stands between the views and the pages: it dies with the
        # last view, and can say so, which a view of a map cannot.
        array = (ctypes.c_char * size).from_buffer(pages)
        weakref.finalize(array, self._give_back, pages, size).atexit = False
        return memoryview(array).cast("B")

    def _give_back(self, pages: mmap.mmap, size: int) -> None:
        with self._lock:
            if self.idle_bytes + size <= self._idle_bytes_max:
                self._idle.setdefault(size, []).append(pages)
                self.idle_bytes += size


SHARED_BUFFERS: Final = ReadBuffers()
"""One for the process: the bound is one of memory, not of a disk."""
