"""Disks that go, come back and join while the pool is open, and J behind them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import PoolError, UsageError
from engine.ids import DiskUuid
from engine.model.disk import DiskState, Tier
from engine.pool.config import load_config
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, events, get, put

DATA = bytes(range(256)) * 3000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Seven disks, 2+2: J is five of them."""
    made = Place(tmp_path, disk_count=7)
    made.create()
    return made


@pytest.fixture
def pool(place: Place) -> Iterator[Pool]:
    with Pool(place.pool_dir) as opened:
        put(opened, b"f", DATA)
        yield opened


def journal_set(pool: Pool) -> tuple[DiskUuid, ...]:
    return pool.engine.base.store.template.journal_set


def uuid_of(place: Place, number: int) -> DiskUuid:
    return load_config(place.pool_dir).disks[number].uuid


def in_journal_set(place: Place, pool: Pool) -> list[int]:
    """Return the positions of the disks that are in J."""
    uuids = [disk.uuid for disk in load_config(place.pool_dir).disks]
    return [number for number, uuid in enumerate(uuids) if uuid in journal_set(pool)]


def test_a_disk_that_was_moved_away_is_noticed_and_replaced_in_j(place: Place, pool: Pool) -> None:
    gone = in_journal_set(place, pool)[0]
    place.move_away(gone)

    sentences = pool.membership.probe()

    assert f"d{gone + 1}: gone from {place.disks[gone]}" in sentences[gone]
    assert uuid_of(place, gone) not in journal_set(pool), events(pool)
    assert len(journal_set(pool)) == 5
    assert get(pool, b"f") == DATA
    put(pool, b"g", DATA)
    assert any(str(place.disks[gone]) in text for text in events(pool))


def test_a_disk_that_returns_is_taken_in_again(place: Place, pool: Pool) -> None:
    gone = in_journal_set(place, pool)[0]
    place.move_away(gone)
    pool.membership.probe()
    put(pool, b"g", b"meanwhile")
    place.bring_back(gone)

    sentences = pool.membership.probe()

    # Being tested, or tested already; tests/unit/pool/test_health_keeper.py has both.
    assert "gone" not in sentences[gone]
    assert any(f"d{gone + 1} is back" in text for text in events(pool))
    assert len(journal_set(pool)) == 5


def test_journals_survive_two_further_losses_after_a_disk_returned(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        gone = in_journal_set(place, pool)[0]
        place.move_away(gone)
        pool.membership.probe()
        put(pool, b"g", b"meanwhile")
        place.bring_back(gone)
        pool.membership.probe()
        put(pool, b"h", b"afterwards")
        members = in_journal_set(place, pool)
    for number in [one for one in members if one != gone][:2]:
        place.move_away(number)

    with Pool(place.pool_dir) as pool:
        assert get(pool, b"g") == b"meanwhile"
        assert get(pool, b"h") == b"afterwards"


def test_another_directory_in_the_place_of_a_disk_is_not_that_disk(
    place: Place, pool: Pool
) -> None:
    place.move_away(1)
    shutil.copytree(place.folder / "away1", place.disks[1])

    sentences = pool.membership.probe()

    assert "another directory is there now" in sentences[1]
    assert get(pool, b"f") == DATA
    put(pool, b"g", DATA)
    shutil.rmtree(place.disks[1])
    place.bring_back(1)


def test_with_too_few_disks_the_pool_is_read_only_and_writes_again_when_they_return(
    place: Place, pool: Pool
) -> None:
    for number in range(5):
        place.move_away(number)
    pool.membership.probe()
    assert "needed" in pool.engine.refusal()

    for number in range(5):
        place.bring_back(number)
    pool.membership.probe()

    assert pool.engine.refusal() == ""
    put(pool, b"g", b"again")


def test_a_disk_joins_and_is_there_after_a_reopen(place: Place) -> None:
    new = place.folder / "new"
    new.mkdir()
    with Pool(place.pool_dir) as pool:
        sentences = pool.membership.add(str(new), Tier.COLD)
        assert "tier cold" in sentences[-1]
        put(pool, b"f", DATA)

    with Pool(place.pool_dir) as pool:
        records = pool.engine.base.tables.members.disks()
        assert [record.path for record in records][-1] == str(new)
        assert len({record.name for record in records}) == 8
        assert len(pool.engine.base.store.template.members) == 8


@pytest.mark.parametrize("which", ["member", "of another pool", "no directory"])
def test_a_directory_that_cannot_join_is_refused_and_nothing_changes(
    place: Place, pool: Pool, which: str
) -> None:
    match which:
        case "member":
            path = place.disks[0]
        case "of another pool":
            (place.folder / "others").mkdir()
            other = Place(place.folder / "others")
            other.create(name="other")
            path = other.disks[0]
        case _:
            path = place.folder / "no"
    before = load_config(place.pool_dir)

    with pytest.raises(PoolError) as refusal:
        pool.membership.add(str(path), Tier.HOT)

    assert "\n" not in str(refusal.value)
    assert load_config(place.pool_dir) == before
    assert len(pool.engine.base.tables.members.disks()) == 7


def test_a_failed_disk_leaves_j_and_gets_no_data(place: Place, pool: Pool) -> None:
    number = in_journal_set(place, pool)[0]
    record = pool.membership.find(f"d{number + 1}")

    pool.membership.set_state(record, DiskState.FAILED)

    assert record.uuid not in journal_set(pool)
    before = sum(1 for _ in (place.disks[number] / "fragments").rglob("*.*.*"))
    put(pool, b"g", DATA)
    pool.filesystem.sync_all()
    after = sum(1 for _ in (place.disks[number] / "fragments").rglob("*.*.*"))
    assert after == before
    assert get(pool, b"f") == DATA


def test_a_state_is_there_after_a_reopen(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        pool.membership.set_state(pool.membership.find("d3"), DiskState.DRAINING)

    with Pool(place.pool_dir) as pool:
        assert pool.membership.find("d3").state is DiskState.DRAINING


def test_a_disk_is_found_by_name_path_and_the_beginning_of_its_uuid(
    place: Place, pool: Pool
) -> None:
    record = pool.membership.find("d2")

    assert pool.membership.find(str(place.disks[1])) == record
    assert pool.membership.find(str(record.uuid)[:12]) == record
    for nothing in ("d9", "/no/where", "", str(record.uuid)[:3]):
        with pytest.raises(UsageError):
            pool.membership.find(nothing)
