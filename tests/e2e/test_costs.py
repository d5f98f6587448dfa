"""What things cost: creates stay flat, a cold read reads once, the fast paths are used."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.units import MIB
from tests.e2e.harness import LivePool, run_tool

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
COST_RATIO_MAX = 2.5
"""Generous, for the processor is shared with other work while this runs."""

BLOCK = random.Random(16).randbytes(MIB)


def _cpu_s(pid: int) -> float:
    """Return the processor time, user and system, that process *pid* has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS_PER_S


def _create(folder: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        os.close(os.open(folder / f"file-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def _cost_ratio(pool: LivePool, total: int) -> float:
    """Return the cost of the last creates of *total* in one directory, by that of the first."""
    sample, pid = total // 5, pool.server_pid
    folder = pool.mountpoint / "many"
    folder.mkdir()
    began = _cpu_s(pid)
    _create(folder, 0, sample)
    first = _cpu_s(pid) - began
    _create(folder, sample, total - 2 * sample)
    began = _cpu_s(pid)
    _create(folder, total - sample, sample)
    last = _cpu_s(pid) - began
    assert len(os.listdir(folder)) == total
    return last / first


def test_a_create_costs_as_much_with_twenty_thousand_files(pool: LivePool) -> None:
    # A cost that grows with the directory would be nine times as high, not twice.
    assert _cost_ratio(pool, 20_000) < COST_RATIO_MAX


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_create_costs_as_much_with_a_hundred_thousand_files(pool: LivePool) -> None:
    assert _cost_ratio(pool, 100_000) < COST_RATIO_MAX


def _read_cold(pool: LivePool, mebibytes: int) -> float:
    """Write a file, forget it, read it; return bytes read from the disks by its size."""
    with (pool.mountpoint / "large").open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big") + BLOCK[8:])
    pool.remount()
    before = pool.metric("disk_read_bytes_total")
    with (pool.mountpoint / "large").open("rb") as file:
        for number in range(mebibytes):
            assert file.read(MIB) == number.to_bytes(8, "big") + BLOCK[8:]
    return (pool.metric("disk_read_bytes_total") - before) / (mebibytes * MIB)


def test_reading_a_file_cold_reads_its_bytes_once_from_the_disks(pool: LivePool) -> None:
    assert 0.9 < _read_cold(pool, 256) < 1.1


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_reading_a_gibibyte_cold_reads_it_once_from_the_disks(pool: LivePool) -> None:
    assert 0.9 < _read_cold(pool, 1024) < 1.1


def test_a_small_read_in_a_large_file_reads_little(pool: LivePool) -> None:
    (pool.mountpoint / "large").write_bytes(BLOCK * 32)
    pool.remount()
    before = pool.metric("disk_read_bytes_total")

    descriptor = os.open(pool.mountpoint / "large", os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    assert os.pread(descriptor, 4096, 17 * MIB) == BLOCK[:4096]
    os.close(descriptor)

    assert pool.metric("disk_read_bytes_total") - before < MIB


def test_metrics_move_when_bytes_do(pool: LivePool) -> None:
    before = pool.metrics()
    (pool.mountpoint / "file").write_bytes(BLOCK * 4)
    pool.sync()
    after = pool.metrics()

    def grown(name: str) -> float:
        return sum(after[name].values()) - sum(before.get(name, {}).values())

    assert grown("write_bytes_total") >= 4 * MIB
    assert grown("disk_write_bytes_total") >= 6 * MIB
    assert grown("groups_total") >= 1


def test_parity_is_computed_by_isal(shared_pool: LivePool) -> None:
    assert list(shared_pool.metrics()["codec_kernel"]) == ["isa-l"]


def test_fragments_are_written_around_the_page_cache(pool: LivePool) -> None:
    (pool.mountpoint / "file").write_bytes(BLOCK * 16)
    pool.sync()

    # What was written through the page cache would still be in it.
    fragments = [one.path for one in pool.fragments()]
    cached = run_tool(["fincore", "--bytes", "--noheadings", "--output", "RES", *fragments])
    assert len(fragments) >= 12
    assert sum(map(int, cached.split())) < MIB
