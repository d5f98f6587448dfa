"""Opening: stale tails go aside, second histories are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import (
    QuorumError,
    SplitHistoryError,
)
from engine.metadata.database import open_database
from engine.metadata.decision import LocalVerdict
from engine.metadata.recovery import OpenMode, open_metadata
from tests.unit.metadata.written_pool import (
    A,
    B,
    C,
    WrittenPool,
    journal_of,
    naming,
    next_root,
    properties,
    put,
)


@pytest.fixture
def pool(tmp_path: Path) -> WrittenPool:
    """Three disks, m=1, four groups that all disks hold."""
    made = WrittenPool(tmp_path / "pool")
    made.write_many(4)
    return made


def names(count: int) -> set[str]:
    return {f"p{number}" for number in range(1, count + 1)}


def lose_database(pool: WrittenPool) -> None:
    for file in pool.folder.iterdir():
        file.unlink()


def test_a_stale_tail_of_an_older_epoch_is_set_aside(pool: WrittenPool, tmp_path: Path) -> None:
    pool.write(C)  # Never acknowledged: one of three.
    other = tmp_path / "elsewhere"
    other.mkdir()
    opened = open_metadata(other, pool.only(A, B), mode=OpenMode.READ_WRITE)
    connection = open_database(opened.database)
    fresh = next_root(connection, naming("new", "epoch 2"), epoch=opened.next_epoch)
    connection.close()
    for disk in (A, B):
        put(pool.devices[disk], fresh)

    again = open_metadata(other, pool.devices, mode=OpenMode.READ_WRITE)

    assert [entry.generation for entry in pool.devices[C].stale_entries] == [5]
    assert journal_of(pool.devices[C]) == [1, 2, 3, 4, 5]
    assert set(properties(again.database)) == names(4) | {"new"}
    assert any("set aside" in event for event in again.events)


def test_a_database_of_an_abandoned_branch_is_set_aside(pool: WrittenPool, tmp_path: Path) -> None:
    connection = open_database(pool.database)
    next_root(connection, naming("mine", "never shipped"))
    connection.close()
    other = WrittenPool(tmp_path / "other")
    lose_database(other)
    opened = open_metadata(other.folder, pool.devices, mode=OpenMode.READ_WRITE)
    connection = open_database(opened.database)
    fresh = next_root(connection, naming("new", "epoch 2"), epoch=opened.next_epoch)
    connection.close()
    for disk in (A, B):
        put(pool.devices[disk], fresh)

    again = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert again.decision.local is LocalVerdict.ABANDONED
    assert set(properties(again.database)) == names(4) | {"new"}
    assert set(properties(pool.folder / "metadata.db.aside-1")) == names(4) | {"mine"}


def test_equal_epochs_that_differ_are_refused_and_both_named(
    pool: WrittenPool, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    opened = open_metadata(other, pool.devices, mode=OpenMode.READ_ONLY)
    connection = open_database(opened.database)
    put(pool.devices[C], next_root(connection, naming("there", "c"), epoch=1))
    connection.close()
    pool.write(A, B)

    with pytest.raises(SplitHistoryError, match=r"generation 5 of epoch 1 .*d2.*d0, disk d1"):
        open_metadata(pool.folder, pool.devices, mode=OpenMode.FORCE)
    assert journal_of(pool.devices[C]) == [1, 2, 3, 4, 5]


def test_a_forced_open_in_between_is_a_second_history(pool: WrittenPool, tmp_path: Path) -> None:
    pool.write(B, C)  # Acknowledged, but a forced open of A alone does not know.
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(QuorumError):
        open_metadata(other, pool.only(A), mode=OpenMode.READ_WRITE)
    opened = open_metadata(other, pool.only(A), mode=OpenMode.FORCE)
    connection = open_database(opened.database)
    root = next_root(connection, naming("f", "f"), epoch=opened.next_epoch, forced=True)
    put(pool.devices[A], root)
    connection.close()

    with pytest.raises(SplitHistoryError, match="two histories"):
        open_metadata(other, pool.devices, mode=OpenMode.READ_WRITE)


def test_a_forced_open_that_nothing_contradicts_goes_on(pool: WrittenPool) -> None:
    opened = open_metadata(pool.folder, pool.only(A), mode=OpenMode.FORCE)
    pool.write(A, epoch=opened.next_epoch, forced=True)

    again = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert set(properties(again.database)) == names(5)
