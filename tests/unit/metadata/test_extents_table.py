"""Extent records: what is dropped is what no row names any more (P5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import DamagedDatabaseError
from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId, MapId
from engine.metadata.extents_table import Damage, DroppedFragment, load_extent
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.inode import Segment
from engine.model.redundancy import ErasureCoding
from tests.unit.metadata.shadowed_store import ShadowedStore, undone

ONE = ExtentId(1)
TWO_AND_ONE = ErasureCoding(2, 1)


def ref(index: int, *, layout: int = 1, disk: int | None = None) -> FragmentRef:
    number = DiskId(index + 1 if disk is None else disk)
    return FragmentRef(index, number, LayoutId(layout), bytes([index, layout]) * 16)


def record_of(*refs: FragmentRef, redundancy: ErasureCoding = TWO_AND_ONE) -> ExtentRecord:
    return ExtentRecord(
        extent_id=ONE,
        redundancy=redundancy,
        tier=Tier.COLD,
        length_bytes=12345,
        epoch=Epoch(3),
        generation=Generation(7),
        fragments=refs or tuple(ref(index) for index in range(3)),
    )


def dropped(shadowed: ShadowedStore) -> set[tuple[int, int, int, int]]:
    rows = shadowed.connection.execute("SELECT extent, position, layout, disk FROM dropped")
    return {(row[0], row[1], row[2], row[3]) for row in rows}


def test_a_record_comes_back_from_its_rows_as_it_went_in(shadowed: ShadowedStore) -> None:
    with shadowed.store.operation():
        shadowed.tables.extents.insert(record_of())

    assert load_extent(shadowed.connection, ONE) == record_of()
    assert shadowed.tables.extents.get(ONE) == record_of()
    assert shadowed.tables.extents.get(ExtentId(2)) is None


def test_dropping_an_extent_lists_every_file_it_had(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    with shadowed.store.operation():
        extents.insert(record_of())
        extents.add_damage(Damage(ONE, 1, "corrupt", 5))
        extents.drop(ONE)

    assert extents.get(ONE) is None
    assert dropped(shadowed) == {(1, 0, 1, 1), (1, 1, 1, 2), (1, 2, 1, 3)}
    assert extents.damages(10) == []
    assert shadowed.connection.execute("SELECT count(*) FROM fragment").get == 0


def test_a_repaired_fragment_drops_only_the_one_it_replaces(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    with shadowed.store.operation():
        extents.insert(record_of())
        extents.add_damage(Damage(ONE, 1, "missing", 5))
        extents.add_damage(Damage(ONE, 2, "corrupt", 6))
        extents.replace(record_of(ref(0), ref(1, layout=2, disk=9), ref(2)))

    assert dropped(shadowed) == {(1, 1, 1, 2)}
    assert extents.damages(10) == [Damage(ONE, 2, "corrupt", 6)]
    assert load_extent(shadowed.connection, ONE) == extents.get(ONE)


def test_a_narrower_encoding_drops_every_old_file_and_its_damage(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    wide = record_of(*(ref(index) for index in range(4)), redundancy=ErasureCoding(3, 1))
    narrow = record_of(*(ref(index, layout=2) for index in range(3)))
    with shadowed.store.operation():
        extents.insert(wide)
        extents.add_damage(Damage(ONE, 3, "missing", 5))
        extents.replace(narrow)

    assert dropped(shadowed) == {(1, index, 1, index + 1) for index in range(4)}
    assert extents.get(ONE) == narrow
    assert extents.damages(10) == []


def test_damage_is_noted_once(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    with shadowed.store.operation():
        assert extents.add_damage(Damage(ONE, 1, "corrupt", 5))
        assert not extents.add_damage(Damage(ONE, 1, "corrupt", 9))
        extents.add_damage(Damage(ONE, 0, "corrupt", 5))
        extents.remove_damage(ONE, 1)

    assert extents.damages(10) == [Damage(ONE, 0, "corrupt", 5)]


def test_dropped_files_are_listed_by_disk_until_they_are_gone(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    with shadowed.store.operation():
        extents.insert(record_of())
        extents.drop(ONE)
    waiting = extents.dropped(DiskId(2), 10)
    assert waiting == [DroppedFragment(ONE, 1, LayoutId(1), DiskId(2))]

    with shadowed.store.operation():
        extents.forget_dropped(waiting[0])

    assert extents.dropped(DiskId(2), 10) == []
    assert dropped(shadowed) == {(1, 0, 1, 1), (1, 2, 1, 3)}


def test_an_extent_is_named_as_long_as_one_segment_is_there(shadowed: ShadowedStore) -> None:
    extents, file_map = shadowed.tables.extents, shadowed.tables.file_map
    with shadowed.store.operation():
        file_map.put_segment(MapId(1), Segment(0, 10, ONE, 0))
        file_map.put_segment(MapId(2), Segment(0, 10, ONE, 10))
        file_map.clear(MapId(1), 0, 10, row_limit=9)
        assert extents.is_named(ONE)
        file_map.clear(MapId(2), 0, 10, row_limit=9)
        assert not extents.is_named(ONE)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE extent SET length = length + 1",
        "UPDATE fragment SET disk = 8 WHERE position = 1",
        "UPDATE fragment SET layout = 8 WHERE position = 2",
        "UPDATE fragment SET header_hash = zeroblob(32) WHERE position = 0",
        "DELETE FROM fragment WHERE position = 2",
    ],
)
def test_a_row_changed_behind_our_back_is_damage(shadowed: ShadowedStore, change: str) -> None:
    with shadowed.store.operation():
        shadowed.tables.extents.insert(record_of())

    with undone(shadowed.store):
        shadowed.store.writer.execute(change)
        with pytest.raises(DamagedDatabaseError):
            load_extent(shadowed.connection, ONE)

    assert shadowed.tables.extents.get(ONE) == record_of()


def test_the_cache_forgets_what_was_undone(shadowed: ShadowedStore) -> None:
    extents = shadowed.tables.extents
    with shadowed.store.operation():
        extents.insert(record_of())
    other = replace(record_of(), fragments=(ref(0), ref(1, layout=4), ref(2)))

    with undone(shadowed.store):
        extents.replace(other)

    assert extents.get(ONE) == record_of()
    assert dropped(shadowed) == set()
