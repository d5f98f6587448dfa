"""A disk that was away while the pool went on: known as stale, never believed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.ids import ROOT_INODE
from engine.pool.importing import import_disks
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, get, put

LARGE = 3 << 20
OLD, NEW = b"o" * LARGE, b"n" * LARGE


@pytest.fixture
def place(folder: Path) -> Place:
    """A closed pool of five disks, 2+2, with files that have fragments on all."""
    made = Place(folder)
    made.create()
    with Pool(made.pool_dir) as pool:
        for number in range(4):
            put(pool, b"replaced %d" % number, OLD)
            put(pool, b"deleted %d" % number, OLD)
    return made


def go_on(place: Place) -> None:
    """Delete half of the files and write the others anew."""
    with Pool(place.pool_dir) as pool:
        for number in range(4):
            pool.filesystem.unlink(ROOT_INODE, b"deleted %d" % number)
            pool.filesystem.unlink(ROOT_INODE, b"replaced %d" % number)
            put(pool, b"replaced %d" % number, NEW)


def check_served(pool: Pool) -> None:
    for number in range(4):
        assert get(pool, b"replaced %d" % number) == NEW
    names = {entry.name for entry in pool.filesystem.read_directory(ROOT_INODE, 0, 100)}
    assert not [name for name in names if name.startswith(b"deleted")]


def fragments(disk: Path) -> set[str]:
    return {path.name for path in (disk / "fragments").rglob("*") if path.is_file()}


def wait_until(pool: Pool, holds: Callable[[], bool]) -> None:
    """Let maintenance run until *holds*, for half a minute at most."""
    pause = threading.Event()
    for _ in range(1500):
        if holds():
            return
        pool.maintenance.wake.set()
        pause.wait(0.02)
    raise AssertionError("maintenance did not get there")


def test_fragments_of_deleted_files_on_a_returning_disk_are_never_served_and_go(
    place: Place,
) -> None:
    old = {number: fragments(place.disks[number]) for number in (0, 1)}
    place.move_away(0)
    place.move_away(1)
    go_on(place)
    place.bring_back(0)
    place.bring_back(1)
    assert all(fragments(place.disks[number]) == old[number] for number in old)

    with Pool(place.pool_dir) as pool:
        check_served(pool)
        wait_until(
            pool, lambda: all(not old[number] & fragments(place.disks[number]) for number in old)
        )
        check_served(pool)


def test_a_returning_disk_gives_back_every_root_when_it_is_all_that_is_left_of_j(
    place: Place,
) -> None:
    """Brought up at the open: afterwards two others and the pool directory may go."""
    place.move_away(0)
    go_on(place)
    place.bring_back(0)
    with Pool(place.pool_dir) as pool:
        wait_until(pool, lambda: "missing" not in " ".join(pool.membership.probe()))
        check_served(pool)
        wait_until(pool, lambda: not pool.maintenance.reconcile.step())

    shutil.rmtree(place.pool_dir)
    place.move_away(1)
    place.move_away(2)
    import_disks([place.disks[number] for number in (0, 3, 4)], place.pool_dir)
    with Pool(place.pool_dir) as pool:
        check_served(pool)
