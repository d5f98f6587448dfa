"""Root records and their staged part: golden bytes, round trips, every flipped bit."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor, ZstdDecompressor

from engine.errors import DamagedRecordError
from engine.format.root import decode_root, decode_root_header, encode_root, root_hash
from engine.format.staged import (
    StagedDelete,
    StagedOperation,
    StagedPut,
    decode_staged,
    encode_staged,
)
from engine.ids import MapId
from engine.limits import RECORD_BYTES_MAX
from engine.model.root import RootRecord
from tests.format.samples import DISKS, POOL, ROOT, ROOTS, U64, flips_of_each_bit

OPERATIONS: list[StagedOperation] = [
    StagedPut(MapId(258), 65_536, b"some"),
    StagedDelete(MapId(1), 2**40),
]


ZSTD_FRAME_OF_A_TEBIBYTE = struct.pack("<IBQ", 0xFD2FB528, 0b1110_0000, 2**40)
"""The beginning of a frame (RFC 8878): magic, single segment, length in 8 bytes."""


def resealed(data: bytes, offset: int, content: bytes) -> bytes:
    """Return a record with *content* written in, and a checksum to match."""
    body = bytearray(data[:-32])
    body[offset : offset + len(content)] = content
    return bytes(body) + blake3(body).digest()


def test_the_root_record_has_these_very_bytes() -> None:
    data = encode_root(ROOT)

    assert (
        blake3(data).hexdigest()
        == "55f60ba6d0c434546dfd9583027f66cf8a212bd3e737e6fcc4a3a028dcc859b9"
    )
    assert struct.unpack("<8sHHIQ", data[:24]) == (b"DFS-ROOT", 1, 1, 2, len(data))
    assert data[24:40] == POOL.bytes
    assert struct.unpack("<QQqQHHHH", data[40:80]) == (
        *(78, 3, 1_700_000_000_123_456_789, 6),
        *(1, 4, 3, 7),
    )
    assert struct.unpack("<6Q", data[80:128]) == (11, 12, 13, 14, 15, 16)
    assert data[128:160] == bytes(range(32, 64))
    assert struct.unpack("<QQ", data[160:176]) == (9, 11)
    disks = b"".join(disk.bytes for disk in (*DISKS, *DISKS[:3]))
    assert data[176:-32] == "Bücher".encode() + disks + b"changeset" + b"staged part"
    assert data[-32:] == blake3(data[:-32]).digest()


def test_the_roots_hash_is_its_last_32_bytes() -> None:
    data = encode_root(ROOT)

    assert root_hash(memoryview(data)) == blake3(data[:-32]).digest()


@given(ROOTS)
def test_a_root_record_comes_back_as_it_was(record: RootRecord) -> None:
    data = encode_root(record)

    assert decode_root(data) == record
    assert decode_root(memoryview(bytearray(data))) == record


def test_a_long_changeset_is_stored_compressed_and_a_short_one_as_it_is() -> None:
    rows = b"".join(b"row %06d of a table" % number for number in range(4000))

    data = encode_root(replace(ROOT, changeset=rows))

    (flags,) = struct.unpack_from("<H", data, 10)
    (stored_bytes,) = struct.unpack_from("<Q", data, 160)
    start = 176 + 7 + 16 * 7
    assert flags == 0b11
    assert stored_bytes < len(rows) / 3
    assert ZstdDecompressor().decompress(data[start : start + stored_bytes]) == rows
    assert struct.unpack_from("<H", encode_root(ROOT), 10) == (0b01,)


def test_changes_that_do_not_get_shorter_are_stored_as_they_are() -> None:
    noise = random.Random(1).randbytes(20_000)

    data = encode_root(replace(ROOT, changeset=noise))

    assert struct.unpack_from("<H", data, 10) == (0b01,)
    assert decode_root(data).changeset == noise


@given(ROOTS)
def test_a_header_is_the_record_without_its_changes(record: RootRecord) -> None:
    header = decode_root_header(encode_root(record))

    assert header == replace(record, changeset=b"", staged=b"")


@pytest.mark.parametrize(
    "stored",
    [b"no zstd frame", ZstdCompressor().compress(b"x" * 9)[:-1], ZSTD_FRAME_OF_A_TEBIBYTE],
    ids=["no frame", "cut off", "too long"],
)
def test_a_compressed_changeset_that_is_none_is_damage(stored: bytes) -> None:
    data = encode_root(replace(ROOT, changeset=stored, forced=True))

    with pytest.raises(DamagedRecordError, match="changeset"):
        decode_root(resealed(data, 10, b"\x03\x00"))


def test_every_flipped_bit_of_a_root_record_is_damage() -> None:
    for _, damaged in flips_of_each_bit(encode_root(ROOT)):
        with pytest.raises(DamagedRecordError):
            decode_root(damaged)


def test_a_root_record_of_any_other_length_is_damage() -> None:
    data = encode_root(ROOT)

    for length in range(len(data)):
        with pytest.raises(DamagedRecordError):
            decode_root(data[:length])
    with pytest.raises(DamagedRecordError):
        decode_root(data + b"\0")


@pytest.mark.parametrize(
    ("offset", "content", "sentence"),
    [
        (0, b"DFS-FRAG", "another kind of record"),
        (8, b"\2\0", "version 2 is not known"),
        (10, b"\5\0", "flags 0x5"),
        (16, b"\0", "instead of"),
        (74, b"\5\0", "do not add up"),
        (160, b"\xff" * 8, "do not add up"),
        (176, b"\xff", "not UTF-8"),
    ],
)
def test_a_well_sealed_root_record_that_makes_no_sense_is_refused(
    offset: int, content: bytes, sentence: str
) -> None:
    with pytest.raises(DamagedRecordError, match=sentence):
        decode_root(resealed(encode_root(ROOT), offset, content))


def test_a_sealed_record_shorter_than_its_fields_is_damage() -> None:
    stub = b"DFS-ROOT\1\0"

    with pytest.raises(DamagedRecordError, match="shorter than its fields"):
        decode_root(stub + blake3(stub).digest())


def test_a_record_too_large_to_be_one_is_neither_written_nor_read() -> None:
    with pytest.raises(ValueError, match="is over"):
        encode_root(replace(ROOT, changeset=bytes(RECORD_BYTES_MAX)))
    with pytest.raises(DamagedRecordError, match="are over"):
        decode_root(bytes(RECORD_BYTES_MAX + 1))


def test_a_previous_hash_must_be_a_whole_one() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        encode_root(replace(ROOT, previous_hash=bytes(31)))


def test_the_staged_part_has_these_very_bytes() -> None:
    assert encode_staged(OPERATIONS) == bytes.fromhex(
        "01 0201000000000000 0000010000000000 04000000 736f6d65"
        "02 0100000000000000 0000000000010000 00000000"
    )


@given(
    st.lists(
        st.one_of(
            st.builds(StagedPut, U64.map(MapId), U64, st.binary(max_size=50)),
            st.builds(StagedDelete, U64.map(MapId), U64),
        )
    )
)
def test_staged_operations_come_back_in_their_order(operations: list[StagedOperation]) -> None:
    assert decode_staged(encode_staged(operations)) == operations


def test_a_staged_part_is_damage_unless_it_ends_with_an_operation() -> None:
    data = encode_staged(OPERATIONS)
    first = len(encode_staged(OPERATIONS[:1]))

    for length in range(len(data)):
        if length in (0, first):
            continue
        with pytest.raises(DamagedRecordError):
            decode_staged(data[:length])


@pytest.mark.parametrize(
    "operation",
    [
        b"\3" + bytes(20),
        b"\0" + bytes(20),
        b"\2" + bytes(16) + b"\1\0\0\0x",
        b"\1" + bytes(16) + (65_537).to_bytes(4, "little") + bytes(65_537),
    ],
    ids=["kind 3", "kind 0", "delete with data", "put of too much"],
)
def test_a_staged_operation_that_makes_no_sense_is_refused(operation: bytes) -> None:
    with pytest.raises(DamagedRecordError):
        decode_staged(operation)


def test_a_staged_row_has_at_most_64_kib() -> None:
    largest: list[StagedOperation] = [StagedPut(MapId(1), 0, bytes(65_536))]
    assert decode_staged(encode_staged(largest)) == largest

    with pytest.raises(ValueError, match="65537"):
        StagedPut(MapId(1), 0, bytes(65_537))
