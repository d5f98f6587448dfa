"""Reconcile: rebuild, order, interruption, progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault
from engine.errors import DeviceFailedError
from engine.ids import DiskId
from engine.metadata.extents_table import Damage, load_extent
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.inode import Segment
from engine.units import MIB
from tests.unit.maintenance.small_pool import SmallPool, name_of, pattern, small_pool

DATA = pattern(700_001)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


@pytest.fixture
def wide_pool(tmp_path: Path) -> Iterator[SmallPool]:
    """Eight disks for extents of six fragments."""
    with small_pool(tmp_path, 8) as small:
        yield small


def test_any_two_lost_disks_are_rebuilt_elsewhere_and_two_more_may_go(tmp_path: Path) -> None:
    for number, pair in enumerate(combinations(range(1, 9), 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with small_pool(folder, 8) as pool:
            extent = pool.write_file("a", DATA).extent_id
            pool.lose(*pair)

            pool.reconcile_all()

            record = pool.record(extent)
            assert pool.intact_indexes(record) == set(range(6))
            assert not {ref.disk_id for ref in record.fragments} & set(pair)
            others = sorted({int(ref.disk_id) for ref in record.fragments})[:2]
            pool.lose(*others)
            assert pool.read(record) == DATA


def test_nothing_is_read_while_nothing_changed(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.reconcile_all()
    pool.extents.forget_counts()

    assert not pool.reconcile.step()

    assert pool.extents.counted("get") == {}


def test_a_missing_disk_is_waited_for_then_rebuilt(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    lost = record.fragments[0].disk_id
    pool.disks.missing.add(lost)
    pool.topology.absent[lost] = pool.clock.monotonic_s()

    pool.reconcile_all()
    before = pool.reconcile.progress()
    unchanged = pool.record(record.extent_id) == record
    pool.clock.advance(601)
    pool.reconcile_all()

    assert unchanged
    assert before.waiting_s == pytest.approx(600)
    assert f"d{lost} is missing" in before.waiting_reason
    assert pool.exposure(pool.record(record.extent_id)) == 2
    assert pool.reconcile.progress().waiting_s == 0


def test_a_failed_disk_is_not_waited_for(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[3].disk_id] = DiskState.FAILED

    pool.reconcile_all()

    assert pool.record(record.extent_id).fragments[3].disk_id != record.fragments[3].disk_id


def test_start_now_does_not_wait_for_the_delay(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    lost = record.fragments[0].disk_id
    pool.disks.missing.add(lost)
    pool.topology.absent[lost] = pool.clock.monotonic_s()
    pool.reconcile_all()

    pool.reconcile.start_now()
    pool.reconcile_all()

    assert pool.record(record.extent_id).fragments[0].disk_id != lost


def test_the_old_record_stands_until_the_commit_and_its_files_longer(
    wide_pool: SmallPool,
) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[0].disk_id] = DiskState.FAILED
    files = pool.all_files()

    pool.topology.has_quorum = False
    pool.reconcile_all()
    with pool.readers.read() as connection:
        committed = load_extent(connection, record.extent_id)
    pool.collect_all()

    assert committed == record
    assert files <= pool.all_files()
    assert pool.record(record.extent_id) != record


def test_a_crash_between_copy_and_commit_leaves_the_old_record_valid(
    wide_pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[0].disk_id] = DiskState.FAILED

    class PowerCutError(Exception):
        pass

    def cut(_record: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(pool.tables.extents, "replace", cut)
        with pytest.raises(PowerCutError):
            pool.reconcile_all()
    pool.start_maintenance()

    assert pool.record(record.extent_id) == record
    assert pool.read(record) == DATA
    pool.reconcile_all()
    assert pool.record(record.extent_id).fragments[0].layout != record.fragments[0].layout


def test_a_record_that_changed_during_the_copy_is_not_overwritten(
    wide_pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[0].disk_id] = DiskState.FAILED
    rebuild = pool.extents.rebuilder.rebuild_fragments

    def unlink_meanwhile(*args: object, **kwargs: object) -> object:
        refs = rebuild(*args, **kwargs)  # type: ignore[arg-type]
        pool.unlink(record.extent_id)
        pool.collect_all()
        return refs

    monkeypatch.setattr(pool.extents.rebuilder, "rebuild_fragments", unlink_meanwhile)
    pool.reconcile_all()

    assert pool.tables.extents.get(record.extent_id) is None
    pool.drain_lanes()
    assert pool.all_files() == {(int(r.disk_id), name_of(record, r)) for r in record.fragments}


def test_a_copy_does_not_undo_another_that_was_committed_meanwhile(
    wide_pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[0].disk_id] = DiskState.FAILED
    rebuild = pool.extents.rebuilder.rebuild_fragments
    others: list[FragmentRef] = []

    def renew_another_meanwhile(
        record: ExtentRecord, targets: Mapping[int, DiskId], **how: object
    ) -> tuple[FragmentRef, ...]:
        refs = rebuild(record, targets, **how)  # type: ignore[arg-type]
        if not others:
            there = {1: record.fragments[1].disk_id}
            others.extend(rebuild(record, there, **how))  # type: ignore[arg-type]
            fragments = (record.fragments[0], *others, *record.fragments[2:])
            with pool.store.operation():
                pool.tables.extents.replace(replace(record, fragments=fragments))
        return refs

    monkeypatch.setattr(pool.extents.rebuilder, "rebuild_fragments", renew_another_meanwhile)
    pool.reconcile_all()

    assert pool.record(record.extent_id).fragments[1] == others[0]
    assert pool.exposure(pool.record(record.extent_id)) == 2
    assert pool.read(record) == DATA


def test_the_most_exposed_extent_is_mended_first(wide_pool: SmallPool) -> None:
    pool = wide_pool
    first = pool.write_file("a", DATA)
    second = pool.write_file("b", DATA)
    both = {ref.disk_id for ref in first.fragments} & {ref.disk_id for ref in second.fragments}
    only_second = {ref.disk_id for ref in second.fragments} - {
        ref.disk_id for ref in first.fragments
    }
    lost = [next(iter(both)), next(iter(only_second))]
    order: list[int] = []
    pool.reconcile.on_mended.append(lambda extent_id, _count: order.append(extent_id))

    pool.lose(*lost)
    pool.reconcile_all()

    assert order == [second.extent_id, first.extent_id]


def test_what_is_lost_is_named_and_the_rest_is_mended(wide_pool: SmallPool) -> None:
    pool = wide_pool
    doomed = pool.write_file("doomed", DATA)
    for ref in doomed.fragments[:3]:
        pool.disks.memory[ref.disk_id].delete(name_of(doomed, ref))
    with pool.store.operation():
        for index in range(3):
            pool.tables.extents.add_damage(Damage(doomed.extent_id, index, "missing", 0))
    sound = pool.write_file("sound", DATA)
    pool.disks.states[sound.fragments[0].disk_id] = DiskState.FAILED
    pool.commit()

    pool.reconcile.start_now()
    pool.reconcile_all()

    progress = pool.reconcile.progress()
    assert progress.last_result.startswith("finished, 1 irrecoverable: /doomed")
    assert pool.exposure(pool.record(sound.extent_id)) == 2
    assert progress.lost_items == 1


def test_a_rebuild_that_fails_waits_longer_each_time_and_then_succeeds(
    wide_pool: SmallPool,
) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    pool.disks.states[record.fragments[0].disk_id] = DiskState.FAILED
    fault = Fault(action=FailWith(error=DeviceFailedError("no")), method="put")
    for device in pool.disks.devices.values():
        device.add_fault(fault)

    pool.reconcile_all()
    attempts = [pool.extents.metrics.snapshot()["rebuilds_attempted_total"][""]]
    for wait_s in (4, 2, 9, 2):
        pool.clock.advance(wait_s)
        pool.reconcile_all()
        attempts.append(pool.extents.metrics.snapshot()["rebuilds_attempted_total"][""])
    for device in pool.disks.devices.values():
        device.clear_faults()
    pool.clock.advance(600)
    pool.reconcile_all()

    assert attempts == [1, 1, 2, 2, 3]
    assert pool.exposure(pool.record(record.extent_id)) == 2


def test_progress_counts_items_and_bytes_and_ends_with_a_result(wide_pool: SmallPool) -> None:
    pool = wide_pool
    records = [pool.write_file(f"f{n}", DATA) for n in range(5)]
    lost = records[0].fragments[0].disk_id
    touched = [r for r in records if lost in {ref.disk_id for ref in r.fragments}]
    pool.lose(lost)

    pool.reconcile_all()

    progress = pool.reconcile.progress()
    slice_bytes = 176_128  # ceil(700,001 / 4) in whole 4 KiB.
    assert (progress.done_items, progress.total_items) == (len(touched), len(touched))
    assert progress.written_bytes == len(touched) * slice_bytes
    metrics = pool.extents.metrics.snapshot()
    assert metrics["rebuild_bytes_written_total"][""] == len(touched) * slice_bytes
    assert metrics["rebuilds_successful_total"][""] == len(touched)
    assert progress.last_result == "finished, 0 irrecoverable"
    assert pool.topology.made_safe == 1


def test_after_a_restart_the_rest_is_found_again(wide_pool: SmallPool) -> None:
    pool = wide_pool
    records = [pool.write_file(f"f{n}", DATA) for n in range(6)]
    pool.lose(1, 2)
    while pool.reconcile.progress().done_items < 2:
        assert pool.reconcile.step()

    pool.start_maintenance()
    pool.commit()
    pool.reconcile_all()

    assert all(pool.exposure(pool.record(one.extent_id)) == 2 for one in records)


def test_pause_interrupts_and_resume_goes_on(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", pattern(8 * MIB))
    pool.lose(record.fragments[0].disk_id)
    pool.reconcile.pause()
    assert not pool.reconcile.step()

    pool.reconcile.resume()
    pool.reconcile_all()

    assert pool.exposure(pool.record(record.extent_id)) == 2


def test_it_is_active_from_the_order_to_the_result(wide_pool: SmallPool) -> None:
    pool = wide_pool
    pool.lose(pool.write_file("a", DATA).fragments[0].disk_id)
    pool.reconcile.start_now()
    seen = [pool.reconcile.progress().active]

    while pool.reconcile.step():
        seen.append(pool.reconcile.progress().active)

    assert all(seen)
    assert not pool.reconcile.progress().active
    assert pool.reconcile.progress().last_result == "finished, 0 irrecoverable"


def test_what_comes_behind_the_scan_is_found_before_it_says_finished(
    wide_pool: SmallPool,
) -> None:
    pool = wide_pool
    first = pool.write_file("a", DATA)
    late = pool.extents.write(DATA, first.redundancy)
    shared = {r.disk_id for r in first.fragments} & {r.disk_id for r in late.fragments}
    pool.lose(min(shared))
    while not pool.reconcile.progress().done_items:
        pool.reconcile.step()

    with pool.store.operation():
        pool.tables.extents.insert(late)
        pool.tables.file_map.put_segment(
            pool.store.new_map_id(), Segment(0, len(DATA), late.extent_id, 0)
        )
    pool.commit()
    pool.reconcile_all()

    assert pool.exposure(pool.record(late.extent_id)) == 2


def test_an_extent_nobody_names_is_not_rebuilt(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    with pool.store.operation():
        pool.tables.file_map.clear(pool.map_of(record.extent_id), 0, 2**62, 10)
    pool.commit()
    pool.lose(record.fragments[0].disk_id)

    pool.reconcile_all()

    assert pool.record(record.extent_id) == record
