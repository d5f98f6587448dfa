"""Buffers of large reads come back by themselves, and never too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.addresses import address_of
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.read_buffers import ReadBuffers
from engine.limits import BLOCK_BYTES, PAGE_BYTES
from engine.units import KIB, MIB
from tests.contracts.device import pattern


def test_a_dropped_buffer_is_used_again_and_a_held_one_is_not() -> None:
    buffers = ReadBuffers()
    first = buffers.take(MIB)
    where = address_of(first)
    part = first[10:20]
    del first

    second = buffers.take(MIB)
    assert address_of(second) != where
    del part
    third = buffers.take(MIB)

    assert address_of(third) == where
    assert where % BLOCK_BYTES == 0


def test_idle_memory_is_bounded() -> None:
    buffers = ReadBuffers(idle_bytes_max=2 * MIB)
    views = [buffers.take(MIB) for _ in range(5)]

    views.clear()

    assert buffers.idle_bytes == 2 * MIB


def test_a_dropped_page_is_used_again_and_a_held_one_is_not() -> None:
    buffers = ReadBuffers()
    held = [buffers.take(PAGE_BYTES) for _ in range(100)]
    places = {address_of(view) for view in held}
    assert len(places) == 100
    assert all(place % BLOCK_BYTES == 0 for place in places)
    kept = held[7][3:5]
    kept_at = address_of(held[7])
    kept[:] = b"ab"
    held.clear()

    again = [buffers.take(PAGE_BYTES) for _ in range(300)]

    assert kept_at not in {address_of(view) for view in again}
    for view in again:
        view[:] = bytes(PAGE_BYTES)
    assert bytes(kept) == b"ab"
    assert len({address_of(view) for view in again}) == 300


def test_pages_that_come_and_go_take_no_more_memory_than_were_in_use_at_once() -> None:
    buffers = ReadBuffers(idle_bytes_max=2 * MIB)
    places: set[int] = set()
    for _ in range(20):
        views = [buffers.take(PAGE_BYTES) for _ in range(64)]
        places |= {address_of(view) for view in views}
        views.clear()

    # Those in use, those made ready meanwhile, and the rest of the last slab.
    assert len(places) <= 64 + 3 * 32
    assert buffers.idle_bytes <= 2 * MIB


@pytest.mark.parametrize("offset", [0, 1, 4095, 4096, 8192, 1_000_000, 2 * MIB, 3 * MIB])
@pytest.mark.parametrize("length", [512 * KIB, 512 * KIB + 1, MIB, 2 * MIB, 64 * MIB])
def test_large_ranges_are_exact_at_any_offset(tmp_path: Path, offset: int, length: int) -> None:
    prepare_disk(str(tmp_path))
    device = DirectoryDevice.open(str(tmp_path))
    data = pattern(2 * MIB + 777)
    device.put("fragments/0/1.1.0", [data])

    kept = device.get("fragments/0/1.1.0", offset=offset, length=length)
    device.get("fragments/0/1.1.0", offset=0, length=length)

    assert kept == data[offset : offset + length]
    device.close()


def test_short_ranges_at_random_are_exact_at_any_offset(tmp_path: Path) -> None:
    prepare_disk(str(tmp_path))
    device = DirectoryDevice.open(str(tmp_path))
    data = pattern(2 * MIB + 777)
    device.put("fragments/0/1.1.0", [data])
    starts = [4096, 70_000, len(data) - 100, 8192, len(data) + 5, 1, MIB, 4095, 0, 65_536]

    for length in (1, 4096, 61_440, 65_535, 65_536, 65_537, 131_072, 300_000):
        for offset in starts:
            kept = device.get("fragments/0/1.1.0", offset=offset, length=length)

            assert kept == data[offset : offset + length], (offset, length)
    device.close()
