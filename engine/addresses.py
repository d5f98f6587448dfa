"""Where a buffer is in memory: for C libraries and aligned I/O, without a copy."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PYBUF_SIMPLE: Final = 0


class _PyBuffer(ctypes.Structure):
    """``Py_buffer`` of CPython's stable ABI; only ``buf`` is read."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.POINTER(_PyBuffer),)
_release_buffer.restype = None


@contextmanager
def pinned(buffer: bytes | bytearray | memoryview) -> Iterator[int]:
    """Yield the address of *buffer*, writable or not; valid inside the ``with``."""
    view = _PyBuffer()
    _get_buffer(buffer, ctypes.byref(view), _PYBUF_SIMPLE)
    try:
        yield int(view.buf or 0)
    finally:
        _release_buffer(ctypes.byref(view))


def address_of(buffer: bytes | bytearray | memoryview) -> int:
    """Return where *buffer* begins; for questions of alignment, not for access."""
    with pinned(buffer) as address:
        return address
