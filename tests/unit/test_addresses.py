"""Where buffers are: against what ctypes says of writable ones."""

from __future__ import annotations

import ctypes
import mmap

from engine.addresses import address_of, pinned
from engine.codec.kernel import default_kernel


def test_the_address_is_where_ctypes_finds_the_bytes() -> None:
    data = bytearray(b"0123456789")

    assert address_of(data) == ctypes.addressof(ctypes.c_char.from_buffer(data))
    assert address_of(memoryview(data)[3:]) == address_of(data) + 3


def test_read_only_bytes_have_an_address_too() -> None:
    data = b"read-only"

    with pinned(data) as address:
        assert ctypes.string_at(address, len(data)) == data


def test_anonymous_memory_begins_on_a_page() -> None:
    assert address_of(memoryview(mmap.mmap(-1, mmap.PAGESIZE))) % mmap.PAGESIZE == 0


def test_the_kernel_and_others_share_the_interpreters_call() -> None:
    default_kernel()

    assert address_of(b"x") != 0
