"""Aligned buffers and writing around the page cache (DESIGN 4 'Writing').

O_DIRECT needs the address, the length and the offset of each transfer to be
multiples of the device's block; ``BLOCK_BYTES`` is enough for all we serve.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from engine.addresses import address_of
from engine.device.anonymous import map_memory
from engine.device.protocol import Buffer
from engine.device.read_buffers import SHARED_BUFFERS
from engine.limits import BLOCK_BYTES, PAGE_BYTES
from engine.units import KIB, align_up

SCRATCH_BYTES: Final = 256 * KIB
"""Aligned memory of each thread for what arrives unaligned, and for re-reads."""

HEAD_BYTES: Final = 2 * BLOCK_BYTES
"""How much of a file's beginning is read back: header and table of most."""

DIRECT_READ_BYTES_MIN: Final = 512 * KIB
"""Shorter reads gain more from the kernel's read-ahead than they lose."""

assert SCRATCH_BYTES % PAGE_BYTES == 0
assert HEAD_BYTES + 2 * PAGE_BYTES <= SCRATCH_BYTES


class _Scratch(threading.local):
    """One aligned buffer for each thread; anonymous maps begin on a page."""

    def __init__(self) -> None:
        self.view = memoryview(map_memory(SCRATCH_BYTES))


_SCRATCH: Final = _Scratch()


def aligned_batches(parts: Sequence[Buffer]) -> Iterator[list[memoryview]]:
    """Yield lists of aligned views that together are *parts*, padded with zeros.

    Aligned parts pass without a copy, others go through this thread's scratch,
    so each list must be written before the next is asked for.
    """
    scratch = _SCRATCH.view
    batch: list[memoryview] = []
    begun = filled = 0  # the piece of scratch that is being filled
    for part in parts:
        rest = memoryview(part).cast("B")
        if filled == begun and address_of(rest) % BLOCK_BYTES == 0:
            body = len(rest) - len(rest) % BLOCK_BYTES
            if body:
                batch.append(rest[:body])
                rest = rest[body:]
        while len(rest):
            count = min(len(rest), SCRATCH_BYTES - filled)
            scratch[filled : filled + count] = rest[:count]
            filled += count
            rest = rest[count:]
            if filled == SCRATCH_BYTES:
                yield [*batch, scratch[begun:filled]]
                batch, begun, filled = [], 0, 0
        if filled % BLOCK_BYTES == 0 and filled > begun:
            batch.append(scratch[begun:filled])
            begun = filled
    if filled > begun:
        end = align_up(filled, BLOCK_BYTES)
        scratch[filled:end] = bytes(end - filled)
        batch.append(scratch[begun:end])
    if batch:
        yield batch


def proof_ranges(length_bytes: int) -> list[tuple[int, int]]:
    """Return the (offset, length) pairs that are read back after a write.

    >>> proof_ranges(100), proof_ranges(1 << 20)
    ([(0, 100)], [(0, 8192), (983040, 65536)])
    """
    tail = max(0, length_bytes - 1) // PAGE_BYTES * PAGE_BYTES
    if tail == 0:
        return [(0, length_bytes)] if length_bytes else []
    return [(0, HEAD_BYTES), (tail, length_bytes - tail)]


def equals_at(parts: Sequence[Buffer], offset: int, stored: memoryview) -> bool:
    """Whether *stored* is what the concatenated *parts* hold from *offset* on."""
    for part in parts:
        view = memoryview(part).cast("B")
        if offset >= len(view):
            offset -= len(view)
            continue
        count = min(len(stored), len(view) - offset)
        # As bytes: views are compared item by item, thirty times as slow.
        if view[offset : offset + count].tobytes() != stored[:count].tobytes():
            return False
        stored, offset = stored[count:], 0
        if not len(stored):
            return True
    return not len(stored)


def is_as_written(descriptor: int, parts: Sequence[Buffer], length_bytes: int) -> bool:
    """Read the first blocks and the last page back and compare them.

    *descriptor* is open with O_DIRECT; otherwise the caller has asked the
    kernel to forget the file's pages first.
    """
    for offset, length in proof_ranges(length_bytes):
        wanted = min(align_up(length, BLOCK_BYTES), SCRATCH_BYTES)
        stored = _SCRATCH.view[:wanted]
        if os.preadv(descriptor, [stored], offset) < length:
            return False
        if not equals_at(parts, offset, stored[:length]):
            return False
    return True


def forget_pages(descriptor: int) -> None:
    """Ask the kernel to drop the file's clean pages, so that reading reaches the disk."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def read_direct(descriptor: int, *, offset: int, length: int) -> memoryview:
    """Return up to *length* bytes from *offset* of a file open with O_DIRECT."""
    start = offset - offset % BLOCK_BYTES
    end = align_up(offset + length, BLOCK_BYTES)
    if end - start > PAGE_BYTES:  # Else the memory is there anyhow.
        end = min(end, align_up(_length_of(descriptor), BLOCK_BYTES))
    if end <= start:
        return memoryview(b"")
    view = SHARED_BUFFERS.take(end - start)
    count = os.preadv(descriptor, [view[: end - start]], start)
    return view[offset - start : max(offset - start, min(count, offset - start + length))]


def _length_of(descriptor: int) -> int:
    return os.fstat(descriptor).st_size
