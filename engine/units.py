"""Byte and time units, and how people read and write them."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB

NS_PER_S: Final = 1_000_000_000


def format_bytes(count: int | float) -> str:
    """Return *count* bytes in the largest binary unit that keeps it above one.

    >>> format_bytes(0), format_bytes(1536), format_bytes(8 * MIB)
    ('0 B', '1.5 KiB', '8.0 MiB')
    """
    size = float(count)
    if abs(size) < KIB:
        return f"{int(size)} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= KIB
        if abs(size) < KIB:
            return f"{size:.1f} {unit}"
    return f"{size / KIB:.1f} PiB"


def align_up(count: int, alignment: int) -> int:
    """Return the smallest multiple of *alignment* that is at least *count*.

    >>> align_up(0, 4096), align_up(1, 4096), align_up(4096, 4096)
    (0, 4096, 4096)
    """
    return -(-count // alignment) * alignment
