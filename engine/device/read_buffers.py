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

from engine.addresses import address_of
from engine.device.anonymous import map_memory
from engine.limits import PAGE_BYTES
from engine.units import KIB, MIB, align_up

_CLASS_BYTES: Final = 256 * KIB
_SLAB_BYTES: Final = 2 * MIB
"""Memory that is divided into buffers of a page: one huge page, which a disk
fills in two thirds of the time that it takes for scattered small ones."""

_SLAB_SLOTS: Final = _SLAB_BYTES // PAGE_BYTES
_READY_SLOTS_MIN: Final = 2 * _SLAB_SLOTS
"""With fewer idle buffers of a page more are made ready, before a read needs them."""

_Slot = tuple[mmap.mmap, int]
"""A buffer of a page: its slab, and where in it."""

_PageArray: Final = ctypes.c_char * PAGE_BYTES
IDLE_BYTES_MAX: Final = 32 * MIB
"""Memory kept for the next reads, of all disks together."""


class _SlotReference(weakref.ref["ctypes.Array[ctypes.c_char]"]):
    """Knows which slot is free when the array over it is gone."""

    __slots__ = ("slot",)
    slot: _Slot


def _slots_of(slab: mmap.mmap) -> list[_Slot]:
    return [(slab, at) for at in range(0, _SLAB_BYTES, PAGE_BYTES)]


class ReadBuffers:
    """Hands out writable aligned views. Thread-safe.

    Those of a page, which random reads take, are slots of slabs; slabs stay for
    good, as many as were ever in use at once, their idle memory does not.
    """

    def __init__(self, *, idle_bytes_max: int = IDLE_BYTES_MAX) -> None:
        self._idle_bytes_max = idle_bytes_max
        # A view can be dropped, and so come back, while this very thread is
        # inside ``take``: the collector runs anywhere.
        self._lock = threading.RLock()
        self._idle: dict[int, list[mmap.mmap]] = {}
        self._slots: list[_Slot] = []
        """Idle, with their memory."""
        self._bare_slots: list[_Slot] = []
        """Idle, and their memory was given back or never used."""
        self._lent: dict[int, _SlotReference] = {}
        self._is_preparing = False
        self._wanted = threading.Event()
        self.idle_bytes = 0

    def take(self, length_bytes: int) -> memoryview:
        """Return at least *length_bytes*, with whatever was in there before."""
        if length_bytes <= PAGE_BYTES:
            return self._take_slot()
        size = align_up(length_bytes, _CLASS_BYTES)
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

    def _take_slot(self) -> memoryview:
        with self._lock:
            few = len(self._slots) < _READY_SLOTS_MIN
            if self._slots:
                slot = self._slots.pop()
                self.idle_bytes -= PAGE_BYTES
            else:
                if not self._bare_slots:
                    self._bare_slots = _slots_of(map_memory(_SLAB_BYTES))
                slot = self._bare_slots.pop()
            array = _PageArray.from_buffer(*slot)
            reference = _SlotReference(array, self._give_slot_back)
            reference.slot = slot
            self._lent[id(reference)] = reference
        if few:
            self._wish_for_more()
        return memoryview(array).cast("B")

    def _wish_for_more(self) -> None:
        """Have memory made ready beside the reads."""
        with self._lock:
            starts, self._is_preparing = not self._is_preparing, True
        if starts:
            # Not under the lock: the collector may give a buffer back in the new
            # thread before that has begun, and its start waits for that.
            threading.Thread(target=self._prepare, name="read-buffers", daemon=True).start()
        self._wanted.set()

    def _prepare(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            while (slots := self._slots_to_prepare()) is not None:
                # Touched here, without the interpreter lock: the first touch of
                # memory costs as much as a read, or thirty of a huge page in a guest.
                for slab, at in slots:
                    ctypes.memset(address_of(memoryview(slab)) + at, 0, PAGE_BYTES)
                with self._lock:
                    self._slots += slots

    def _slots_to_prepare(self) -> list[_Slot] | None:
        """Return the bare slots of about a slab, counted as idle; None when enough are ready."""
        with self._lock:
            is_full = self.idle_bytes + _SLAB_BYTES > self._idle_bytes_max
            if is_full or len(self._slots) >= _READY_SLOTS_MIN:
                return None
            if not self._bare_slots:
                self._bare_slots = _slots_of(map_memory(_SLAB_BYTES))
            slots = self._bare_slots[-_SLAB_SLOTS:]
            del self._bare_slots[-_SLAB_SLOTS:]
            self.idle_bytes += len(slots) * PAGE_BYTES
            return slots

    def _give_slot_back(self, reference: _SlotReference) -> None:
        slab, at = reference.slot
        with self._lock:
            del self._lent[id(reference)]
            if self.idle_bytes + PAGE_BYTES <= self._idle_bytes_max:
                self._slots.append((slab, at))
                self.idle_bytes += PAGE_BYTES
            else:
                slab.madvise(mmap.MADV_DONTNEED, at, PAGE_BYTES)
                self._bare_slots.append((slab, at))

    def _give_back(self, pages: mmap.mmap, size: int) -> None:
        with self._lock:
            if self.idle_bytes + size <= self._idle_bytes_max:
                self._idle.setdefault(size, []).append(pages)
                self.idle_bytes += size


SHARED_BUFFERS: Final = ReadBuffers()
"""One for the process: the bound is one of memory, not of a disk."""
