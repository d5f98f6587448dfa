"""The staged part of a root record: small file data that travels once.

The record's hash covers these bytes, so they carry none of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from engine.errors import DamagedRecordError
from engine.format.constants import Buffer
from engine.ids import MapId
from engine.limits import STAGED_ROW_BYTES_MAX

_OPERATION = struct.Struct("<BQQI")
_PUT = 1
_DELETE = 2


@dataclass(frozen=True, slots=True)
class StagedPut:
    """From now on the row at *offset* (bytes into the file) holds *data*."""

    map_id: MapId
    offset: int
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) > STAGED_ROW_BYTES_MAX:
            raise ValueError(f"staged row of {len(self.data)} bytes")


@dataclass(frozen=True, slots=True)
class StagedDelete:
    """The row at *offset* (bytes into the file) is gone."""

    map_id: MapId
    offset: int


StagedOperation: TypeAlias = StagedPut | StagedDelete


def encode_staged(operations: Iterable[StagedOperation]) -> bytes:
    """Return *operations* in their order; no operation is no bytes.

    >>> encode_staged([StagedDelete(MapId(2), 3)]).hex()
    '020200000000000000030000000000000000000000'
    """
    parts: list[bytes] = []
    for operation in operations:
        match operation:
            case StagedPut(map_id, offset, data):
                parts.append(_OPERATION.pack(_PUT, map_id, offset, len(data)))
                parts.append(data)
            case StagedDelete(map_id, offset):
                parts.append(_OPERATION.pack(_DELETE, map_id, offset, 0))
            case _:
                assert_never(operation)
    return b"".join(parts)


def decode_staged(data: Buffer) -> list[StagedOperation]:
    """Return the operations in *data*, in their order.

    Raises:
        DamagedRecordError: *data* is not a sequence of whole operations.
    """
    view = memoryview(data)
    operations: list[StagedOperation] = []
    position = 0
    while position < len(view):
        if len(view) - position < _OPERATION.size:
            raise DamagedRecordError("staged part: the last operation is cut off")
        kind, map_id, offset, length = _OPERATION.unpack_from(view, position)
        position += _OPERATION.size
        content = bytes(view[position : position + length])
        position += length
        operations.append(_operation(kind, MapId(map_id), offset, content, length))
    return operations


def _operation(
    kind: int, map_id: MapId, offset: int, content: bytes, length: int
) -> StagedOperation:
    """Return one operation, or raise DamagedRecordError if it makes no sense."""
    if len(content) != length or length > STAGED_ROW_BYTES_MAX:
        raise DamagedRecordError(f"staged part: a row claims {length} bytes")
    if kind == _PUT:
        return StagedPut(map_id, offset, content)
    if kind == _DELETE and not length:
        return StagedDelete(map_id, offset)
    raise DamagedRecordError(f"staged part: operation {kind} is not known")
