"""Pooled, page-aligned memory that extents are built and encoded in (P8)."""

from __future__ import annotations

import mmap
import threading
from typing import Final

from engine.clock import Clock
from engine.device.anonymous import map_memory
from engine.errors import RetryableError
from engine.limits import (
    BLOCK_BYTES,
    BUILDERS_MAX,
    EXTENT_BYTES_MAX,
    FRAGMENTS_PER_EXTENT_MAX,
)
from engine.model.redundancy import Redundancy, Replication, tolerance

_ROUNDING_BYTES: Final = FRAGMENTS_PER_EXTENT_MAX * BLOCK_BYTES
"""Every slice is rounded up to a block; no extent has more slices than this."""

_KEPT_BYTES: Final = 2 * EXTENT_BYTES_MAX
"""What a pooled buffer may keep resident; only narrow widths need more."""


class BufferWaitError(RetryableError):
    """No buffer became free in time."""


def room_for(redundancy: Redundancy) -> int:
    """Return bytes of address space for an extent with *redundancy* or narrower.

    The narrowest form, 1+m, needs (1 + m) times the data; memory is used only
    for what is touched. Copies share one payload.

    >>> from engine.model.redundancy import ErasureCoding
    >>> room_for(ErasureCoding(4, 2)) // EXTENT_BYTES_MAX, room_for(Replication(3)) // (1 << 20)
    (3, 9)
    """
    slices = 1 if isinstance(redundancy, Replication) else 1 + tolerance(redundancy)
    return slices * EXTENT_BYTES_MAX + _ROUNDING_BYTES


class ExtentBuffer:
    """One piece of memory: the data, and behind it the parity.

    Not thread-safe; it belongs to one builder, then to one writer. Everything
    behind the data is undefined until the writer fills it.
    """

    __slots__ = ("_memory", "abandoned", "view")

    def __init__(self, room_bytes: int) -> None:
        self._memory = map_memory(room_bytes)
        self.view = memoryview(self._memory)
        self.abandoned = False
        """A device call was given up and may still read this memory: the pool
        must not hand it out again. It is freed when that call ends."""

    def give_up_excess(self) -> None:
        """Return memory to the system that only a narrow width needed."""
        if len(self.view) > _KEPT_BYTES:
            self._memory.madvise(mmap.MADV_DONTNEED, _KEPT_BYTES)


class SpareBuffers:
    """Memory of maintenance's own, never the pool's: writers must not wait for it (P7).

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

    def take(self, redundancy: Redundancy, *, timeout_s: float) -> ExtentBuffer:
        """Return a buffer with room for *redundancy*, waiting for one (P8).

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
            return self._take_one(redundancy)

    def try_take(self, redundancy: Redundancy) -> ExtentBuffer | None:
        """Return a buffer, or None when all are in use."""
        with self._changed:
            return self._take_one(redundancy) if self._free else None

    def give_back(self, buffer: ExtentBuffer) -> None:
        """Let others use *buffer*, which the caller must not touch again."""
        if not buffer.abandoned:
            buffer.give_up_excess()
        with self._changed:
            if not buffer.abandoned:
                self._idle.append(buffer)
            self._free += 1
            self._changed.notify()

    def _take_one(self, redundancy: Redundancy) -> ExtentBuffer:
        room_bytes = room_for(redundancy)
        while self._idle:
            buffer = self._idle.pop()
            if len(buffer.view) >= room_bytes:
                break
        else:
            buffer = ExtentBuffer(room_bytes)
        self._free -= 1  # Last: memory may be refused, and then nothing was taken.
        return buffer
