"""The C library's heap: few arenas, and what is free in them goes back to the system.

Some thirty threads would each get an arena of their own in glibc, and what a
checkpoint frees in one is of no use to another. While a pool grew to a million
files, 120 of 515 MiB were such holes; with two arenas 40 fewer, and giving back
after a checkpoint took the rest. Another C library is left as it is.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""``mallopt``'s name for it, from <malloc.h>."""

_ARENAS_MAX: Final = 2

_LIBC: Final = ctypes.CDLL(None)


def bound_arenas() -> None:
    """Let all threads share few arenas; before most of them start."""
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS_MAX)


def give_back() -> None:
    """Return what is free to the system; milliseconds, in which allocations wait."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
