"""Collect: what is deleted, when, and above all what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault
from engine.errors import DeviceFailedError
from engine.ids import DiskId, ExtentId, Generation
from engine.limits import GROUP_BYTES_MAX
from engine.maintenance.check import check_metadata
from engine.maintenance.listing import UnnamedFile
from engine.model.inode import Segment
from engine.model.redundancy import Replication
from tests.unit.maintenance.small_pool import (
    SmallPool,
    name_of,
    pattern,
    small_pool,
    table_rows,
)

DATA = pattern(100_001)
DAY_S = 24 * 3600


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def test_a_deleted_file_gives_its_space_back_once_acknowledged(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    kept = pool.write_file("kept", DATA)
    pool.acknowledge()
    pool.unlink(record.extent_id)

    pool.collect_all()
    pool.commit()
    pool.collect_all()
    before = pool.all_files()
    pool.acknowledge()
    pool.collect_all()

    assert {(int(ref.disk_id), name_of(record, ref)) for ref in record.fragments} <= before
    assert pool.all_files() == {(int(ref.disk_id), name_of(kept, ref)) for ref in kept.fragments}
    assert table_rows(pool, "dropped") == []
    assert table_rows(pool, "reap") == []


def test_a_reader_from_before_keeps_the_files(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)

    with pool.gate.enter():
        pool.unlink(record.extent_id)
        pool.collect_all()
        pool.acknowledge()
        pool.collect_all()
        during = pool.all_files()
    pool.collect_all()

    assert len(during) == 6
    assert pool.all_files() == set()


def test_an_extent_that_one_segment_still_names_stays(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    with pool.store.operation():
        pool.tables.file_map.put_segment(
            pool.store.new_map_id(), Segment(0, 10, record.extent_id, 5)
        )
    pool.unlink(record.extent_id)

    pool.collect_all()
    pool.acknowledge()
    pool.collect_all()

    assert pool.record(record.extent_id) == record
    assert len(pool.all_files()) == 6


def test_an_extent_that_is_landing_stays(pool: SmallPool) -> None:
    record = pool.extents.write(DATA, Replication(2))
    pool.tables.garbage.begin_landing(record.extent_id)
    with pool.store.operation():
        pool.tables.extents.insert(record)
    pool.tables.garbage.suspect(frozenset({record.extent_id}))
    pool.acknowledge()

    pool.collect_all()

    assert pool.tables.extents.get(record.extent_id) is not None


def test_extents_that_a_crash_left_without_segments_are_found(pool: SmallPool) -> None:
    record = pool.extents.write(DATA, Replication(2))
    with pool.store.operation():
        pool.tables.extents.insert(record)
    pool.acknowledge()

    pool.start_maintenance()
    pool.collect_all()

    assert pool.tables.extents.get(record.extent_id) is None


def test_long_maps_are_emptied_in_bounded_steps(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    map_id = pool.map_of(record.extent_id)
    with pool.store.operation():
        pool.tables.file_map.clear(map_id, 0, 2**62, 10)
        for number in range(1000):
            pool.tables.file_map.put_segment(
                map_id, Segment(number * 100, 50, record.extent_id, number)
            )
        pool.tables.file_map.detach(map_id, 0)
    pool.commit()

    rows = []
    for _ in range(4):
        pool.collect.step()
        rows.append(len(table_rows(pool, "segment")))

    assert rows == [744, 488, 232, 0]
    assert table_rows(pool, "reap") == []


def test_nothing_is_collected_while_the_journals_do_not_keep_up(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.unlink(record.extent_id)
    with pool.store.operation():
        pool.store.note_bytes(9 * GROUP_BYTES_MAX)

    assert not pool.collect.step()
    assert table_rows(pool, "reap")
    pool.acknowledge()
    assert pool.collect.step()


def test_no_more_is_looked_for_while_many_candidates_wait(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.unlink(record.extent_id)
    absent = range(10**6, 10**6 + 5000)
    with pool.store.lock:
        pool.tables.garbage.suspect(ExtentId(number) for number in absent)

    waiting = []
    while table_rows(pool, "reap"):
        waiting.append(pool.tables.garbage.count)
        pool.collect.step()

    assert waiting[-2] > 4096 >= waiting[-1]
    pool.collect_all()
    assert pool.tables.extents.get(record.extent_id) is None


def test_extents_whose_hints_found_no_room_are_found_by_a_sweep(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.collect_all()
    records = [pool.write_file(name, DATA) for name in ("a", "b", "c", "d")]
    pool.acknowledge()
    with pool.store.operation():
        for record in records:
            pool.tables.file_map.clear(pool.map_of(record.extent_id), 0, 2**62, 10)
    pool.commit()
    with monkeypatch.context() as short:
        short.setattr("engine.metadata.garbage.CANDIDATES_MAX", 2)
        pool.tables.garbage.suspect(record.extent_id for record in records)

    pool.collect_all()

    assert [pool.tables.extents.get(one.extent_id) for one in records] == [None] * 4


@pytest.mark.parametrize(
    ("count", "value_bytes", "left"), [(600, 8, [344, 88, 0]), (10, 65_536, [6, 2, 0])]
)
def test_more_attributes_than_a_step_may_remove_go_in_bounded_steps(
    pool: SmallPool, count: int, value_bytes: int, left: list[int]
) -> None:
    owner = pool.store.new_inode_id()
    with pool.store.operation():
        # As an older version let an inode have them.
        pool.store.writer.executemany(
            "INSERT INTO xattr VALUES (?, ?, ?)",
            [(owner, b"user.%d" % number, bytes(value_bytes)) for number in range(count)],
        )
    pool.commit()

    rows: list[int] = []
    with pool.store.operation():
        pool.tables.names.forget(owner)
    while not rows or rows[-1]:
        rows.append(len(table_rows(pool, "xattr")))
        assert check_metadata(pool.store.connection) == []
        pool.collect.step()

    assert rows == left
    assert table_rows(pool, "reap") == []


def test_a_missing_disk_keeps_its_rows_until_it_is_back(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.unlink(record.extent_id)
    pool.lose(4)
    pool.collect_all()
    pool.acknowledge()
    pool.collect_all()
    waiting = table_rows(pool, "dropped")

    pool.bring_back(4)
    pool.acknowledge()
    pool.collect_all()

    assert [row[3] for row in waiting] == [4]
    assert table_rows(pool, "dropped") == []
    assert pool.all_files() == set()


def test_a_file_that_is_gone_already_counts_as_deleted(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    ref = record.fragments[0]
    pool.disks.memory[ref.disk_id].delete(name_of(record, ref))
    pool.unlink(record.extent_id)

    pool.collect_all()
    pool.acknowledge()
    pool.collect_all()

    assert table_rows(pool, "dropped") == []


def test_a_disk_that_refuses_is_tried_again_later(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    device = pool.disks.devices[DiskId(1)]
    device.add_fault(Fault(action=FailWith(error=DeviceFailedError("no")), method="delete"))
    pool.unlink(record.extent_id)
    pool.collect_all()
    pool.acknowledge()
    pool.collect_all()
    left = len(table_rows(pool, "dropped"))

    device.clear_faults()
    pool.clock.advance(31)
    pool.collect_all()

    assert left == 1
    assert table_rows(pool, "dropped") == []


def test_many_files_go_without_waiting_for_a_commit_between(pool: SmallPool) -> None:
    for number in range(40):
        pool.unlink(pool.write_file(f"f{number}", DATA[:100]).extent_id)
    pool.collect_all()
    pool.acknowledge()

    pool.collect_all()

    assert pool.all_files() == set()


def stray(pool: SmallPool) -> tuple[UnnamedFile, ...]:
    """Write an extent that never gets a row; return its files."""
    record = pool.extents.write(DATA, Replication(2))
    return tuple(
        UnnamedFile(
            ref.disk_id,
            name_of(record, ref),
            pool.disks.memory[ref.disk_id].stat(name_of(record, ref)).mtime_ns,
        )
        for ref in record.fragments
    )


def settle(pool: SmallPool, files: tuple[UnnamedFile, ...]) -> None:
    for file in files:
        pool.unreferenced.offer(file)
    while pool.unreferenced.step():
        pass


def age(pool: SmallPool, files: tuple[UnnamedFile, ...]) -> tuple[UnnamedFile, ...]:
    """Return *files* as if written a day ago; the pool has long moved on."""
    for number in range(12):
        pool.write_file(f"later{number}", b"x", Replication(1))
    pool.acknowledge()
    old_ns = pool.clock.now_ns() - (DAY_S + 1) * 10**9
    return tuple(replace(file, mtime_ns=old_ns) for file in files)


def there(pool: SmallPool, file: UnnamedFile) -> bool:
    return file.name in pool.files(file.disk_id)


def test_an_old_unnamed_file_is_deleted(pool: SmallPool) -> None:
    files = age(pool, stray(pool))

    settle(pool, files)

    assert not any(there(pool, file) for file in files)


def test_a_young_unnamed_file_is_left_alone(pool: SmallPool) -> None:
    files = stray(pool)
    age(pool, files)
    young_ns = pool.clock.now_ns() - (DAY_S - 1) * 10**9

    settle(pool, tuple(replace(file, mtime_ns=young_ns) for file in files))

    assert all(there(pool, file) for file in files)


def test_a_named_file_is_never_touched(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    files = age(
        pool,
        tuple(UnnamedFile(ref.disk_id, name_of(record, ref), 0) for ref in record.fragments),
    )

    settle(pool, files)

    assert all(there(pool, file) for file in files)


def test_a_file_of_a_group_that_is_not_safe_is_set_aside(pool: SmallPool) -> None:
    files = age(pool, stray(pool))
    pool.topology.safe = Generation(8)  # The files say 9.

    settle(pool, files)

    assert not any(there(pool, file) for file in files)
    kept = [one.name for one in pool.disks.memory[files[0].disk_id].list("quarantine")]
    assert len(kept) == 1


def test_a_file_that_this_process_may_be_writing_is_left_alone(pool: SmallPool) -> None:
    files = tuple(replace(file, mtime_ns=0) for file in stray(pool))
    assert pool.store.open_generation <= 9

    settle(pool, files)

    assert all(there(pool, file) for file in files)


def test_a_file_of_a_landing_extent_is_left_alone(pool: SmallPool) -> None:
    files = age(pool, stray(pool))
    pool.tables.garbage.begin_landing(ExtentId(int(files[0].name.split("/")[2].split(".")[0])))

    settle(pool, files)

    assert all(there(pool, file) for file in files)


def test_after_a_forced_open_nothing_unnamed_is_deleted(pool: SmallPool) -> None:
    files = age(pool, stray(pool))
    with pool.store.lock:
        pool.store.take_header(replace(pool.store.template, forced=True))

    settle(pool, files)

    kept = [one.name for one in pool.disks.memory[files[0].disk_id].list("quarantine")]
    assert len(kept) == 1


def test_what_is_no_fragment_is_set_aside_not_deleted(pool: SmallPool) -> None:
    pool.disks.memory[DiskId(1)].put("fragments/0/5.5.5", [b"not a fragment"])

    settle(pool, age(pool, (UnnamedFile(DiskId(1), "fragments/0/5.5.5", 0),)))

    kept = [one.name for one in pool.disks.memory[DiskId(1)].list("quarantine")]
    assert len(kept) == 1


def test_the_daily_listing_finds_what_crashes_left(pool: SmallPool) -> None:
    files = stray(pool)
    age(pool, files)
    pool.clock.advance(3 * DAY_S)

    pool.collect_all()

    assert not any(there(pool, file) for file in files)
