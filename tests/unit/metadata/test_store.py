"""Groups: all or nothing, replayed exactly, and never a number twice (C1-C3, C8)."""

from __future__ import annotations

import os
from dataclasses import fields, replace

import apsw
import pytest

from engine.clock import ManualClock
from engine.errors import DamagedDatabaseError, EngineStoppedError
from engine.ids import DiskId, Epoch, ExtentId, Generation, InodeId, LayoutId, MapId
from engine.limits import GROUP_BYTES_MAX, GROUP_ROWS_MAX
from engine.metadata.numbers import ID_MARGIN
from engine.metadata.store import MetadataStore
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.inode import Segment
from engine.model.redundancy import Replication
from engine.model.root import HighWater
from tests.unit.metadata.shadowed_store import ShadowedStore, inode_of, undone

MAP = MapId(9)


def test_a_refused_operation_leaves_no_row_no_staged_byte_and_no_count(
    shadowed: ShadowedStore,
) -> None:
    store, tables = shadowed.store, shadowed.tables
    with store.operation():
        tables.inodes.insert(inode_of(2))
        tables.file_map.put_staged(MAP, 0, b"kept")
        tables.file_map.put_segment(MAP, Segment(100, 10, ExtentId(1), 0))
    assert tables.file_map.stored_bytes(MAP) == 14

    with undone(store):
        tables.inodes.update(inode_of(2, size=77))
        tables.inodes.insert(inode_of(3))
        tables.names.insert(InodeId(1), b"gone", InodeId(3))
        tables.file_map.clear(MAP, 0, 105, row_limit=100)
        tables.file_map.put_staged(MAP, 0, b"other bytes")
        tables.file_map.detach(MAP, 5)

    assert tables.inodes.get(InodeId(2)) == inode_of(2)
    assert tables.inodes.get(InodeId(3)) is None
    assert tables.names.find(InodeId(1), b"gone") is None
    assert [(row.offset, row.data) for row in tables.file_map.staged(MAP, 0, 1000)] == [
        (0, b"kept")
    ]
    assert tables.file_map.staged_bytes == 4
    assert tables.file_map.stored_bytes(MAP) == 14
    assert not tables.file_map.has_tail(MAP)
    record = shadowed.close_group()
    assert record is not None
    assert b"other" not in record.staged


def test_an_operation_inside_another_is_undone_alone(shadowed: ShadowedStore) -> None:
    store, tables = shadowed.store, shadowed.tables

    with store.operation():
        tables.inodes.insert(inode_of(2))
        tables.file_map.put_staged(MAP, 0, b"outer")
        with undone(store):
            tables.inodes.insert(inode_of(3))
            tables.file_map.put_staged(MAP, 50, b"inner")

    assert tables.inodes.get(InodeId(3)) is None
    assert tables.file_map.staged_bytes == 5
    assert tables.inodes.get(InodeId(2)) == inode_of(2)


def test_an_undone_operation_does_not_count_towards_the_bytes_of_its_group(
    shadowed: ShadowedStore,
) -> None:
    store, file_map = shadowed.store, shadowed.tables.file_map

    for _ in range(3):
        with undone(store):
            file_map.put_staged(MAP, 0, bytes(GROUP_BYTES_MAX // 2))
    with store.operation():
        file_map.put_staged(MAP, 0, bytes(GROUP_BYTES_MAX // 2))

    assert not store.pressure.is_set()


def test_a_group_that_reached_its_rows_or_bytes_asks_to_be_committed(
    shadowed: ShadowedStore,
) -> None:
    store, tables = shadowed.store, shadowed.tables

    with store.operation():
        for number in range(2, GROUP_ROWS_MAX + 2):
            tables.inodes.insert(inode_of(number))
    assert store.pressure.is_set()
    shadowed.close_group()
    assert not store.pressure.is_set()
    with store.operation():
        tables.file_map.put_staged(MAP, 0, bytes(GROUP_BYTES_MAX))
    assert store.pressure.is_set()


def test_a_group_without_changes_is_not_committed(shadowed: ShadowedStore) -> None:
    before = shadowed.store.template.generation

    assert shadowed.close_group() is None
    assert shadowed.store.template.generation == before


def test_the_age_of_a_group_counts_from_its_first_change(shadowed: ShadowedStore) -> None:
    store = shadowed.store
    shadowed.clock.advance(50)
    assert store.dirty_age_s() == 0

    with store.operation():
        shadowed.tables.inodes.insert(inode_of(2))
    shadowed.clock.advance(0.75)

    assert store.dirty_age_s() == 0.75
    shadowed.close_group()
    assert store.dirty_age_s() == 0


def test_acknowledged_groups_leave_the_outbox_and_no_others(shadowed: ShadowedStore) -> None:
    for number in range(2, 7):
        with shadowed.store.operation():
            shadowed.tables.inodes.insert(inode_of(number))
        shadowed.close_group(acknowledged=max(0, number - 4))

    kept = [row[0] for row in shadowed.connection.execute("SELECT generation FROM outbox")]
    assert kept == [3, 4, 5]


def test_numbers_are_never_given_out_again_after_any_record_becomes_the_head(
    shadowed: ShadowedStore,
) -> None:
    store = shadowed.store
    given: dict[str, set[int]] = {one.name: set() for one in fields(HighWater)}
    takers = {
        "extent": store.new_extent_id,
        "layout": store.new_layout_id,
        "inode": store.new_inode_id,
        "map": store.new_map_id,
        "cookie": store.new_cookie,
        "disk": store.new_disk_number,
    }
    for number in range(2, 6):
        with store.operation():
            shadowed.tables.inodes.insert(inode_of(number))
        for kind, take in takers.items():
            given[kind] |= {int(take()) for _ in range(50)}
        shadowed.close_group()

    for record in shadowed.records:
        reopened = MetadataStore(apsw.Connection(":memory:"), template=record, clock=ManualClock())
        again = {
            "extent": reopened.new_extent_id,
            "layout": reopened.new_layout_id,
            "inode": reopened.new_inode_id,
            "map": reopened.new_map_id,
            "cookie": reopened.new_cookie,
            "disk": reopened.new_disk_number,
        }
        marks = {kind: getattr(record.high_water, kind) for kind in again}
        assert all(marks[kind] not in given[kind] for kind in again)
        assert all(marks[kind] > max(given[kind]) for kind in again)
        reopened.connection.close()


def test_a_store_gives_out_no_number_that_no_committed_record_promised(
    shadowed: ShadowedStore,
) -> None:
    store = shadowed.store
    first = int(store.new_map_id())
    store._numbers.next["map"] = first + ID_MARGIN

    with pytest.raises(EngineStoppedError, match="map"):
        store.new_map_id()


def test_a_reopened_store_must_commit_before_it_gives_out_numbers(
    shadowed: ShadowedStore,
) -> None:
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(2))
    shadowed.close_group()
    shadowed.reopen()
    marks = shadowed.store.template.high_water

    with pytest.raises(EngineStoppedError):
        shadowed.store.new_inode_id()
    shadowed.store.take_header(replace(shadowed.store.template, epoch=Epoch(2)))
    shadowed.close_group()

    assert shadowed.store.new_inode_id() == marks.inode


def test_a_reopened_store_has_lost_the_open_group_and_continues_the_chain(
    shadowed: ShadowedStore,
) -> None:
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(2))
    shadowed.close_group()
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(3))
    shadowed.reopen()

    assert shadowed.tables.inodes.get(InodeId(3)) is None
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(4))
    record = shadowed.close_group()
    assert record is not None
    assert record.generation == 2


def grow(shadowed: ShadowedStore, number: int) -> None:
    """Put a quarter of a megabyte that does not compress into the open group."""
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(number))
        shadowed.tables.file_map.put_staged(MapId(number), 0, os.urandom(256 << 10))


def fill_up(shadowed: ShadowedStore) -> int:
    """Change things until the database is full; return the first lost inode."""
    pages = int(shadowed.connection.pragma("page_count"))
    shadowed.connection.pragma("max_page_count", pages + 200)
    for number in range(100, 200):
        try:
            grow(shadowed, number)
        except EngineStoppedError:
            return 100
    raise AssertionError("the database never became full")


def test_a_lost_group_stops_every_change_and_committed_data_stays_readable(
    shadowed: ShadowedStore,
) -> None:
    grow(shadowed, 2)
    shadowed.close_group()

    lost = fill_up(shadowed)

    store, tables = shadowed.store, shadowed.tables
    assert "a metadata group was lost" in store.stopped
    with pytest.raises(EngineStoppedError, match="lost"), store.operation():
        tables.inodes.insert(inode_of(3))
    with pytest.raises(EngineStoppedError, match="lost"):
        store.close_group(Generation(0))
    with store.lock:
        assert tables.inodes.get(InodeId(2)) == inode_of(2)
        assert len(tables.file_map.staged(MapId(2), 0, 1 << 20)[0].data) == 64 << 10
        assert tables.inodes.get(InodeId(lost)) is None
        assert tables.file_map.staged_bytes == 256 << 10


def test_a_full_disk_inside_an_operation_inside_another_stops_the_engine_too(
    shadowed: ShadowedStore,
) -> None:
    grow(shadowed, 2)
    shadowed.close_group()

    def nested() -> None:
        with shadowed.store.operation():
            shadowed.tables.inodes.insert(inode_of(3))
            fill_up(shadowed)
            with shadowed.store.operation():
                shadowed.tables.inodes.insert(inode_of(4))

    with pytest.raises(EngineStoppedError):
        nested()

    assert shadowed.tables.inodes.get(InodeId(3)) is None


def test_a_group_lost_to_missing_memory_is_not_read_as_if_committed(
    shadowed: ShadowedStore,
) -> None:
    def run_out() -> None:
        with shadowed.store.operation():
            shadowed.tables.inodes.insert(inode_of(3))
            raise apsw.NoMemError("no memory")

    with pytest.raises(EngineStoppedError, match="no memory"):
        run_out()

    assert shadowed.tables.inodes.get(InodeId(3)) is None


def test_a_commit_that_fails_stops_the_engine(shadowed: ShadowedStore) -> None:
    grow(shadowed, 2)
    shadowed.close_group()
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(3))
    shadowed.connection.pragma("max_page_count", int(shadowed.connection.pragma("page_count")))
    shadowed.store.take_header(
        replace(shadowed.store.template, members=shadowed.store.template.members * 9000)
    )

    with pytest.raises(EngineStoppedError):
        shadowed.store.close_group(Generation(0))

    assert shadowed.store.stopped
    assert shadowed.tables.inodes.get(InodeId(3)) is None
    assert shadowed.tables.inodes.get(InodeId(2)) is not None


def test_a_row_that_contradicts_another_is_damage_and_undoes_its_operation(
    shadowed: ShadowedStore,
) -> None:
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(2))

    def contradict() -> None:
        with shadowed.store.operation():
            shadowed.tables.inodes.insert(inode_of(3))
            shadowed.tables.inodes.insert(inode_of(2))

    with pytest.raises(DamagedDatabaseError):
        contradict()

    assert shadowed.tables.inodes.get(InodeId(3)) is None
    assert not shadowed.store.stopped


def test_an_inode_row_that_was_changed_behind_our_back_is_never_believed(
    shadowed: ShadowedStore,
) -> None:
    with shadowed.store.operation():
        shadowed.tables.inodes.insert(inode_of(2, size=5))
    shadowed.connection.execute("UPDATE inode SET size = 6 WHERE id = 2")
    shadowed.tables.inodes._cache.clear()

    with pytest.raises(DamagedDatabaseError):
        shadowed.tables.inodes.get(InodeId(2))


def test_every_kind_of_row_is_replayed(shadowed: ShadowedStore) -> None:
    store, tables = shadowed.store, shadowed.tables
    refs = tuple(FragmentRef(at, DiskId(at + 1), LayoutId(1), bytes(32)) for at in range(2))
    record = ExtentRecord(
        extent_id=ExtentId(1),
        redundancy=Replication(2),
        tier=Tier.HOT,
        length_bytes=100,
        epoch=Epoch(1),
        generation=Generation(1),
        fragments=refs,
    )
    with store.operation():
        tables.inodes.insert(inode_of(2))
        tables.inodes.add_orphan(InodeId(2))
        tables.names.insert(InodeId(1), b"a", InodeId(2))
        tables.names.set_target(InodeId(3), b"target")
        tables.names.set_xattr(InodeId(2), b"user.x", b"value")
        tables.file_map.put_segment(MAP, Segment(0, 100, ExtentId(1), 0))
        tables.file_map.put_staged(MAP, 100, b"staged")
        tables.file_map.detach(MapId(4), 0)
        tables.extents.insert(record)
        tables.members.set_property("p", "1")
    shadowed.close_group()
    with store.operation():
        tables.members.set_property("p", "2")
        tables.names.set_xattr(InodeId(2), b"user.x", b"other")
        tables.file_map.clear(MAP, 50, 103, row_limit=100)
        tables.extents.drop(ExtentId(1))
        tables.inodes.remove_orphan(InodeId(2))
        tables.inodes.delete(InodeId(2))
    shadowed.close_group()

    assert shadowed.differences() == []
    assert shadowed.shadow.execute("SELECT count(*) FROM dropped").get == 2
    assert shadowed.shadow.execute("SELECT data FROM staged").get == b"ged"
