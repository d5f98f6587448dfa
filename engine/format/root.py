"""Root records as bytes. Pure functions; safe from any thread.

A long changeset is compressed (decision 0007): the rows of files that came one
after the other are much alike.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from engine.errors import DamagedRecordError
from engine.format.constants import FORMAT_VERSION, HASH_BYTES, ROOT_MAGIC, UUID_BYTES, Buffer
from engine.format.seal import seal, unseal
from engine.ids import DiskUuid, Epoch, Generation, PoolUuid
from engine.limits import RECORD_BYTES_MAX
from engine.model.root import HighWater, RootRecord
from engine.units import KIB

_FIELDS = struct.Struct("<8sHHIQ16sQQqQHHHHQQQQQQ32sQQ")
_FLAG_FORCED = 1
_FLAG_COMPRESSED = 2

_COMPRESSED_BYTES_MIN: Final = 16 * KIB
"""Shorter changesets stay as they are: an fsync waits for them, and a journal frame
takes 4 KiB in any case."""

_LEVEL: Final = 1
"""500 MB/s and a quarter of the size where it was measured; higher ones gain little."""


def encode_root(record: RootRecord) -> bytes:
    """Return *record* as bytes; changeset and staged part are copied once.

    Raises:
        ValueError: a field does not fit its place, which is a defect of the
            caller; nothing a disk or an operator can cause.
    """
    if len(record.previous_hash) != HASH_BYTES:
        raise ValueError(f"previous hash of {len(record.previous_hash)} bytes")
    name = record.pool_name.encode()
    disks = b"".join(uuid.bytes for uuid in (*record.members, *record.journal_set))
    total = _FIELDS.size + len(name) + len(disks) + len(record.changeset) + len(record.staged)
    total += HASH_BYTES
    if total > RECORD_BYTES_MAX:
        raise ValueError(f"root record of {total} bytes is over {RECORD_BYTES_MAX}")
    changeset = _compressed(record.changeset)
    is_compressed = len(changeset) < len(record.changeset)
    total -= len(record.changeset) - len(changeset)
    marks = record.high_water
    fields = _FIELDS.pack(
        ROOT_MAGIC,
        FORMAT_VERSION,
        (_FLAG_FORCED if record.forced else 0) | (_FLAG_COMPRESSED if is_compressed else 0),
        record.schema_version,
        total,
        record.pool_uuid.bytes,
        record.generation,
        record.epoch,
        record.time_ns,
        record.row_count,
        record.tolerance,
        len(record.members),
        len(record.journal_set),
        len(name),
        marks.extent,
        marks.layout,
        marks.inode,
        marks.map,
        marks.cookie,
        marks.disk,
        record.previous_hash,
        len(changeset),
        len(record.staged),
    )
    return seal((fields, name, disks, changeset, record.staged))


def decode_root(data: Buffer) -> RootRecord:
    """Return the record in *data*; changeset and staged part are copied once.

    Raises:
        DamagedRecordError: any bit is wrong, or the version is not known.
    """
    header, changeset, staged, is_compressed = _decode(data)
    plain = _decompressed(changeset) if is_compressed else bytes(changeset)
    return replace(header, changeset=plain, staged=bytes(staged))


def decode_root_header(data: Buffer) -> RootRecord:
    """Return the record in *data* without its changes, every byte of which is checked.

    Raises:
        DamagedRecordError: any bit is wrong, or the version is not known.
    """
    header, _, _, _ = _decode(data)
    return header


def _decode(data: Buffer) -> tuple[RootRecord, memoryview, memoryview, bool]:
    """Return the record without its changes; these as stored; whether they are compressed."""
    if len(data) > RECORD_BYTES_MAX:
        raise DamagedRecordError(f"root record: {len(data)} bytes are over {RECORD_BYTES_MAX}")
    content = unseal(data, magic=ROOT_MAGIC, noun="root record")
    if len(content) < _FIELDS.size:
        raise DamagedRecordError("root record: shorter than its fields")
    (
        _, _, flags, schema_version, total, pool_uuid, generation, epoch, time_ns, row_count,
        tolerance, member_count, journal_count, name_bytes, extent, layout, inode, file_map,
        cookie, disk, previous_hash, changeset_bytes, staged_bytes,
    ) = _FIELDS.unpack_from(content)  # fmt: skip
    if total != len(data):
        raise DamagedRecordError(f"root record: {len(data)} bytes instead of {total}")
    if flags & ~(_FLAG_FORCED | _FLAG_COMPRESSED):
        raise DamagedRecordError(f"root record: flags {flags:#x} are not known")
    name, members, journal_set, changeset, staged = _split(
        content[_FIELDS.size :],
        (
            name_bytes,
            member_count * UUID_BYTES,
            journal_count * UUID_BYTES,
            changeset_bytes,
            staged_bytes,
        ),
    )
    header = RootRecord(
        pool_uuid=PoolUuid(UUID(bytes=pool_uuid)),
        pool_name=_text(name),
        generation=Generation(generation),
        epoch=Epoch(epoch),
        time_ns=time_ns,
        tolerance=tolerance,
        members=_disks(members),
        journal_set=_disks(journal_set),
        schema_version=schema_version,
        high_water=HighWater(
            extent=extent, layout=layout, inode=inode, map=file_map, cookie=cookie, disk=disk
        ),
        row_count=row_count,
        previous_hash=previous_hash,
        changeset=b"",
        staged=b"",
        forced=bool(flags & _FLAG_FORCED),
    )
    return header, changeset, staged, bool(flags & _FLAG_COMPRESSED)


def _compressed(changeset: bytes) -> bytes:
    """Return *changeset* compressed where that is shorter, else as it is."""
    if len(changeset) < _COMPRESSED_BYTES_MIN:
        return changeset
    return min(ZstdCompressor(level=_LEVEL).compress(changeset), changeset, key=len)


def _decompressed(stored: memoryview) -> bytes:
    try:
        # Said by the frame itself, and memory is taken for so much at once.
        if frame_content_size(stored) > RECORD_BYTES_MAX:
            raise DamagedRecordError("root record: its changeset is too long")
        return ZstdDecompressor().decompress(stored, max_output_size=RECORD_BYTES_MAX)
    except ZstdError as error:
        raise DamagedRecordError(f"root record: its changeset: {error}") from error


def root_hash(encoded: Buffer) -> bytes:
    """Return the BLAKE3 an encoded record ends with: what its successor names."""
    return bytes(memoryview(encoded)[-HASH_BYTES:])


def _split(view: memoryview, lengths: Sequence[int]) -> list[memoryview]:
    """Cut *view* into consecutive parts of *lengths*, which must use it up."""
    if sum(lengths) != len(view):
        raise DamagedRecordError("root record: its parts do not add up to its length")
    parts = []
    start = 0
    for length in lengths:
        parts.append(view[start : start + length])
        start += length
    return parts


def _disks(packed: memoryview) -> tuple[DiskUuid, ...]:
    return tuple(
        DiskUuid(UUID(bytes=bytes(packed[start : start + UUID_BYTES])))
        for start in range(0, len(packed), UUID_BYTES)
    )


def _text(encoded: memoryview) -> str:
    try:
        return str(encoded, "utf-8")
    except UnicodeDecodeError as error:
        raise DamagedRecordError("root record: the pool's name is not UTF-8") from error
