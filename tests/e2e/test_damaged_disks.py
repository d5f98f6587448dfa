"""Disks whose label or journal is damaged: told in one sentence, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.status.views import ExitCode
from engine.units import KIB
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, wait_for

SEED = 21


def _overwrite(path: Path, offset: int, length: int) -> None:
    """Replace bytes of a file by others; its length stays."""
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5A for byte in before))


def _journal_files(pool: LivePool, disk: int) -> list[Path]:
    return sorted(path for path in (pool.disks[disk] / "journal").rglob("*") if path.is_file())


@pytest.fixture
def stopped(pool: LivePool) -> tuple[LivePool, Contents]:
    """A pool with files of all sizes, not mounted."""
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    pool.unmount()
    return pool, contents


def test_a_disk_with_a_damaged_label_is_missing_and_all_files_read(
    stopped: tuple[LivePool, Contents],
) -> None:
    pool, contents = stopped
    _overwrite(pool.disks[2] / "dynamicfs-disk.json", 40, 4)

    pool.mount()

    assert contents.differing() == []
    disk = pool.view().disks[2]
    assert not disk.present
    assert disk.reason
    assert pool.ask("status").code == ExitCode.DEGRADED


def test_a_disk_with_a_damaged_journal_costs_nothing(
    stopped: tuple[LivePool, Contents],
) -> None:
    pool, contents = stopped
    for path in _journal_files(pool, 1):
        _overwrite(path, 0, 64 * KIB)

    pool.mount()

    assert contents.differing() == []
    contents.write_sizes(SEED + 1)
    pool.remount()
    assert contents.differing() == []


def test_damaged_journals_on_two_disks_and_a_lost_database_cost_nothing(
    stopped: tuple[LivePool, Contents],
) -> None:
    pool, contents = stopped
    for disk in (0, 3):
        for path in _journal_files(pool, disk):
            _overwrite(path, 8 * KIB, 128 * KIB)
    for path in pool.pool_dir.glob("metadata.db*"):
        path.unlink()

    pool.mount()

    assert contents.differing() == []


def test_two_disks_that_changed_places_are_not_taken_for_each_other(
    stopped: tuple[LivePool, Contents],
) -> None:
    pool, contents = stopped
    pool.take_away(0)
    pool.disks[1].rename(pool.disks[0])
    pool.away(0).rename(pool.disks[1])

    pool.mount()

    assert [disk.present for disk in pool.view().disks] == [False, False, True, True, True, True]
    assert contents.differing() == []


def test_an_empty_directory_in_the_place_of_a_disk_stays_empty(
    stopped: tuple[LivePool, Contents],
) -> None:
    pool, contents = stopped
    pool.take_away(5)
    pool.disks[5].mkdir()

    pool.mount()
    contents.write_sizes(SEED + 1)
    pool.sync()

    assert os.listdir(pool.disks[5]) == []
    assert contents.differing() == []


def test_a_disk_that_comes_back_is_taken_in_again(stopped: tuple[LivePool, Contents]) -> None:
    pool, contents = stopped
    pool.take_away(4)
    pool.mount()
    contents.write_sizes(SEED + 1)

    pool.bring_back(4)

    pool.find_disks(0)
    wait_for("all is well", lambda: pool.ask("status").code == ExitCode.FINE)
    assert contents.differing() == []
