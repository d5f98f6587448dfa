"""Journal frames beside a list: torn tails, rot, and what must not pass for a frame."""

from __future__ import annotations

import struct

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DamagedRecordError
from engine.format.journal import FrameGap, encode_frame, frame_bytes, iter_frames
from engine.ids import Epoch, Generation
from tests.format.samples import U64, flips_of_each_bit

BLOCK = 4096
FRAME = encode_frame(Generation(5), Epoch(2), b"a root record")

Seen = tuple[int, int, int, bytes] | FrameGap


def seen(data: bytes | bytearray) -> list[Seen]:
    """Return what a reader gets: (offset, generation, epoch, payload) or a gap."""
    found: list[Seen] = []
    for reading in iter_frames(memoryview(data)):
        match reading:
            case FrameGap():
                found.append(reading)
            case (offset, frame):
                found.append((offset, frame.generation, frame.epoch, bytes(frame.payload)))
    return found


def journal(*payloads: bytes) -> bytearray:
    """Return a journal file with frames of generation 1, 2, ... and some space."""
    frames = [encode_frame(Generation(i), Epoch(1), p) for i, p in enumerate(payloads, start=1)]
    return bytearray(b"".join(frames) + bytes(4 * BLOCK))


def test_a_frame_has_these_very_bytes() -> None:
    assert struct.unpack("<8sHHIQQ", FRAME[:32]) == (b"DFS-JRNL", 1, 0, 13, 5, 2)
    assert FRAME[32:48] == blake3(b"a root record").digest()[:16]
    assert FRAME[48:64] == blake3(FRAME[:48]).digest()[:16]
    assert FRAME[64:] == b"a root record" + bytes(BLOCK - 64 - 13)
    assert (
        blake3(FRAME).hexdigest()
        == "67f314dfce1e0c7a7f3ccd430806eb00ebe4270558a77691ac339c552c3a6c2d"
    )


@given(st.lists(st.tuples(U64, U64, st.binary(max_size=9000)), max_size=6), st.integers(0, 3))
def test_frames_come_back_in_their_order(
    written: list[tuple[int, int, bytes]], empty_blocks: int
) -> None:
    data = bytearray()
    expected: list[Seen] = []
    for generation, epoch, payload in written:
        expected.append((len(data), generation, epoch, payload))
        data += encode_frame(Generation(generation), Epoch(epoch), payload)
        assert len(data) == expected[-1][0] + frame_bytes(len(payload))  # type: ignore[index]

    assert seen(data + bytes(empty_blocks * BLOCK)) == expected
    assert len(data) % BLOCK == 0


def test_an_empty_journal_has_neither_frames_nor_gaps() -> None:
    assert seen(b"") == seen(bytes(16 * BLOCK)) == []


def test_every_flipped_bit_of_a_frame_loses_it_and_never_changes_it() -> None:
    checked_bits = 8 * (64 + len(b"a root record"))

    for bit, damaged in flips_of_each_bit(FRAME):
        # Behind the payload is padding, which no one reads.
        expected = [] if bit < checked_bits else [(0, 5, 2, b"a root record")]
        assert seen(damaged) == expected, f"bit {bit}"


def test_a_frame_torn_anywhere_is_the_end() -> None:
    data = journal(b"one", b"x" * 5000)
    whole = 2 * BLOCK - BLOCK + 64 + 5000

    for length in range(BLOCK, 3 * BLOCK + 1):
        torn = data[:length] + bytes(len(data) - length)
        expected: list[Seen] = [(0, 1, 1, b"one")]
        if length >= whole:
            expected.append((BLOCK, 2, 1, b"x" * 5000))
        assert seen(torn) == expected, f"torn at {length}"
        assert seen(data[:length]) == expected, f"cut at {length}"


@pytest.mark.parametrize("offset", [0, 20, 50, 64, 64 + 4999])
def test_a_bad_frame_with_a_good_one_behind_it_is_a_gap(offset: int) -> None:
    data = journal(b"one", b"x" * 5000, b"three")
    data[BLOCK + offset] ^= 1

    assert seen(data) == [
        (0, 1, 1, b"one"),
        FrameGap(BLOCK, 3 * BLOCK),
        (3 * BLOCK, 3, 1, b"three"),
    ]


def test_zeros_with_a_good_frame_behind_them_are_a_gap() -> None:
    data = journal(b"one", b"two", b"three", b"four")
    data[:BLOCK] = bytes(BLOCK)
    data[2 * BLOCK : 3 * BLOCK] = bytes(BLOCK)

    assert seen(data) == [
        FrameGap(0, BLOCK),
        (BLOCK, 2, 1, b"two"),
        FrameGap(2 * BLOCK, 3 * BLOCK),
        (3 * BLOCK, 4, 1, b"four"),
    ]


def test_a_frame_inside_a_damaged_payload_does_not_pass_for_one() -> None:
    copied = bytes(BLOCK - 64) + encode_frame(Generation(99), Epoch(9), b"a user's copy")
    data = journal(copied)
    data[64] ^= 1

    assert seen(data) == []


def test_a_frame_of_a_later_version_is_not_taken_for_a_torn_tail() -> None:
    fields = FRAME[:8] + b"\2\0" + FRAME[10:48]
    later = fields + blake3(fields).digest()[:16] + FRAME[64:]

    with pytest.raises(DamagedRecordError, match="version 2 is not known"):
        seen(journal(b"one")[:BLOCK] + later)


def test_a_payload_is_a_slice_of_what_was_read() -> None:
    data = journal(b"one")
    ((_, frame),) = [reading for reading in iter_frames(data) if isinstance(reading, tuple)]

    data[64:67] = b"two"

    assert bytes(frame.payload) == b"two"
