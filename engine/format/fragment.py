"""A fragment file: header, page table, payload.

The header proves the table and the table proves each page, so whoever holds
the 32 bytes of ``header_hash`` can prove any page alone. Pure functions; safe
from any thread. BLAKE3 releases the GIL for a whole page at a time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from blake3 import blake3

from engine.errors import DamagedPageError, DamagedRecordError, UsageError
from engine.format.constants import (
    COMPRESSION_NONE,
    FORMAT_VERSION,
    FRAGMENT_MAGIC,
    HASH_BYTES,
    HEADER_BYTES,
    Buffer,
)
from engine.format.seal import seal, unseal
from engine.ids import Epoch, ExtentId, Generation, LayoutId, PoolUuid
from engine.limits import BLOCK_BYTES, EXTENT_BYTES_MAX, PAGE_BYTES
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    needed_count,
    tolerance,
)
from engine.model.redundancy import slice_bytes as slice_bytes_of
from engine.units import align_up

_HEADER = struct.Struct("<8sHBBHHHHI16sQQQQQQQ32s")
_KIND_REPLICATION = 1
_KIND_ERASURE_CODING = 2
_SHAPES_MAX = 1024
"""Lengths of payloads of which it is remembered where they begin; most extents are full."""

_RESERVED = bytes(HEADER_BYTES - _HEADER.size - HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentHeader:
    """What a fragment file says of itself.

    ``length_bytes`` are the extent's user bytes, ``stored_bytes`` what is left
    of them after compression, ``slice_bytes`` this file's payload.
    """

    pool_uuid: PoolUuid
    extent_id: ExtentId
    layout: LayoutId
    index: int
    redundancy: Redundancy
    length_bytes: int
    stored_bytes: int
    compression: int
    slice_bytes: int
    epoch: Epoch
    generation: Generation
    table_hash: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.index < fragment_count(self.redundancy):
            raise ValueError(f"index {self.index} is not one of {self.redundancy}")
        if not 0 < self.length_bytes <= EXTENT_BYTES_MAX:
            raise ValueError(f"length {self.length_bytes} is no extent's")
        if self.compression != COMPRESSION_NONE:
            raise ValueError(f"compression {self.compression} is not known")
        if self.stored_bytes != self.length_bytes:
            raise ValueError(f"{self.stored_bytes} stored bytes of {self.length_bytes} unpacked")
        if self.slice_bytes != slice_bytes_of(self.redundancy, self.stored_bytes):
            raise ValueError(f"slice of {self.slice_bytes} bytes contradicts the stored length")
        if len(self.table_hash) != HASH_BYTES:
            raise ValueError(f"table hash of {len(self.table_hash)} bytes")


def encode_header(header: FragmentHeader) -> bytes:
    """Return the 4,096 bytes a fragment file begins with."""
    redundancy = header.redundancy
    kind = _KIND_REPLICATION if isinstance(redundancy, Replication) else _KIND_ERASURE_CODING
    fields = _HEADER.pack(
        FRAGMENT_MAGIC,
        FORMAT_VERSION,
        kind,
        header.compression,
        needed_count(redundancy),
        tolerance(redundancy),
        header.index,
        0,
        PAGE_BYTES,
        header.pool_uuid.bytes,
        header.extent_id,
        header.layout,
        header.epoch,
        header.generation,
        header.length_bytes,
        header.stored_bytes,
        header.slice_bytes,
        header.table_hash,
    )
    return seal((fields, _RESERVED))


def decode_header(data: Buffer) -> FragmentHeader:
    """Return the header in *data*, which is exactly its 4,096 bytes.

    Raises:
        DamagedRecordError: any bit is wrong, or the version is not known.
    """
    if len(data) != HEADER_BYTES:
        raise DamagedRecordError(f"fragment header: {len(data)} bytes instead of {HEADER_BYTES}")
    content = unseal(data, magic=FRAGMENT_MAGIC, noun="fragment header")
    (
        _, _, kind, compression, needed, spare, index, reserved, page_bytes, pool_uuid,
        extent_id, layout, epoch, generation, length, stored, slice_length, table_hash,
    ) = _HEADER.unpack_from(content)  # fmt: skip
    if page_bytes != PAGE_BYTES:
        raise DamagedRecordError(f"fragment header: pages of {page_bytes} bytes are not known")
    if reserved or content[_HEADER.size :] != _RESERVED:
        raise DamagedRecordError("fragment header: reserved bytes are not zero")
    try:
        return FragmentHeader(
            pool_uuid=PoolUuid(UUID(bytes=pool_uuid)),
            extent_id=ExtentId(extent_id),
            layout=LayoutId(layout),
            index=index,
            redundancy=_redundancy(kind, needed, spare),
            length_bytes=length,
            stored_bytes=stored,
            compression=compression,
            slice_bytes=slice_length,
            epoch=Epoch(epoch),
            generation=Generation(generation),
            table_hash=table_hash,
        )
    except (ValueError, UsageError) as error:
        raise DamagedRecordError(f"fragment header: {error}") from error


def _redundancy(kind: int, needed: int, spare: int) -> Redundancy:
    """Return the redundancy the three header fields name, or raise ValueError."""
    if kind == _KIND_REPLICATION and needed == 1:
        return Replication(1 + spare)
    if kind == _KIND_ERASURE_CODING:
        return ErasureCoding(needed, spare)
    raise ValueError(f"redundancy of kind {kind} with {needed}+{spare} is not known")


def header_hash(data: Buffer) -> bytes:
    """Return the BLAKE3 of a header's 4,096 bytes: what an extent record keeps."""
    return blake3(data).digest()


def page_count(slice_bytes: int) -> int:
    """Return how many pages a payload has; the last may be shorter.

    >>> page_count(4096), page_count(65536), page_count(65536 + 4096)
    (1, 1, 2)
    """
    return -(-slice_bytes // PAGE_BYTES)


def table_bytes(slice_bytes: int) -> int:
    """Return the length of the page table on disk, in whole blocks.

    >>> table_bytes(4096), table_bytes(8 << 20), table_bytes((8 << 20) + 4096)
    (4096, 4096, 8192)
    """
    return align_up(page_count(slice_bytes) * HASH_BYTES, BLOCK_BYTES)


@lru_cache(maxsize=_SHAPES_MAX)
def payload_offset(slice_bytes: int) -> int:
    """Return where the payload begins in a fragment file.

    >>> payload_offset(2 << 20)
    8192
    """
    return HEADER_BYTES + table_bytes(slice_bytes)


def encode_page_table(payload: Buffer) -> bytes:
    """Return 32 bytes of BLAKE3 for each page of *payload*, zero-padded to a block."""
    view = memoryview(payload)
    hashes = [
        blake3(view[start : start + PAGE_BYTES]).digest()
        for start in range(0, len(view), PAGE_BYTES)
    ]
    return b"".join(hashes).ljust(table_bytes(len(view)), b"\0")


def page_hash(table: Buffer, page: int) -> bytes:
    """Return the BLAKE3 that *table* holds for *page*."""
    return bytes(table[page * HASH_BYTES : (page + 1) * HASH_BYTES])


def verify_table(header: FragmentHeader, table: Buffer) -> None:
    """Check a page table against its header.

    Raises:
        DamagedRecordError: *table* is not, to the bit, the one *header* names.
    """
    if len(table) != table_bytes(header.slice_bytes):
        raise DamagedRecordError(
            f"page table of extent {header.extent_id} fragment {header.index}: "
            f"{len(table)} bytes instead of {table_bytes(header.slice_bytes)}"
        )
    if blake3(table).digest() != header.table_hash:
        raise DamagedRecordError(
            f"page table of extent {header.extent_id} fragment {header.index}: "
            "the checksum does not match"
        )


def verify_page(table: Buffer, page: int, data: Buffer) -> None:
    """Check the bytes of one page.

    Raises:
        DamagedPageError: *data* is not what was written as *page*.
    """
    if blake3(data).digest() != page_hash(table, page):
        raise DamagedPageError(f"page {page} fails its checksum")


def verify_pages(table: Buffer, first: int, data: Buffer) -> None:
    """Check a run of pages that begins with page *first*.

    All but the last page of *data* are whole; the last may be the payload's
    shorter one. One comparison for the whole run, so a good run costs little.

    Raises:
        DamagedPageError: names the first page that is not what was written.
    """
    view = memoryview(data)
    hashes = [
        blake3(view[start : start + PAGE_BYTES]).digest()
        for start in range(0, len(view), PAGE_BYTES)
    ]
    last = first + len(hashes)
    if b"".join(hashes) == memoryview(table)[first * HASH_BYTES : last * HASH_BYTES]:
        return
    for page, found in enumerate(hashes, start=first):
        if found != page_hash(table, page):
            raise DamagedPageError(f"page {page} fails its checksum")
