"""Slices to fragments and back, for both kinds of redundancy.

Pure but for the buffers it is told to fill; safe from any thread as long as
no one else uses those. Nothing here is verified: that is the caller's (P1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from engine.codec.kernel import Kernel
from engine.codec.matrix import parity_matrix, recovery_matrix
from engine.format.constants import Buffer
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    needed_count,
)


def encode(
    redundancy: Redundancy,
    data: Buffer,
    parity: bytearray | memoryview,
    slice_bytes: int,
    kernel: Kernel,
) -> list[memoryview]:
    """Return the payload of each fragment, as slices of *data* and *parity*.

    The first k * *slice_bytes* bytes of *data* are the data slices, the first
    m * *slice_bytes* of *parity* become the parity. Replication has none, and
    all payloads are the one slice.

    Raises:
        ValueError: *data* or *parity* is too short, or *parity* is read-only.
    """
    view = memoryview(data)
    match redundancy:
        case Replication(copies):
            slices = _slices(view, slice_bytes, 1)
            return slices * copies
        case ErasureCoding(needed, spare):
            sources = _slices(view, slice_bytes, needed)
            targets = _slices(memoryview(parity), slice_bytes, spare)
            kernel.encode(parity_matrix(needed, spare), sources, targets, slice_bytes)
            return sources + targets
        case _:
            assert_never(redundancy)


def reconstruct(
    redundancy: Redundancy,
    available: Mapping[int, Buffer],
    wanted: Sequence[int],
    length: int,
    kernel: Kernel,
) -> dict[int, bytearray]:
    """Return the first *length* bytes of each *wanted* fragment, as new buffers.

    *available* maps fragment indexes to the same byte range of each one's
    payload: any range, since the code works byte by byte. Exactly k of them
    are used, the lowest indexes; what is wanted and available is copied.

    Raises:
        ValueError: fewer than k are available, one is shorter than *length*,
            or an index is none of *redundancy*'s.
    """
    count = fragment_count(redundancy)
    strangers = [index for index in (*available, *wanted) if not 0 <= index < count]
    if strangers:
        raise ValueError(f"fragment {strangers[0]} is none of {redundancy}")
    sources = tuple(sorted(available)[: needed_count(redundancy)])
    if len(sources) < needed_count(redundancy):
        raise ValueError(f"{len(sources)} fragments are not enough for {redundancy}")
    if any(len(available[index]) < length for index in (*sources, *(set(wanted) & set(available)))):
        raise ValueError(f"a fragment's bytes are fewer than {length}")
    result = {
        index: bytearray(memoryview(available[index])[:length])
        for index in wanted
        if index in available
    }
    missing = tuple(index for index in dict.fromkeys(wanted) if index not in available)
    match redundancy:
        case Replication():
            only = memoryview(available[sources[0]])[:length]
            result |= {index: bytearray(only) for index in missing}
        case ErasureCoding(data, parity) if missing:
            made = {index: bytearray(length) for index in missing}
            rows = recovery_matrix(data, parity, sources, missing)
            inputs = [available[index] for index in sources]
            kernel.encode(rows, inputs, list(made.values()), length)
            result |= made
        case ErasureCoding():
            pass  # Everything wanted was there to be copied.
        case _:
            assert_never(redundancy)
    return result


def _slices(view: memoryview, slice_bytes: int, count: int) -> list[memoryview]:
    """Return the first *count* slices of *view*."""
    if len(view) < count * slice_bytes:
        raise ValueError(f"{len(view)} bytes do not hold {count} slices of {slice_bytes}")
    return [
        view[start : start + slice_bytes] for start in range(0, count * slice_bytes, slice_bytes)
    ]
