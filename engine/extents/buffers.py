"""Pooled, page-aligned memory that extents are built and encoded in (P8).

Parity is in memory apart from the data: many extents fill or wait, few are
being encoded, and fresh memory is dear, most of all in a virtual machine.
"""

from __future__ import annotations

import mmap
import threading
from typing import Final

from engine.clock import Clock
from engine.device.anonymous import HUGE_PAGE_BYTES, map_memory
from engine.errors import RetryableError
from engine.limits import (
    BLOCK_BYTES,
    BUILDERS_MAX,
    EXTENT_BYTES_MAX,
    FRAGMENTS_PER_EXTENT_MAX,
)
from engine.model.redundancy import Redundancy, Replication, tolerance
from engine.units import align_up

_ROUNDING_BYTES: Final = FRAGMENTS_PER_EXTENT_MAX * BLOCK_BYTES
"""Every slice is rounded up to a block; no extent has more slices than this."""

DATA_ROOM_BYTES: Final = EXTENT_BYTES_MAX + _ROUNDING_BYTES
"""Address space for the data slices of an extent, whatever its redundancy."""

_KEPT_BYTES: Final = EXTENT_BYTES_MAX
"""What spare memory may keep resident; only the parity of narrow widths needs more."""


class BufferWaitError(RetryableError):
    """No buffer became free in time."""


def parity_room(redundancy: Redundancy) -> int:
    """Return bytes of address space for the parity of *redundancy* or narrower.

    That of the narrowest form, 1+m, is m times the data; memory is used only
    for what is touched. Copies have none.

    >>> from engine.model.redundancy import ErasureCoding
    >>> parity_room(ErasureCoding(4, 2)) // EXTENT_BYTES_MAX, parity_room(Replication(3))
    (2, 0)
    """
    if isinstance(redundancy, Replication):
        return 0
    return tolerance(redundancy) * EXTENT_BYTES_MAX + _ROUNDING_BYTES


class ExtentBuffer:
    """One piece of memory, for the data of an extent or for its parity.

    Not thread-safe; it belongs to one builder, then to one writer. What nobody
    has filled is undefined.
    """

    __slots__ = ("_memory", "abandoned", "view")

    def __init__(self, room_bytes: int) -> None:
        # The kernel aligns maps of whole huge pages; others begin and end in small ones.
        self._memory = map_memory(align_up(max(1, room_bytes), HUGE_PAGE_BYTES))
        self.view = memoryview(self._memory)[:room_bytes]
        self.abandoned = False
        """A device call was given up and may still read this memory: the pool
        must not hand it out again. It is freed when that call ends."""

    def give_up_excess(self) -> None:
        """Return memory to the system that only a narrow width needed."""
        if len(self.view) > _KEPT_BYTES:
            self._memory.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES)


class SpareBuffers:
    """Memory beside the pool's, which nobody waits for: maintenance's own (P7), and parity.

    Thread-safe. As many buffers are kept as were ever in use at once.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._idle: list[ExtentBuffer] = []

    def take(self, room_bytes: int) -> ExtentBuffer:
        """Return a buffer of at least *room_bytes*; its content is undefined."""
        with self._lock:
            buffer = self._idle.pop() if self._idle else None
        if buffer is None or len(buffer.view) < room_bytes:
            return ExtentBuffer(room_bytes)
        return buffer

    def give_back(self, buffer: ExtentBuffer) -> None:
        """Keep *buffer* for the next one, unless an abandoned call may still read it."""
        if not buffer.abandoned:
            buffer.give_up_excess()
            with self._lock:
                self._idle.append(buffer)


class BufferPool:
    """At most *count* buffers exist in use at once. Thread-safe."""

    def __init__(self, clock: Clock, *, count: int = BUILDERS_MAX) -> None:
        self._clock: Final = clock
        self._changed: Final = threading.Condition()
        self._idle: list[ExtentBuffer] = []
        self._free = count

    @property
    def free_count(self) -> int:
        """How many buffers could be taken now."""
        return self._free

    def take(self, *, timeout_s: float) -> ExtentBuffer:
        """Return a buffer for an extent's data, waiting for one (P8).

        Raises:
            BufferWaitError: none became free within *timeout_s*.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        with self._changed:
            while self._free == 0:
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0:
                    raise BufferWaitError(f"no extent buffer became free in {timeout_s} s")
                self._clock.wait(self._changed, left_s)
            return self._take_one()

    def try_take(self) -> ExtentBuffer | None:
        """Return a buffer, or None when all are in use."""
        with self._changed:
            return self._take_one() if self._free else None

    def give_back(self, buffer: ExtentBuffer) -> None:
        """Let others use *buffer*, which the caller must not touch again."""
        with self._changed:
            if not buffer.abandoned:
                self._idle.append(buffer)
            self._free += 1
            self._changed.notify()

    def _take_one(self) -> ExtentBuffer:
        # The last one back is the first out: no more memory is used than is needed.
        buffer = self._idle.pop() if self._idle else ExtentBuffer(DATA_ROOM_BYTES)
        self._free -= 1  # Last: memory may be refused, and then nothing was taken.
        return buffer
