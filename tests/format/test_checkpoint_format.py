"""Checkpoint files: an independent reader, round trips, every flipped bit and every cut."""

from __future__ import annotations

import io
import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from engine.errors import DamagedRecordError
from engine.format.checkpoint import read_checkpoint, read_checkpoint_head, write_checkpoint
from engine.format.root import encode_root, root_hash
from tests.format.samples import ROOT, flips_of_each_bit

HEAD_HASH = root_hash(encode_root(ROOT))
HEAD = replace(ROOT, changeset=b"", staged=b"")


def checkpoint_of(database: bytes, folder: Path) -> bytes:
    source = folder / "database"
    source.write_bytes(database)
    target = io.BytesIO()
    write_checkpoint(source, ROOT, HEAD_HASH, target)
    return target.getvalue()


def slow_decode(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return head, head hash and database, read as the specification says."""
    magic, version, compression, head_bytes, size, reserved, head_hash = struct.unpack(
        "<8sHHIQQ32s", data[:64]
    )
    assert (magic, version, compression, reserved) == (b"DFS-CKPT", 1, 1, 0)
    position = 64 + head_bytes
    head = data[64:position]
    stream = b""
    length = -1
    while length:
        assert data[position : position + 32] == blake3(data[:position]).digest()
        position += 32
        (length,) = struct.unpack("<I", data[position : position + 4])
        stream += data[position + 4 : position + 4 + length]
        position += 4 + length
    assert data[position:] == blake3(data[:position]).digest()
    database = zstandard.ZstdDecompressor().decompress(stream, max_output_size=size)
    assert len(database) == size
    return head, head_hash, database


class SlowPipe(io.RawIOBase):
    """An unbuffered source that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 7))


@pytest.mark.parametrize("length", [0, 1, 4096, 3_500_000])
def test_the_file_is_what_the_specification_says(tmp_path: Path, length: int) -> None:
    database = random.Random(length).randbytes(length)

    head, head_hash, found = slow_decode(checkpoint_of(database, tmp_path))

    assert head == encode_root(HEAD)
    assert head_hash == HEAD_HASH
    assert found == database


@pytest.mark.parametrize(
    "database",
    [b"", b"x", bytes(5_000_000), random.Random(1).randbytes(3 << 20)],
    ids=["empty", "one byte", "zeros", "three chunks of noise"],
)
def test_a_database_comes_back_as_it_was(tmp_path: Path, database: bytes) -> None:
    data = checkpoint_of(database, tmp_path)
    target = tmp_path / "restored"

    assert read_checkpoint(io.BytesIO(data), target) == (HEAD, HEAD_HASH)
    assert target.read_bytes() == database


def test_a_source_that_gives_little_at_a_time_is_read_whole(tmp_path: Path) -> None:
    data = checkpoint_of(b"database" * 100, tmp_path)
    target = tmp_path / "restored"

    read_checkpoint(SlowPipe(data), target)  # type: ignore[arg-type]

    assert target.read_bytes() == b"database" * 100


def test_the_head_is_read_without_the_database(tmp_path: Path) -> None:
    data = checkpoint_of(b"database" * 1000, tmp_path)
    opening = 64 + len(encode_root(HEAD)) + 32

    assert read_checkpoint_head(io.BytesIO(data[:opening])) == (HEAD, HEAD_HASH)
    with pytest.raises(DamagedRecordError):
        read_checkpoint_head(io.BytesIO(data[: opening - 1]))


def test_every_flipped_bit_is_damage_and_leaves_no_file(tmp_path: Path) -> None:
    data = checkpoint_of(b"database", tmp_path)
    target = tmp_path / "restored"

    for bit, damaged in flips_of_each_bit(data):
        with pytest.raises(DamagedRecordError):
            read_checkpoint(io.BytesIO(damaged), target)
        assert not target.exists(), f"bit {bit}"


def test_a_file_of_any_other_length_is_damage_and_leaves_no_file(tmp_path: Path) -> None:
    data = checkpoint_of(b"database", tmp_path)
    target = tmp_path / "restored"

    for other in (*(data[:length] for length in range(len(data))), data + b"\0"):
        with pytest.raises(DamagedRecordError):
            read_checkpoint(io.BytesIO(other), target)
        assert not target.exists(), f"length {len(other)}"


def test_a_flipped_bit_of_any_chunk_is_damage(tmp_path: Path) -> None:
    data = checkpoint_of(random.Random(2).randbytes(3 << 20), tmp_path)
    places = [*range(700, len(data), 200_003), len(data) - 1]

    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(DamagedRecordError):
            read_checkpoint(io.BytesIO(damaged), tmp_path / "restored")
        assert not (tmp_path / "restored").exists(), f"byte {place}"


def test_a_database_of_another_length_than_promised_is_damage(tmp_path: Path) -> None:
    data = checkpoint_of(b"database", tmp_path)
    for promised in (7, 9):
        fields = data[:16] + struct.pack("<Q", promised) + data[24 : 64 + len(encode_root(HEAD))]
        forged = bytearray(fields + blake3(fields).digest())
        position = len(forged)
        length = -1
        while length:
            (length,) = struct.unpack("<I", data[position : position + 4])
            forged += data[position : position + 4 + length]
            forged += blake3(forged).digest()
            position = len(forged)

        with pytest.raises(DamagedRecordError, match=f"not of {promised} bytes"):
            read_checkpoint(io.BytesIO(forged), tmp_path / "restored")


@pytest.mark.parametrize(
    ("offset", "content", "sentence"),
    [
        (8, b"\2", "version 2 is not known"),
        (10, b"\2", "compression 2"),
        (24, b"\1", "compression"),
    ],
)
def test_an_opening_of_a_later_day_is_refused_by_name(
    tmp_path: Path, offset: int, content: bytes, sentence: str
) -> None:
    data = checkpoint_of(b"database", tmp_path)
    fields = bytearray(data[: 64 + len(encode_root(HEAD))])
    fields[offset : offset + 1] = content

    with pytest.raises(DamagedRecordError, match=sentence):
        read_checkpoint_head(io.BytesIO(fields + blake3(fields).digest()))


def test_a_database_that_grows_while_it_is_read_is_refused() -> None:
    # The kernel says 0 bytes of this file and then gives more.
    with pytest.raises(ValueError, match="had 0 bytes"):
        write_checkpoint(Path("/proc/self/status"), ROOT, HEAD_HASH, io.BytesIO())


def test_a_head_hash_must_be_a_whole_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        write_checkpoint(tmp_path / "unread", ROOT, HEAD_HASH[:31], io.BytesIO())


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    data = checkpoint_of(b"database", tmp_path)
    target = tmp_path / "restored"
    target.write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        read_checkpoint(io.BytesIO(data), target)

    assert target.read_bytes() == b"precious"
