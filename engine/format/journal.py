"""Journal frames: what makes an append-only file readable after a torn write.

A reader tells three ends apart: nothing was written there, the last write was
torn, and rot, which is a bad frame with a good one somewhere behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from blake3 import blake3

from engine.errors import DamagedRecordError
from engine.format.constants import (
    FORMAT_VERSION,
    FRAME_ALIGNMENT,
    FRAME_HEADER_BYTES,
    JOURNAL_MAGIC,
    MAGIC_BYTES,
    SHORT_HASH_BYTES,
    Buffer,
)
from engine.ids import Epoch, Generation
from engine.limits import RECORD_BYTES_MAX
from engine.units import align_up

_FIELDS = struct.Struct("<8sHHIQQ16s")
_CHECKED_BYTES = FRAME_HEADER_BYTES - SHORT_HASH_BYTES

assert _FIELDS.size == _CHECKED_BYTES


@dataclass(frozen=True, slots=True)
class JournalFrame:
    """One intact frame. ``payload`` is a slice of what was read, not a copy."""

    generation: Generation
    epoch: Epoch
    payload: memoryview


@dataclass(frozen=True, slots=True)
class FrameGap:
    """Rot: bytes ``start`` to ``end`` are no frame, yet a valid one follows."""

    start: int
    end: int


Reading: TypeAlias = tuple[int, JournalFrame] | FrameGap
"""A frame with its offset in bytes, or a gap."""


def frame_bytes(payload_bytes: int) -> int:
    """Return how much of a journal file a frame takes.

    >>> frame_bytes(0), frame_bytes(4032), frame_bytes(4033)
    (4096, 4096, 8192)
    """
    return align_up(FRAME_HEADER_BYTES + payload_bytes, FRAME_ALIGNMENT)


def encode_frame(generation: Generation, epoch: Epoch, payload: Buffer) -> bytes:
    """Return a whole frame, padded with zeros; *payload* is copied once.

    Raises:
        ValueError: *payload* is larger than any record may be.
    """
    if len(payload) > RECORD_BYTES_MAX:
        raise ValueError(f"frame of {len(payload)} bytes is over {RECORD_BYTES_MAX}")
    fields = _FIELDS.pack(
        JOURNAL_MAGIC,
        FORMAT_VERSION,
        0,
        len(payload),
        generation,
        epoch,
        _short_hash(payload),
    )
    padding = bytes(frame_bytes(len(payload)) - FRAME_HEADER_BYTES - len(payload))
    return b"".join((fields, _short_hash(fields), payload, padding))


def iter_frames(data: Buffer) -> Iterator[Reading]:
    """Yield the frames of a journal file in their order, and the gaps.

    *data* is a file from its first byte. A torn or empty tail is not reported:
    the iteration ends. What follows a gap is intact, but only the chain of
    root hashes says that it belongs there. Appending goes on at the last
    frame's offset plus ``frame_bytes`` of its payload.

    Raises:
        DamagedRecordError: a sound frame has a version this reader does not
            know; it must not pass for a torn tail.
    """
    view = memoryview(data)
    position = 0
    while (found := _next_frame(view, position)) is not None:
        offset, frame = found
        if offset > position:
            yield FrameGap(position, offset)
        yield found
        position = offset + frame_bytes(len(frame.payload))


def _next_frame(view: memoryview, start: int) -> tuple[int, JournalFrame] | None:
    """Return the first intact frame at or behind *start*, with its offset."""
    position = start
    while position < len(view):
        fields = _sound_fields(view, position)
        if fields is None:
            position += FRAME_ALIGNMENT
            continue
        payload_start = position + FRAME_HEADER_BYTES
        payload = view[payload_start : payload_start + fields.payload_bytes]
        if len(payload) == fields.payload_bytes and _short_hash(payload) == fields.payload_hash:
            return position, JournalFrame(fields.generation, fields.epoch, payload)
        # The header is sound, so its length is: nothing inside the damaged
        # payload (a user's copy of a journal, say) can pass for a frame.
        position += frame_bytes(fields.payload_bytes)
    return None


@dataclass(frozen=True, slots=True)
class _FrameFields:
    """A frame header whose check was right."""

    payload_bytes: int
    generation: Generation
    epoch: Epoch
    payload_hash: bytes


def _sound_fields(view: memoryview, offset: int) -> _FrameFields | None:
    """Return the frame header at *offset*, or None if there is no sound one."""
    header = view[offset : offset + FRAME_HEADER_BYTES]
    if len(header) < FRAME_HEADER_BYTES or bytes(header[:MAGIC_BYTES]) != JOURNAL_MAGIC:
        return None
    if _short_hash(header[:_CHECKED_BYTES]) != header[_CHECKED_BYTES:]:
        return None
    _, version, _, length, generation, epoch, payload_hash = _FIELDS.unpack_from(header)
    if version != FORMAT_VERSION:
        raise DamagedRecordError(
            f"journal frame: format version {version} is not known, only {FORMAT_VERSION} is"
        )
    return _FrameFields(length, Generation(generation), Epoch(epoch), payload_hash)


def _short_hash(data: Buffer) -> bytes:
    return blake3(data).digest(SHORT_HASH_BYTES)
