"""Directory streams of the C library, which go back to a position as Python's do not."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

NAME_AT: Final = 19
"""Bytes before the name in a ``dirent`` of 64 bit Linux."""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.fdopendir.restype = ctypes.c_void_p
_libc.readdir.restype = ctypes.c_void_p
_libc.telldir.restype = ctypes.c_long


class Stream:
    """One open directory; close it."""

    def __init__(self, path: Path) -> None:
        self._stream = ctypes.c_void_p(_libc.fdopendir(os.open(path, os.O_RDONLY)))

    def next_name(self) -> bytes | None:
        """Return the name at the position and go on; None at the end."""
        entry = _libc.readdir(self._stream)
        return ctypes.string_at(entry + NAME_AT) if entry else None

    def tell(self) -> int:
        """Return the position."""
        return int(_libc.telldir(self._stream))

    def seek(self, position: int) -> None:
        """Go to a position that ``tell`` returned."""
        _libc.seekdir(self._stream, ctypes.c_long(position))

    def close(self) -> None:
        _libc.closedir(self._stream)
