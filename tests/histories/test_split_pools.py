"""Two machines with a copy of one pool directory, each with some of the disks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import PoolError, QuorumError, SplitHistoryError
from engine.ids import ROOT_INODE
from engine.metadata.recovery import OpenMode
from engine.pool.importing import import_disks, survey_disks
from engine.pool.pool import Pool
from engine.vfs.interface import RenameFlags
from tests.unit.pool.directory_pool import Place, get, put

HERE, THERE = (0, 1, 2), (3, 4)


@pytest.fixture
def place(folder: Path) -> Place:
    """A closed pool of five disks, 2+2, and a copy of its pool directory."""
    made = Place(folder)
    made.create()
    with Pool(made.pool_dir) as pool:
        put(pool, b"before", b"before")
    shutil.copytree(made.pool_dir, folder / "copy")
    return made


def use_apart(place: Place, *, mode: OpenMode) -> None:
    """Write here with three disks, and there with the other two."""
    for number in THERE:
        place.move_away(number)
    with Pool(place.pool_dir) as pool:
        put(pool, b"here", b"here")
    for number in THERE:
        place.bring_back(number)
    for number in HERE:
        place.move_away(number)
    try:
        with Pool(place.folder / "copy", mode=mode) as pool:
            assert get(pool, b"before") == b"before"
            if mode is OpenMode.FORCE:
                # Two disks have no room for new data with m=2, but names may change.
                pool.filesystem.rename(
                    ROOT_INODE, b"before", ROOT_INODE, b"there", RenameFlags.NONE
                )
    finally:
        for number in HERE:
            place.bring_back(number)


def content_of_disks(place: Place) -> dict[str, bytes]:
    return {path: data for path, data in place.content().items() if path.startswith("disk")}


def test_disks_written_on_two_machines_are_refused_together_and_left_as_they_are(
    place: Place,
) -> None:
    use_apart(place, mode=OpenMode.FORCE)
    before = content_of_disks(place)

    for pool_dir in (place.pool_dir, place.folder / "copy"):
        for mode in OpenMode:
            with pytest.raises(SplitHistoryError, match=r"two histories .* UTC.* UTC") as refused:
                Pool(pool_dir, mode=mode)
            assert "disk d1, disk d2, disk d3" in str(refused.value)
            assert "disk d4, disk d5" in str(refused.value)
    survey = survey_disks(place.disks)
    with pytest.raises(SplitHistoryError):
        import_disks(place.disks, place.folder / "imported")

    assert survey.metadata is None
    assert "two histories" in survey.obstacle
    assert content_of_disks(place) == before


def test_the_history_that_is_kept_goes_on_when_the_other_disks_stay_away(place: Place) -> None:
    use_apart(place, mode=OpenMode.FORCE)
    for number in THERE:
        place.move_away(number)

    with Pool(place.pool_dir) as pool:
        assert get(pool, b"here") == b"here"
        assert get(pool, b"before") == b"before"


def test_disks_that_were_only_read_on_the_other_machine_come_back_without_a_conflict(
    place: Place,
) -> None:
    use_apart(place, mode=OpenMode.READ_ONLY)

    for pool_dir in (place.folder / "copy", place.pool_dir):
        with Pool(pool_dir) as pool:
            assert get(pool, b"here") == b"here"


def test_the_smaller_part_does_not_open_for_writing_without_force(place: Place) -> None:
    with pytest.raises((QuorumError, PoolError), match="2 of 5 journal disks are readable"):
        use_apart(place, mode=OpenMode.READ_WRITE)
