"""What fragment headers and root records share: magic, version, closing hash.

In every version such a record begins with an 8-byte magic and a 2-byte
version and ends with the BLAKE3 of everything before it. So a newer record is
told from a damaged one before anything else in it is understood.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from blake3 import blake3

from engine.errors import DamagedRecordError
from engine.format.constants import FORMAT_VERSION, HASH_BYTES, MAGIC_BYTES, Buffer

_VERSION = struct.Struct("<H")


def seal(parts: Sequence[Buffer]) -> bytes:
    """Return the concatenated *parts* and the BLAKE3 of them.

    Each part is copied once, into the result.
    """
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return b"".join((*parts, hasher.digest()))


def unseal(data: Buffer, *, magic: bytes, noun: str) -> memoryview:
    """Return what ``seal`` was given, without copying it.

    Raises:
        DamagedRecordError: the hash is wrong, or *magic* or the version is
            not what this reader knows.
    """
    view = memoryview(data)
    if len(view) < MAGIC_BYTES + _VERSION.size + HASH_BYTES:
        raise DamagedRecordError(f"{noun}: {len(view)} bytes are too few for one")
    content = view[:-HASH_BYTES]
    if blake3(content).digest() != bytes(view[-HASH_BYTES:]):
        raise DamagedRecordError(f"{noun}: the checksum does not match")
    if content[:MAGIC_BYTES] != magic:
        raise DamagedRecordError(f"{noun}: the magic is that of another kind of record")
    (version,) = _VERSION.unpack_from(content, MAGIC_BYTES)
    if version != FORMAT_VERSION:
        raise DamagedRecordError(
            f"{noun}: format version {version} is not known, only {FORMAT_VERSION} is"
        )
    return content
