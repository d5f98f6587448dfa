"""Buffers of large reads come back by themselves, and never too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.addresses import address_of
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.read_buffers import ReadBuffers
from engine.limits import BLOCK_BYTES
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
