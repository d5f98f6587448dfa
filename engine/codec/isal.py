"""The fast kernel: ISA-L through ctypes, without the GIL and without a copy.

Only ``ec_init_tables`` and ``ec_encode_data`` are used; both work in the field
of polynomial 0x11d, which is the code's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from typing import Final

from engine.addresses import pinned
from engine.codec.matrix import Matrix
from engine.codec.shapes import check_shapes
from engine.format.constants import Buffer

_LIBRARY: Final = "libisal.so.2"
_TABLE_BYTES: Final = 32
"""What ISA-L prepares for each coefficient."""

_TABLES_CACHED_MAX: Final = 256
_LENGTH_MAX: Final = 2**31 - 1
"""ISA-L takes lengths as C int."""


class IsalKernel:
    """ISA-L's ``ec_encode_data``. Thread-safe; other threads run meanwhile."""

    name = "isa-l"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._init_tables = library.ec_init_tables
        self._init_tables.argtypes = (
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_char_p,
        )
        self._init_tables.restype = None
        self._encode_data = library.ec_encode_data
        self._encode_data.argtypes = (
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._encode_data.restype = None
        self._tables = lru_cache(maxsize=_TABLES_CACHED_MAX)(self._prepared)

    def encode(
        self,
        rows: Matrix,
        sources: Sequence[Buffer],
        targets: Sequence[bytearray | memoryview],
        length: int,
    ) -> None:
        """See ``Kernel.encode``."""
        check_shapes(rows, sources, targets, length)
        if length > _LENGTH_MAX:
            raise ValueError(f"{length} bytes are over {_LENGTH_MAX}")
        if not length or not rows:
            return
        with ExitStack() as pins:
            source_addresses = _pinned(pins, sources)
            target_addresses = _pinned(pins, targets)
            self._encode_data(
                length,
                len(sources),
                len(targets),
                self._tables(rows),
                source_addresses,
                target_addresses,
            )

    def _prepared(self, rows: Matrix) -> bytes:
        """Return ISA-L's tables of *rows*: 32 bytes per coefficient."""
        tables = ctypes.create_string_buffer(_TABLE_BYTES * len(rows) * len(rows[0]))
        self._init_tables(len(rows[0]), len(rows), b"".join(rows), tables)
        return tables.raw


def _pinned(pins: ExitStack, buffers: Sequence[Buffer]) -> ctypes.Array[ctypes.c_void_p]:
    """Return the addresses of *buffers*, which stay valid until *pins* closes."""
    addresses = (ctypes.c_void_p * len(buffers))()
    for position, buffer in enumerate(buffers):
        addresses[position] = pins.enter_context(pinned(buffer))
    return addresses


def load() -> IsalKernel | None:
    """Return the kernel, or None where ISA-L is not installed."""
    try:
        return IsalKernel(ctypes.CDLL(_LIBRARY))
    except OSError:
        return None
