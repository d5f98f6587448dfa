"""Reconcile: what it does when disks are short, narrow, draining or rotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device.faulty import Fault, Hang
from engine.extents.buffers import ExtentBuffer
from engine.extents.verdict import Verdict
from engine.ids import DiskId
from engine.maintenance.progress import ItemState
from engine.metadata.extents_table import Damage
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord
from engine.model.redundancy import ErasureCoding
from engine.policy.waiting import WaitCount, WaitsFor
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


def test_without_another_disk_it_is_pending_and_says_what_would_help(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.lose(2)

    pool.reconcile_all()

    progress = pool.reconcile.progress()
    assert progress.pending_items == 1
    assert progress.items[0].state is ItemState.PENDING
    reason = "needs one more disk, or re-encode 3+2: +11 % space"
    assert progress.items[0].reason == reason
    assert progress.waits == (
        WaitCount(kind="rebuild", waits_for=WaitsFor.DISKS, items=1, reason=reason),
    )


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


def test_an_extent_is_not_copied_in_the_width_it_has_when_a_disk_lacks_room_for_more(
    pool: SmallPool,
) -> None:
    record = pool.write_file("a", DATA, ErasureCoding(3, 2))
    unused = next(iter(set(pool.disks.devices) - {ref.disk_id for ref in record.fragments}))
    pool.disks.free_bytes[unused] = 0
    pool.reconcile_all()

    pool.clock.advance(86_401)
    pool.reconcile_all()

    assert pool.record(record.extent_id) == record
    assert "no room for rs:4+2 now" in pool.reconcile.progress().items[0].reason
    pool.drain_lanes()
    assert pool.all_files() == {(int(r.disk_id), name_of(record, r)) for r in record.fragments}


def test_memory_that_an_abandoned_call_may_still_read_is_not_used_for_the_next_copy(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        pool.write_file(name, DATA, ErasureCoding(3, 2))
    pool.reconcile_all()
    used: list[ExtentBuffer] = []
    write = pool.extents.writer.write

    def noted(buffer: ExtentBuffer, **how: object) -> ExtentRecord:
        used.append(buffer)
        return write(buffer, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(pool.extents.writer, "write", noted)
    gate = threading.Event()
    pool.disks.devices[DiskId(1)].add_fault(Fault(action=Hang(gate=gate), method="put", nth=1))
    pool.disks.timeout_s = 0.2
    try:
        pool.clock.advance(86_401)
        pool.reconcile_all()
    finally:
        gate.set()

    given_up = [buffer for buffer in used if buffer.abandoned]
    assert given_up
    assert len(used) > len(given_up)
    assert all(sum(one is buffer for one in used) == 1 for buffer in given_up)


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
    pending = pool.reconcile.progress()
    pool.reconcile.start_now()
    pool.reconcile_all()

    assert untouched
    assert "scrub with repair" in pending.items[0].reason
    assert [one.waits_for for one in pending.waits] == [WaitsFor.REPAIR]
    assert pool.intact_indexes(pool.record(record.extent_id)) == set(range(6))


def test_what_is_mended_after_a_plain_scrub_does_not_stay_pending(pool: SmallPool) -> None:
    record = pool.write_file("f", pattern(300_000), RS)
    pool.commit()
    pool.extents.flip(record, 0, 9000)
    pool.scrub_all()
    pool.commit()
    pool.reconcile.look_anew()
    pool.reconcile_all()
    assert pool.reconcile.progress().pending_items == 1

    pool.reconcile.mend([record.extent_id])
    for _ in range(50):
        pool.reconcile.step()  # And nothing is committed meanwhile: scans see the damage.

    assert pool.exposure(pool.record(record.extent_id)) == 2
    assert pool.reconcile.progress().pending_items == 0
