"""Spares of a pool on real directories, and what the pool can bear to lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ReadOnlyError, UsageError
from engine.metadata.recovery import OpenMode
from engine.model.disk import DiskMarks, DiskState, Tier
from engine.pool.disk_statistics import STATISTICS_NAME
from engine.pool.importing import import_disks
from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from tests.unit.pool.directory_pool import Place, events, put

DATA = bytes(range(256)) * 3000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Five disks, 2+2."""
    made = Place(tmp_path)
    made.create()
    return made


@pytest.fixture
def pool(place: Place) -> Iterator[Pool]:
    with Pool(place.pool_dir) as opened:
        yield opened


def fragments_in(disk: Path) -> int:
    return sum(1 for _ in disk.glob("fragments/*/*"))


def spares(pool: Pool) -> list[str]:
    return [one.record.name for one in pool.engine.base.disks.presences() if one.marks.spare]


def test_a_spare_takes_no_data(place: Place, pool: Pool) -> None:
    verbs = PoolVerbs(pool, mountpoint=lambda: "")

    verbs.disks.set_spare("d5", spare=True)
    put(pool, b"f", DATA)
    pool.filesystem.sync_all()

    assert fragments_in(place.disks[4]) == 0
    assert fragments_in(place.disks[0]) > 0
    assert verbs.disks.set_spare("d5", spare=False) == "d5 is an ordinary disk now"
    assert verbs.disks.set_spare("d5", spare=False) == "d5 is an ordinary disk already"
    assert spares(pool) == []


def test_as_many_disks_as_the_redundancy_is_wide_stay_ordinary(pool: Pool) -> None:
    verbs = PoolVerbs(pool, mountpoint=lambda: "")
    verbs.disks.set_spare("d5", spare=True)

    with pytest.raises(UsageError, match="needs 4 ordinary disks, 3 would be left without d4"):
        verbs.disks.set_spare("d4", spare=True)

    assert spares(pool) == ["d5"]


def test_a_disk_can_join_as_a_spare_and_is_one_after_an_import(place: Place) -> None:
    new = place.folder / "new"
    new.mkdir()
    with Pool(place.pool_dir) as pool:
        pool.membership.add(str(new), Tier.HOT, DiskMarks(spare=True))
        put(pool, b"f", DATA)
        assert fragments_in(new) == 0
        assert pool.membership.find("d6").uuid not in pool.engine.base.store.template.journal_set

    other = place.folder / "imported"
    import_disks([*place.disks, new], other)
    with Pool(other) as pool:
        assert spares(pool) == ["d6"]


def test_a_pool_that_is_read_only_makes_no_spares(place: Place) -> None:
    with Pool(place.pool_dir, mode=OpenMode.READ_ONLY) as pool, pytest.raises(ReadOnlyError):
        PoolVerbs(pool, mountpoint=lambda: "").disks.set_spare("d5", spare=True)


def test_how_many_disks_may_fail_follows_what_happens_to_them(place: Place, pool: Pool) -> None:
    put(pool, b"f", DATA)
    pool.filesystem.sync_all()
    assert pool.may_fail() == 2

    pool.membership.set_state(pool.membership.find("d1"), DiskState.FAILED)

    # Its fragments are gone at once; they are written anew a moment later.
    assert pool.may_fail() >= 1
    place.move_away(1)
    place.move_away(2)
    pool.membership.probe()
    assert pool.may_fail() <= 1


def test_statistics_that_were_damaged_are_an_event_and_no_obstacle(place: Place) -> None:
    (place.pool_dir / STATISTICS_NAME).write_bytes(b"\xff" * 5000)

    with Pool(place.pool_dir) as pool:
        assert any("statistics of disks were damaged" in text for text in events(pool))
        put(pool, b"f", DATA)
