"""GF(2^8) with polynomial 0x11d: whole multiplication tables.

A table has 256 bytes, as ``bytes.translate`` wants it, so that multiplying a
row of any length by a constant is one call. Adding is XOR.
"""

from __future__ import annotations

from typing import Final

POLYNOMIAL: Final = 0x11D
"""The field of reedsolo and of ISA-L; on disk for good."""

_IDENTITY: Final = bytes(range(256))
_DOUBLE: Final = bytes((value << 1 ^ (POLYNOMIAL if value & 0x80 else 0)) for value in range(256))


def add(left: bytes, right: bytes) -> bytes:
    """Return the sum of two rows of equal length.

    >>> add(b"\\x01\\x02", b"\\x03\\x02").hex()
    '0200'
    """
    total = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
    return total.to_bytes(len(left), "little")


def _multiplication_tables() -> tuple[bytes, ...]:
    """Return table c for each constant c: entry x is c times x.

    By doubling: 2c is c doubled, and 2c+1 is that plus x.
    """
    tables = [bytes(256), _IDENTITY]
    for constant in range(2, 256):
        doubled = tables[constant >> 1].translate(_DOUBLE)
        tables.append(add(doubled, _IDENTITY) if constant & 1 else doubled)
    return tuple(tables)


PRODUCT: Final = _multiplication_tables()
"""``PRODUCT[c][x]`` is c times x."""

RECIPROCAL: Final = bytes([0, *(PRODUCT[value].index(1) for value in range(1, 256))])
"""``RECIPROCAL[x]`` times x is 1; the entry of 0 means nothing."""
