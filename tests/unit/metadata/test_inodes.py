"""Inodes that change many times in a group: one row, all or nothing (C1, C2, C8)."""

from __future__ import annotations

import apsw
import pytest

from engine.errors import EngineStoppedError, NotFoundError
from engine.ids import InodeId, MapId
from engine.limits import GROUP_ROWS_MAX
from tests.unit.metadata.shadowed_store import ShadowedStore, inode_of, undone

TWO = InodeId(2)


@pytest.fixture
def committed(shadowed: ShadowedStore) -> ShadowedStore:
    """Inode 2 of a group before, as it was made."""
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(2))
    shadowed.close_group()
    return shadowed


def change(shadowed: ShadowedStore, size: int) -> None:
    with shadowed.store.operation():
        shadowed.tables.inodes.update(inode_of(2, size=size))


def stored_size(shadowed: ShadowedStore) -> int:
    """What SQLite has; read past all that is kept in memory."""
    return int(shadowed.connection.execute("SELECT size FROM inode WHERE id = 2").get)


def test_an_inode_that_changes_often_is_one_row_of_its_group(committed: ShadowedStore) -> None:
    for size in (10, 20, 30):
        change(committed, size)
        assert committed.tables.inodes.get(TWO) == inode_of(2, size=size)

    record = committed.close_group()

    assert record is not None
    assert record.row_count == 1
    assert stored_size(committed) == 30
    committed.reopen()
    assert committed.tables.inodes.get(TWO) == inode_of(2, size=30)


def test_an_undone_operation_leaves_what_one_before_it_made_of_an_inode(
    committed: ShadowedStore,
) -> None:
    inodes = committed.tables.inodes
    change(committed, 10)

    with undone(committed.store):
        inodes.update(inode_of(2, size=20))
        inodes.update(inode_of(2, size=30))
    assert inodes.get(TWO) == inode_of(2, size=10)
    with undone(committed.store):
        inodes.delete(TWO)

    assert inodes.get(TWO) == inode_of(2, size=10)
    committed.close_group()
    assert stored_size(committed) == 10


def test_an_inode_that_only_an_undone_operation_changed_is_as_it_was(
    committed: ShadowedStore,
) -> None:
    with undone(committed.store):
        committed.tables.inodes.update(inode_of(2, size=20))

    assert committed.tables.inodes.get(TWO) == inode_of(2)


def test_an_operation_inside_one_that_changed_no_row_yet_is_undone_alone(
    committed: ShadowedStore,
) -> None:
    inodes = committed.tables.inodes

    with committed.store.operation():
        inodes.update(inode_of(2, size=10))
        with undone(committed.store):
            inodes.insert(inode_of(3))
        inodes.insert(inode_of(4))

    assert inodes.get(TWO) == inode_of(2, size=10)
    assert inodes.get(InodeId(3)) is None
    assert inodes.get(InodeId(4)) == inode_of(4)


def test_what_was_changed_and_then_removed_in_a_group_is_gone(committed: ShadowedStore) -> None:
    change(committed, 10)
    with committed.store.operation():
        committed.tables.inodes.delete(TWO)

    committed.close_group()

    assert committed.tables.inodes.get(TWO) is None
    assert committed.tables.inodes.count() == 0


def test_a_lost_group_takes_with_it_what_it_made_of_inodes(committed: ShadowedStore) -> None:
    change(committed, 10)

    with pytest.raises(EngineStoppedError), committed.store.operation():
        raise apsw.IOError("the disk below")

    assert committed.tables.inodes.get(TWO) == inode_of(2)


def test_rows_that_wait_to_be_written_count_towards_the_bound_of_a_group(
    shadowed: ShadowedStore,
) -> None:
    inodes = shadowed.tables.inodes
    with shadowed.store.operation():
        for number in range(2, GROUP_ROWS_MAX + 2):
            inodes.insert(inode_of(number))
    shadowed.close_group()

    for number in range(2, GROUP_ROWS_MAX + 1):
        with shadowed.store.operation():
            inodes.update(inode_of(number, size=1))
    assert not shadowed.store.pressure.is_set()
    with shadowed.store.operation():
        inodes.update(inode_of(GROUP_ROWS_MAX + 1, size=1))

    assert shadowed.store.pressure.is_set()


def test_an_inode_is_found_by_the_map_it_has_now(committed: ShadowedStore) -> None:
    inodes = committed.tables.inodes

    with committed.store.operation():
        inodes.update(inode_of(2, map_id=11))

    assert inodes.of_maps({MapId(11)}) == [TWO]
    assert inodes.of_maps({MapId(9)}) == []


def test_rows_changed_beside_the_writer_cannot_be_undone_so_the_group_is_lost(
    committed: ShadowedStore,
) -> None:
    def change_and_refuse() -> None:
        with committed.store.operation():
            committed.connection.execute("UPDATE inode SET size = 6 WHERE id = 2")
            raise NotFoundError

    with pytest.raises(EngineStoppedError):
        change_and_refuse()

    assert stored_size(committed) == 0
