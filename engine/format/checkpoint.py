"""Checkpoint files: a metadata database, compressed, with the root it stands for.

Streams both ways in bounded memory, and decompresses nothing that has not
been checked before. ``OSError`` of the files passes through untranslated.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from blake3 import blake3
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from engine.errors import DamagedRecordError
from engine.format.constants import (
    CHECKPOINT_CHUNK_BYTES_MAX,
    CHECKPOINT_MAGIC,
    COMPRESSION_ZSTD,
    FORMAT_VERSION,
    HASH_BYTES,
    Buffer,
)
from engine.format.root import decode_root, encode_root
from engine.limits import POOL_BYTES_MAX, RECORD_BYTES_MAX
from engine.model.root import RootRecord
from engine.units import MIB

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FIELDS = struct.Struct("<8sHHIQQ32s")
_CHUNK_LENGTH = struct.Struct("<I")
_LEVEL = 3
_COPY_BYTES: Final = 1 * MIB
"""Bytes of the database in memory at a time."""


class _CheckedWriter:
    """Appends bytes, and on request the hash of everything so far."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hasher = blake3()

    def write(self, data: Buffer) -> None:
        self._hasher.update(data)
        self._target.write(data)

    def write_check(self) -> None:
        self.write(self._hasher.digest())


class _CheckedReader:
    """Reads exact lengths, and compares hashes of everything so far."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._hasher = blake3()

    def read(self, length: int) -> bytes:
        """Return exactly *length* bytes, or raise DamagedRecordError."""
        data = self._source.read(length)
        if len(data) < length:
            # An unbuffered source may answer with less than is there.
            parts = [data]
            missing = length - len(data)
            while missing and (data := self._source.read(missing)):
                parts.append(data)
                missing -= len(data)
            if missing:
                raise DamagedRecordError("checkpoint: the file is cut off")
            data = b"".join(parts)
        self._hasher.update(data)
        return data

    def read_check(self) -> None:
        """Raise DamagedRecordError unless all bytes so far are as written."""
        expected = self._hasher.digest()
        if self.read(HASH_BYTES) != expected:
            raise DamagedRecordError("checkpoint: the checksum does not match")

    def read_end(self) -> None:
        """Raise DamagedRecordError if anything follows."""
        if self._source.read(1):
            raise DamagedRecordError("checkpoint: bytes follow its end")


@dataclass(frozen=True, slots=True)
class _Opening:
    head: RootRecord
    head_hash: bytes
    database_bytes: int


def write_checkpoint(
    source_path: Path, head: RootRecord, head_hash: bytes, target: BinaryIO
) -> None:
    """Append the checkpoint of the database file at *source_path* to *target*.

    *head* is the newest root the database contains, of which changeset and
    staged part are left out; *head_hash* is ``root_hash`` of the whole one, to
    which the next root chains. Flushing *target* is the caller's.

    Raises:
        ValueError: the database changed its length meanwhile, or *head_hash*
            is no hash; what *target* holds then is no checkpoint.
    """
    if len(head_hash) != HASH_BYTES:
        raise ValueError(f"head hash of {len(head_hash)} bytes")
    writer = _CheckedWriter(target)
    encoded_head = encode_root(replace(head, changeset=b"", staged=b""))
    with source_path.open("rb") as source:
        database_bytes = os.fstat(source.fileno()).st_size
        fields = _FIELDS.pack(
            CHECKPOINT_MAGIC,
            FORMAT_VERSION,
            COMPRESSION_ZSTD,
            len(encoded_head),
            database_bytes,
            0,
            head_hash,
        )
        writer.write(fields)
        writer.write(encoded_head)
        writer.write_check()
        for chunk in _compressed(source, database_bytes):
            writer.write(_CHUNK_LENGTH.pack(len(chunk)))
            writer.write(chunk)
            writer.write_check()
    writer.write(_CHUNK_LENGTH.pack(0))
    writer.write_check()


def _compressed(source: BinaryIO, database_bytes: int) -> Iterator[bytes]:
    """Yield the zstd frame of all of *source* in chunks that are not empty."""
    compressor = ZstdCompressor(level=_LEVEL).compressobj(size=database_bytes)
    held = bytearray()
    copied = 0
    while piece := source.read(_COPY_BYTES):
        copied += len(piece)
        if copied > database_bytes:
            break
        held += compressor.compress(piece)
        while len(held) >= CHECKPOINT_CHUNK_BYTES_MAX:
            yield bytes(held[:CHECKPOINT_CHUNK_BYTES_MAX])
            del held[:CHECKPOINT_CHUNK_BYTES_MAX]
    if copied != database_bytes:
        raise ValueError(f"the database had {database_bytes} bytes, then {copied}")
    held += compressor.flush()
    for start in range(0, len(held), CHECKPOINT_CHUNK_BYTES_MAX):
        yield bytes(held[start : start + CHECKPOINT_CHUNK_BYTES_MAX])


def read_checkpoint_head(source: BinaryIO) -> tuple[RootRecord, bytes]:
    """Return what ``read_checkpoint`` does, checked, without the database.

    Raises:
        DamagedRecordError: the head is damaged or of an unknown version.
    """
    opening = _read_opening(_CheckedReader(source))
    return opening.head, opening.head_hash


def read_checkpoint(source: BinaryIO, target_path: Path) -> tuple[RootRecord, bytes]:
    """Write the database in *source* to *target_path* and return head and its hash.

    *target_path* must not exist. When this raises, it does not exist either;
    when this returns, every byte was checked. Flushing it is the caller's.

    Raises:
        DamagedRecordError: any bit is wrong, or the version is not known.
        FileExistsError: *target_path* exists, and is unchanged.
    """
    reader = _CheckedReader(source)
    opening = _read_opening(reader)
    with target_path.open("xb") as target:
        try:
            _read_database(reader, opening.database_bytes, target)
        except BaseException:
            # Half a database must never be taken for a whole one (P1).
            target_path.unlink()
            raise
    return opening.head, opening.head_hash


def check_checkpoint(source: BinaryIO) -> None:
    """Read *source* to its end and keep nothing.

    Raises:
        DamagedRecordError: any bit is wrong, or the version is not known.
    """
    reader = _CheckedReader(source)
    opening = _read_opening(reader)
    with open(os.devnull, "wb") as nowhere:
        _read_database(reader, opening.database_bytes, nowhere)


def _read_opening(reader: _CheckedReader) -> _Opening:
    raw = reader.read(_FIELDS.size)
    (magic, version, compression, head_bytes, database_bytes, reserved, head_hash) = _FIELDS.unpack(
        raw
    )
    if magic != CHECKPOINT_MAGIC:
        raise DamagedRecordError("checkpoint: this is not one")
    if head_bytes > RECORD_BYTES_MAX or database_bytes > POOL_BYTES_MAX:
        raise DamagedRecordError("checkpoint: its lengths are impossible")
    encoded_head = reader.read(head_bytes)
    reader.read_check()
    if version != FORMAT_VERSION:
        raise DamagedRecordError(
            f"checkpoint: format version {version} is not known, only {FORMAT_VERSION} is"
        )
    if compression != COMPRESSION_ZSTD or reserved:
        raise DamagedRecordError(f"checkpoint: compression {compression} is not known")
    return _Opening(decode_root(encoded_head), head_hash, database_bytes)


class _CheckedChunks(io.RawIOBase):
    """The compressed chunks as one stream, each checked before it is given out."""

    def __init__(self, reader: _CheckedReader) -> None:
        super().__init__()
        self._reader = reader
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill *buffer* from one chunk; 0 bytes mean the end."""
        if not self._rest and not self._ended:
            self._load()
        target = memoryview(buffer)
        given = self._rest[: len(target)]
        target[: len(given)] = given
        self._rest = self._rest[len(given) :]
        return len(given)

    def _load(self) -> None:
        (length,) = _CHUNK_LENGTH.unpack(self._reader.read(_CHUNK_LENGTH.size))
        if length > CHECKPOINT_CHUNK_BYTES_MAX:
            raise DamagedRecordError(f"checkpoint: a chunk claims {length} bytes")
        chunk = self._reader.read(length)
        self._reader.read_check()
        self._rest = memoryview(chunk)
        self._ended = not length


def _read_database(reader: _CheckedReader, database_bytes: int, target: BinaryIO) -> None:
    """Decompress exactly *database_bytes* into *target*, and reach the file's end."""
    chunks = io.BufferedReader(_CheckedChunks(reader), CHECKPOINT_CHUNK_BYTES_MAX)
    decompressor = ZstdDecompressor().stream_reader(chunks, read_size=_COPY_BYTES)
    copied = 0
    try:
        while piece := decompressor.read(_COPY_BYTES):
            copied += len(piece)
            if copied > database_bytes:
                break
            target.write(piece)
    except ZstdError as error:
        raise DamagedRecordError(f"checkpoint: {error}") from error
    if copied != database_bytes:
        raise DamagedRecordError(f"checkpoint: the database is not of {database_bytes} bytes")
    if chunks.read(1):
        raise DamagedRecordError("checkpoint: bytes follow the database")
    reader.read_end()
