"""Compaction: what lives moves to a new extent, the half-dead one goes; nothing else happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ids import DiskId, ExtentId
from engine.maintenance.progress import ItemState
from engine.metadata.extents_table import Damage
from engine.model.disk import DiskState
from engine.model.redundancy import ErasureCoding
from engine.policy.compaction import QUIET_S, ROUND_S
from engine.units import GIB, MIB
from tests.unit.maintenance.shared_extent import PART, SharedFiles
from tests.unit.maintenance.small_pool import RS, SmallPool, name_of, small_pool


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 7) as small:
        yield small


@pytest.fixture
def files(pool: SmallPool) -> SharedFiles:
    return SharedFiles(pool)


def compact_now(pool: SmallPool) -> None:
    """What the operator's command does, and what follows it."""
    pool.acknowledge()
    pool.collect_all()
    pool.acknowledge()
    pool.reconcile.compact()
    pool.reconcile_all()
    pool.acknowledge()
    pool.collect_all()
    pool.acknowledge()
    pool.collect_all()


def named_files(pool: SmallPool, files: SharedFiles) -> set[tuple[int, str]]:
    """Return the fragment files that the records name."""
    records = [pool.record(one) for one in files.records()]
    return {(int(ref.disk_id), name_of(one, ref)) for one in records for ref in one.fragments}


def test_half_dead_extents_become_one_and_leave_the_disks(
    pool: SmallPool, files: SharedFiles
) -> None:
    old = [files.write(10, seed=number) for number in range(4)]
    for record in old:
        files.remove(record.extent_id, 7)

    compact_now(pool)

    (new,) = files.extents()
    assert new not in {record.extent_id for record in old}
    assert files.records() == {new}
    assert pool.record(new).length_bytes == 4 * 3 * PART
    assert pool.record(new).redundancy == RS
    assert files.whole()
    pool.drain_lanes()
    assert pool.all_files() == named_files(pool, files)
    assert not pool.reconcile.progress().compacting
    assert pool.reconcile.progress().last_result == "finished, 0 irrecoverable"
    assert pool.reconcile.progress().done_items == 4


def test_an_extent_that_lives_for_the_larger_part_stays_as_it_is(
    pool: SmallPool, files: SharedFiles
) -> None:
    half, less = files.write(10), files.write(10, seed=1)
    files.remove(half.extent_id, 5)
    files.remove(less.extent_id, 6)

    compact_now(pool)

    assert half.extent_id in files.extents()
    assert less.extent_id not in files.records()
    assert files.whole()


def test_new_extents_are_full_and_none_is_larger_than_an_extent(
    pool: SmallPool, files: SharedFiles
) -> None:
    for number in range(4):
        files.remove(files.write(8, part=MIB, seed=number).extent_id, 5)

    compact_now(pool)

    lengths = sorted(pool.record(one).length_bytes for one in files.records())
    assert lengths == [6 * MIB, 6 * MIB]
    assert files.whole()


# When


def test_by_itself_it_waits_until_nothing_more_is_lost(pool: SmallPool, files: SharedFiles) -> None:
    record = files.write(10)
    files.remove(record.extent_id, 6)
    files.settle()
    pool.reconcile_all()
    pool.clock.advance(QUIET_S - 1)
    files.remove(record.extent_id, 1)
    files.settle()
    pool.reconcile_all()
    pool.clock.advance(QUIET_S - 1)
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    pool.clock.advance(10)
    pool.reconcile_all()

    assert record.extent_id not in files.extents()
    assert files.whole()


def test_what_was_compacted_is_left_alone(pool: SmallPool, files: SharedFiles) -> None:
    files.remove(files.write(10).extent_id, 6)
    compact_now(pool)
    extents = files.extents()

    for _ in range(5):
        compact_now(pool)
        pool.clock.advance(100_000)
        pool.reconcile_all()

    assert files.extents() == extents
    assert pool.reconcile.progress().done_items == 1


def test_a_restart_finds_what_is_half_dead_again(pool: SmallPool, files: SharedFiles) -> None:
    record = files.write(10)
    files.remove(record.extent_id, 6)
    files.settle()
    pool.start_maintenance()
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    pool.clock.advance(QUIET_S + 10)
    pool.reconcile_all()

    assert record.extent_id not in files.extents()


def test_a_pool_that_is_nearly_full_does_not_wait_and_takes_more(
    pool: SmallPool, files: SharedFiles
) -> None:
    record = files.write(10)
    files.remove(record.extent_id, 3)
    files.settle()
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    for disk_id in pool.disks.devices:
        pool.disks.free_bytes[disk_id] = GIB // 10
    pool.clock.advance(ROUND_S)
    pool.reconcile_all()

    assert record.extent_id not in files.extents()
    assert files.whole()


def test_a_pool_that_does_not_want_it_compacts_only_when_told(
    pool: SmallPool, files: SharedFiles
) -> None:
    pool.topology.percent = 0
    record = files.write(10)
    files.remove(record.extent_id, 6)
    files.settle()
    pool.reconcile_all()
    pool.clock.advance(1e6)
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    compact_now(pool)

    assert record.extent_id not in files.extents()


@pytest.mark.parametrize(
    "trouble", ["missing", "damaged", "another policy", "too narrow", "too few disks"]
)
def test_an_extent_in_trouble_is_mended_first_and_never_compacted_before(
    pool: SmallPool, files: SharedFiles, trouble: str
) -> None:
    narrow = trouble == "too narrow"
    record = files.write(10, redundancy=ErasureCoding(3, 2) if narrow else RS)
    files.remove(record.extent_id, 6)
    if trouble == "missing":
        pool.lose(int(record.fragments[0].disk_id))
        pool.topology.absent.clear()  # Still waited for.
    elif trouble == "damaged":
        with pool.store.operation():
            pool.tables.extents.add_damage(Damage(record.extent_id, 0, "corrupt", 1))
    elif trouble == "another policy":
        pool.topology.wanted = ErasureCoding(6, 2)  # No room for it with seven disks.
    elif trouble == "too few disks":
        for disk_id in (1, 2):
            pool.disks.states[DiskId(disk_id)] = DiskState.SUSPECT

    compact_now(pool)

    assert record.extent_id in files.extents()
    assert files.whole()
    # Nothing was tried in vain either, so nothing waits as if it had been.
    assert pool.reconcile.progress().pending_items == int(trouble in ("damaged",))
    pool.bring_back(*map(int, pool.disks.missing.copy()))
    pool.disks.states.clear()
    pool.topology.wanted = RS
    pool.reconcile.start_now()
    compact_now(pool)
    assert record.extent_id not in files.extents()
    assert files.whole()


# What an operator sees and steers


def test_the_work_is_listed_as_compact_with_what_it_would_free(
    pool: SmallPool, files: SharedFiles
) -> None:
    records = [files.write(10, seed=number) for number in range(3)]
    for record, removed in zip(records, (6, 8, 7), strict=True):
        files.remove(record.extent_id, removed)
    files.settle()
    pool.reconcile.compact()
    while not (items := pool.reconcile.list_items(10)):
        assert pool.reconcile.step()

    assert {item.kind for item in items} == {"compact"}
    assert [item.extent_id for item in items] == [records[i].extent_id for i in (1, 2, 0)]
    assert pool.reconcile.progress().reclaimable_bytes == (6 + 8 + 7) * PART
    assert {item.state for item in items} == {ItemState.QUEUED}


def test_a_pause_and_a_cancellation_hold_it_up_and_a_restart_does_not_forget_it(
    pool: SmallPool, files: SharedFiles
) -> None:
    record = files.write(10)
    files.remove(record.extent_id, 6)
    files.settle()
    pool.reconcile.compact()
    pool.reconcile.pause()
    pool.start_maintenance()
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    pool.reconcile.resume()
    pool.reconcile.cancel()
    pool.reconcile_all()
    pool.clock.advance(10 * QUIET_S)
    pool.reconcile_all()
    assert record.extent_id in files.extents()

    pool.reconcile.resume()
    pool.reconcile.compact()
    pool.start_maintenance()
    pool.reconcile_all()
    assert record.extent_id not in files.extents()


@pytest.fixture
def full(pool: SmallPool, files: SharedFiles) -> list[ExtentId]:
    """Four extents with 3 MiB alive each, in a pool without any room."""
    old = [files.write(8, part=MIB, seed=number).extent_id for number in range(4)]
    for extent_id in old:
        files.remove(extent_id, 5)
    pool.room.free = 0
    pool.disks.free_bytes = dict.fromkeys(pool.disks.devices, 0)
    pool.disks.reserve_bytes = 4 * MIB
    for _ in range(2):
        pool.acknowledge()
        pool.collect_all()
    return old


def test_a_full_pool_goes_on_one_extent_at_a_time_out_of_what_its_disks_keep_free(
    pool: SmallPool, files: SharedFiles, full: list[ExtentId]
) -> None:
    pool.reconcile.compact()
    pool.reconcile_all()
    waiting = pool.reconcile.progress()
    pool.reconcile_all()
    lent = pool.room.lent
    for _ in range(2):
        pool.acknowledge()
        pool.collect_all()

    pool.reconcile_all()

    assert (lent, pool.room.lent) == (1, 2)  # Not before what was moved had left the disks.
    assert "what was moved before has still to leave the disks" in waiting.items[0].reason
    assert not files.extents() & set(full)
    assert files.whole()


def test_nothing_is_lent_while_room_is_promised_to_writers(
    pool: SmallPool, files: SharedFiles, full: list[ExtentId]
) -> None:
    pool.room.taken = 1
    pool.reconcile.compact()
    pool.reconcile_all()
    assert pool.room.lent == 0
    assert files.extents() == set(full)

    pool.room.taken = 0
    pool.reconcile_all()

    assert pool.room.lent == 1


def test_half_of_what_disks_keep_free_is_not_for_compaction(
    pool: SmallPool, files: SharedFiles, full: list[ExtentId]
) -> None:
    pool.disks.reserve_bytes = 2 * MIB

    pool.reconcile.compact()
    for _ in range(3):
        pool.reconcile_all()
        pool.acknowledge()
        pool.collect_all()

    assert files.extents() == set(full)
    assert pool.room.lent == 1  # Tried, and not again and again.
    assert pool.reconcile.progress().pending_items == 4

    pool.disks.reserve_bytes, pool.room.free = 4 * MIB, 1
    pool.reconcile_all()
    assert not files.extents() >= set(full)


def test_without_room_it_is_pending_with_the_reason_and_goes_on_when_there_is(
    pool: SmallPool, files: SharedFiles
) -> None:
    record = files.write(10)
    files.remove(record.extent_id, 6)
    pool.room.free, pool.room.taken = 1000, 1  # And promised to a writer: nothing is lent.
    compact_now(pool)
    progress = pool.reconcile.progress()
    assert record.extent_id in files.extents()
    assert (progress.pending_items, progress.active) == (1, False)
    assert "needs" in progress.items[0].reason

    pool.room.free, pool.room.taken = GIB, 0
    compact_now(pool)

    assert record.extent_id not in files.extents()
    assert pool.room.taken == 0


def test_spares_take_nothing_of_it(pool: SmallPool, files: SharedFiles) -> None:
    pool.disks.spares.add(DiskId(7))
    record = files.write(10)
    files.remove(record.extent_id, 6)
    pool.disks.free_bytes[DiskId(1)] = 0

    compact_now(pool)
    assert record.extent_id in files.extents()
    assert "no room for rs:4+2" in pool.reconcile.progress().items[0].reason

    del pool.disks.free_bytes[DiskId(1)]
    pool.room.free += 1
    compact_now(pool)
    (new,) = files.extents()
    assert new != record.extent_id
    assert DiskId(7) not in {ref.disk_id for ref in pool.record(new).fragments}
