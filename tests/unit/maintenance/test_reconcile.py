"""Reconcile: rebuild, narrow, widen, drain, pending, progress."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault
from engine.errors import DeviceFailedError
from engine.extents.verdict import Verdict
from engine.ids import DiskId
from engine.maintenance.progress import ItemState
from engine.metadata.extents_table import Damage, load_extent
from engine.model.disk import DiskState
from engine.model.redundancy import ErasureCoding
from engine.units import MIB
from tests.unit.maintenance.small_pool import RS, SmallPool, name_of, pattern, small_pool

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


def test_without_another_disk_it_is_pending_and_says_what_would_help(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.lose(2)

    pool.reconcile_all()

    progress = pool.reconcile.progress()
    assert progress.pending_items == 1
    assert progress.items[0].state is ItemState.PENDING
    assert progress.items[0].reason == "needs one more disk, or re-encode 3+2: +11 % space"


def test_a_new_disk_ends_the_pending(tmp_path: Path) -> None:
    with small_pool(tmp_path, 7) as pool:
        pool.lose(7)
        record = pool.write_file("a", DATA)
        pool.lose(2)
        pool.reconcile_all()
        assert pool.reconcile.progress().pending_items == 1

        pool.bring_back(7)
        pool.reconcile_all()

        assert pool.reconcile.progress().pending_items == 0
        assert pool.intact_indexes(pool.record(record.extent_id)) == set(range(6))


def test_one_spare_disk_for_two_losses_mends_one_and_leaves_one_pending(tmp_path: Path) -> None:
    with small_pool(tmp_path, 7) as pool:
        pool.lose(7)
        record = pool.write_file("a", DATA)
        pool.bring_back(7)
        pool.lose(1, 2)

        pool.reconcile_all()

        assert pool.exposure(pool.record(record.extent_id)) == 1
        assert "needs one more disk" in pool.reconcile.progress().items[0].reason


def test_narrow_auto_reencodes_and_keeps_the_tolerance(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.topology.narrow = True
    pool.lose(2, 5)

    pool.reconcile_all()

    narrow = pool.record(record.extent_id)
    assert narrow.redundancy == ErasureCoding(2, 2)
    assert pool.exposure(narrow) == 2
    assert pool.read(narrow) == DATA


def test_narrow_auto_needs_one_disk_more_than_the_tolerance(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.topology.narrow = True
    for number in (1, 2, 3):
        pool.disks.states[DiskId(number)] = DiskState.SUSPECT
    pool.disks.states[DiskId(4)] = DiskState.FAILED

    pool.reconcile_all()

    assert pool.record(record.extent_id) == record
    assert pool.reconcile.progress().items[0].reason == "needs one more disk"


def test_the_full_width_returns_after_the_widen_delay(pool: SmallPool) -> None:
    pool.topology.narrow = True
    record = pool.write_file("a", DATA)
    pool.lose(2)
    pool.reconcile_all()
    assert pool.record(record.extent_id).redundancy == ErasureCoding(3, 2)

    pool.bring_back(2)
    pool.reconcile_all()
    still_narrow = pool.record(record.extent_id).redundancy
    pool.clock.advance(86_401)
    pool.reconcile_all()

    assert still_narrow == ErasureCoding(3, 2)
    wide = pool.record(record.extent_id)
    assert wide.redundancy == RS
    assert pool.intact_indexes(wide) == set(range(6))
    assert pool.read(wide) == DATA


def test_a_disk_that_goes_away_starts_the_widen_delay_again(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA, ErasureCoding(3, 2))
    pool.reconcile_all()
    pool.clock.advance(80_000)
    unused = next(iter(set(pool.disks.devices) - {ref.disk_id for ref in record.fragments}))
    pool.lose(unused)
    pool.reconcile_all()
    pool.bring_back(unused)

    pool.reconcile_all()
    pool.clock.advance(80_000)
    pool.reconcile_all()

    assert pool.record(record.extent_id).redundancy == ErasureCoding(3, 2)


def test_a_draining_disk_is_emptied_onto_others(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    leaving = record.fragments[4].disk_id
    pool.disks.states[leaving] = DiskState.DRAINING

    pool.reconcile_all()
    pool.acknowledge()
    pool.collect_all()

    assert pool.exposure(pool.record(record.extent_id)) == 2
    assert pool.files(leaving) == set()


@pytest.mark.parametrize("offset", [10, 5000, 9000, -1], ids=["header", "table", "page", "end"])
def test_a_corrupt_fragment_is_mended_in_place_under_a_new_name(
    pool: SmallPool, offset: int
) -> None:
    record = pool.write_file("a", DATA)
    pool.extents.flip(record, 5, offset)
    pool.damage.report(record.extent_id, 5, record.fragments[5].disk_id, Verdict.CORRUPT)

    pool.damage.step()
    known = pool.tables.extents.damages(10)
    pool.reconcile_all()

    mended = pool.record(record.extent_id)
    assert [(one.index, one.kind) for one in known] == [(5, "corrupt")]
    assert mended.fragments[5].disk_id == record.fragments[5].disk_id
    assert mended.fragments[5].layout != record.fragments[5].layout
    assert pool.intact_indexes(mended) == set(range(6))
    assert pool.tables.extents.damages(10) == []


def test_known_damage_is_not_mended_without_permission(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.extents.flip(record, 1, 9000)
    with pool.store.operation():
        pool.tables.extents.add_damage(Damage(record.extent_id, 1, "corrupt", 0))
    pool.commit()

    pool.reconcile_all()
    untouched = pool.record(record.extent_id) == record
    pending = pool.reconcile.progress().items
    pool.reconcile.start_now()
    pool.reconcile_all()

    assert untouched
    assert "scrub with repair" in pending[0].reason
    assert pool.intact_indexes(pool.record(record.extent_id)) == set(range(6))


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
    for wait_s in (4, 2, 4, 7):
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


def test_an_extent_nobody_names_is_not_rebuilt(wide_pool: SmallPool) -> None:
    pool = wide_pool
    record = pool.write_file("a", DATA)
    with pool.store.operation():
        pool.tables.file_map.clear(pool.map_of(record.extent_id), 0, 2**62, 10)
    pool.commit()
    pool.lose(record.fragments[0].disk_id)

    pool.reconcile_all()

    assert pool.record(record.extent_id) == record
