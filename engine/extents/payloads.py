"""What the fragments of an extent are made of: headers, page tables, payloads."""

from __future__ import annotations

from dataclasses import dataclass

from engine.codec.code import encode
from engine.codec.kernel import Kernel
from engine.extents.buffers import ExtentBuffer
from engine.format.constants import COMPRESSION_NONE
from engine.format.fragment import FragmentHeader, encode_header, encode_page_table, header_hash
from engine.ids import Epoch, ExtentId, Generation, LayoutId, PoolUuid
from engine.model.redundancy import Redundancy, Replication, needed_count, slice_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentContent:
    """What makes up the fragments of an extent, except disk, layout and payload."""

    pool_uuid: PoolUuid
    extent_id: ExtentId
    redundancy: Redundancy
    length_bytes: int
    epoch: Epoch
    generation: Generation

    def header(self, index: int, layout: LayoutId, table_hash: bytes) -> bytes:
        """Return the encoded header of fragment *index*."""
        return encode_header(
            FragmentHeader(
                pool_uuid=self.pool_uuid,
                extent_id=self.extent_id,
                layout=layout,
                index=index,
                redundancy=self.redundancy,
                length_bytes=self.length_bytes,
                stored_bytes=self.length_bytes,
                compression=COMPRESSION_NONE,
                slice_bytes=slice_bytes(self.redundancy, self.length_bytes),
                epoch=self.epoch,
                generation=self.generation,
                table_hash=table_hash,
            )
        )


@dataclass(frozen=True, slots=True)
class Payload:
    """A fragment's payload with its page table."""

    view: memoryview
    table: bytes
    table_hash: bytes


def payload_of(view: memoryview) -> Payload:
    """Return *view*, which is not copied, with the hashes of its pages."""
    table = encode_page_table(view)
    return Payload(view, table, header_hash(table))


def payloads_of(
    content: FragmentContent, memory: tuple[ExtentBuffer, ExtentBuffer], kernel: Kernel
) -> list[Payload]:
    """Encode without a copy: zero the padding behind the data, fill the parity."""
    redundancy, length_bytes = content.redundancy, content.length_bytes
    data, parity = memory
    size = slice_bytes(redundancy, length_bytes)
    end = needed_count(redundancy) * size
    data.view[length_bytes:end] = bytes(end - length_bytes)
    views = encode(redundancy, data.view, parity.view, size, kernel)
    if isinstance(redundancy, Replication):
        return [payload_of(views[0])] * len(views)
    return [payload_of(view) for view in views]
