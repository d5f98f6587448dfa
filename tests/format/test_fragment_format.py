"""Fragment headers and page tables: golden bytes, round trips, every flipped bit."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DamagedPageError, DamagedRecordError
from engine.format.fragment import (
    FragmentHeader,
    decode_header,
    encode_header,
    encode_page_table,
    header_hash,
    page_hash,
    payload_offset,
    verify_page,
    verify_pages,
    verify_table,
)
from engine.model.redundancy import Replication
from tests.format.samples import HEADER, POOL, flips_of_each_bit, headers

PAGE = 65_536


def resealed(data: bytes, offset: int, content: bytes) -> bytes:
    """Return a record with *content* written in, and a checksum to match."""
    body = bytearray(data[:-32])
    body[offset : offset + len(content)] = content
    return bytes(body) + blake3(body).digest()


def test_the_header_has_these_very_bytes() -> None:
    data = encode_header(HEADER)

    assert (
        blake3(data).hexdigest()
        == "cf65689a64dc864099fc6bc5ddb7f3439641560516d07b8c68940cb48e831190"
    )
    assert data[:24] == b"DFS-FRAG" + bytes.fromhex("0100 02 00 0400 0200 0500 0000 00000100")
    assert data[24:40] == POOL.bytes
    assert data[40:48] == bytes([8, 7, 6, 5, 4, 3, 2, 1])
    assert struct.unpack("<QQQQQQ", data[48:96]) == (9, 3, 77, 1_000_000, 1_000_000, 253_952)
    assert data[96:128] == bytes(range(32))
    assert data[128:4064] == bytes(3936)
    assert data[4064:] == blake3(data[:4064]).digest()


def test_a_replicas_header_says_one_and_the_spare_copies() -> None:
    header = replace(HEADER, redundancy=Replication(256), index=255, slice_bytes=1_003_520)

    data = encode_header(header)

    assert struct.unpack("<BBHHH", data[10:18]) == (1, 0, 1, 255, 255)
    assert decode_header(data) == header


def test_the_header_hash_covers_all_4096_bytes() -> None:
    data = encode_header(HEADER)

    assert header_hash(memoryview(data)) == blake3(data).digest()


@given(headers())
def test_a_header_comes_back_as_it_was(header: FragmentHeader) -> None:
    data = encode_header(header)

    assert len(data) == 4096
    assert decode_header(data) == header


def test_every_flipped_bit_of_a_header_is_damage() -> None:
    for _, damaged in flips_of_each_bit(encode_header(HEADER)):
        with pytest.raises(DamagedRecordError):
            decode_header(damaged)


def test_a_header_of_any_other_length_is_damage() -> None:
    data = encode_header(HEADER)

    for length in range(len(data)):
        with pytest.raises(DamagedRecordError):
            decode_header(data[:length])
    with pytest.raises(DamagedRecordError):
        decode_header(data + b"\0")


def test_a_well_sealed_header_of_another_length_is_refused() -> None:
    body = encode_header(HEADER)[:-32] + bytes(4096)  # Zeros, as the reserved bytes are.

    with pytest.raises(DamagedRecordError, match="8192 bytes"):
        decode_header(body + blake3(body).digest())


@pytest.mark.parametrize(
    ("offset", "content", "sentence"),
    [
        (0, b"DFS-ROOT", "another kind of record"),
        (8, b"\2\0", "version 2 is not known"),
        (10, b"\3", "kind 3"),
        (10, b"\1", "kind 1 with 4"),
        (11, b"\1", "compression 1 is not known"),
        (12, b"\0\0", "at least 1"),
        (12, b"\xff\0", "over 255"),
        (16, b"\6\0", "index 6"),
        (18, b"\1\0", "reserved"),
        (20, b"\0\0\2\0", "pages of 131072"),
        (72, bytes(8), "length 0"),
        (80, b"\1", "stored bytes"),
        (88, bytes(8), "slice of 0"),
        (4063, b"\1", "reserved"),
    ],
)
def test_a_well_sealed_header_that_makes_no_sense_is_refused(
    offset: int, content: bytes, sentence: str
) -> None:
    with pytest.raises(DamagedRecordError, match=sentence):
        decode_header(resealed(encode_header(HEADER), offset, content))


@pytest.mark.parametrize("length", [1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 4096])
def test_the_table_is_the_hash_of_each_page_padded_to_a_block(length: int) -> None:
    payload = random.Random(length).randbytes(length)
    hashes = b""
    for start in range(0, length, PAGE):
        hashes += blake3(payload[start : start + PAGE]).digest()

    table = encode_page_table(bytearray(payload))

    assert table == hashes + bytes(4096 - len(hashes))
    assert page_hash(table, 0) == hashes[:32]


@pytest.mark.parametrize(
    ("slice_bytes", "offset"),
    [(4096, 8192), (128 * PAGE, 8192), (128 * PAGE + 4096, 12_288), (256 * PAGE, 12_288)],
)
def test_the_payload_begins_behind_a_table_of_whole_blocks(slice_bytes: int, offset: int) -> None:
    assert payload_offset(slice_bytes) == offset


def payload_and_table() -> tuple[bytes, bytes]:
    payload = random.Random(5).randbytes(253_952)
    return payload, encode_page_table(payload)


def test_a_table_passes_with_its_own_header_only() -> None:
    _, table = payload_and_table()
    header = replace(HEADER, table_hash=blake3(table).digest())

    verify_table(header, table)
    with pytest.raises(DamagedRecordError, match="checksum"):
        verify_table(HEADER, table)
    with pytest.raises(DamagedRecordError, match="instead of 4096"):
        verify_table(header, table[:-1])


def test_every_flipped_bit_of_a_table_is_damage() -> None:
    _, table = payload_and_table()
    header = replace(HEADER, table_hash=blake3(table).digest())

    for _, damaged in flips_of_each_bit(table):
        with pytest.raises(DamagedRecordError):
            verify_table(header, damaged)


def test_each_page_passes_in_its_own_place_only() -> None:
    payload, table = payload_and_table()
    pages = [payload[start : start + PAGE] for start in range(0, len(payload), PAGE)]

    for place in range(4):
        for number, page in enumerate(pages):
            if number == place:
                verify_page(table, place, page)
            else:
                with pytest.raises(DamagedPageError, match=f"page {place} "):
                    verify_page(table, place, page)


def test_a_page_beyond_the_table_is_damage() -> None:
    _, table = payload_and_table()

    for place in (4, 127, 128, 1000):
        with pytest.raises(DamagedPageError):
            verify_page(table, place, b"")


@given(bit=st.integers(0, 8 * PAGE - 1))
def test_a_flipped_bit_of_a_page_is_damage(bit: int) -> None:
    payload, table = payload_and_table()
    page = bytearray(payload[:PAGE])
    page[bit // 8] ^= 1 << bit % 8

    with pytest.raises(DamagedPageError):
        verify_page(table, 0, page)


def test_a_run_of_pages_passes_and_names_the_first_bad_one() -> None:
    payload, table = payload_and_table()
    verify_pages(table, 0, payload)
    verify_pages(table, 2, payload[2 * PAGE :])

    damaged = bytearray(payload)
    damaged[2 * PAGE + 7] ^= 1
    damaged[-1] ^= 1

    with pytest.raises(DamagedPageError, match="page 2 "):
        verify_pages(table, 1, damaged[PAGE:])
    with pytest.raises(DamagedPageError, match="page 3 "):
        verify_pages(table, 3, payload[3 * PAGE : -1])


def test_a_run_that_goes_past_the_table_is_damage() -> None:
    payload, table = payload_and_table()

    with pytest.raises(DamagedPageError, match="page 128 "):
        verify_pages(table, 128, payload[:PAGE])
