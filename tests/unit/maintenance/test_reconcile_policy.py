"""Reconcile when what is wanted changes: pool, files, and even filling."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from engine.ids import DiskId
from engine.model.disk import DiskState
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    tolerance,
)
from tests.unit.maintenance.small_pool import RS, SmallPool, pattern, small_pool

DATA = pattern(700_001)
SLICE_BYTES = 176_128  # ceil(700,001 / 4) in whole 4 KiB.
POLICIES = [RS, ErasureCoding(2, 2), ErasureCoding(3, 1), Replication(3), Replication(2)]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 7) as small:
        yield small


@pytest.mark.parametrize(
    ("before", "after"), [(one, two) for one in POLICIES for two in POLICIES if one != two]
)
def test_a_changed_policy_is_followed_without_delay_and_keeps_every_byte(
    pool: SmallPool, before: Redundancy, after: Redundancy
) -> None:
    pool.topology.wanted = before
    extent = pool.write_file("a", DATA, before).extent_id
    pool.reconcile_all()

    pool.topology.wanted = after
    pool.reconcile_all()
    pool.acknowledge()
    pool.collect_all()

    record = pool.record(extent)
    assert record.redundancy == after
    assert pool.exposure(record) == tolerance(after)
    assert len(pool.all_files()) == fragment_count(after)
    for lost in combinations(sorted({int(ref.disk_id) for ref in record.fragments}), 1):
        pool.lose(*lost)
        assert pool.read(record) == DATA
        pool.bring_back(*lost)


def test_the_old_form_stays_until_the_new_one_is_acknowledged(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    old = pool.all_files()
    pool.reconcile_all()
    pool.topology.has_quorum = False

    pool.topology.wanted = Replication(3)
    pool.reconcile_all()
    pool.collect_all()

    assert pool.record(record.extent_id).redundancy == Replication(3)
    assert old <= pool.all_files()
    assert pool.read(record) == DATA


def test_a_policy_change_that_a_restart_interrupted_is_not_delayed(pool: SmallPool) -> None:
    pool.topology.wanted = ErasureCoding(2, 2)
    extents = [pool.write_file(f"f{n}", DATA, ErasureCoding(2, 2)).extent_id for n in range(4)]
    pool.reconcile_all()
    pool.topology.wanted = RS
    while not pool.reconcile.progress().done_items:
        assert pool.reconcile.step()

    pool.start_maintenance()
    pool.commit()
    pool.reconcile_all()

    assert {pool.record(one).redundancy for one in extents} == {RS}
    assert pool.reconcile.progress().done_items == 4


def test_what_the_disks_cannot_hold_is_pending_and_the_old_form_stays(tmp_path: Path) -> None:
    with small_pool(tmp_path, 3) as pool:
        pool.topology.wanted = Replication(2)
        record = pool.write_file("a", DATA, Replication(2))
        pool.reconcile_all()

        pool.topology.wanted = ErasureCoding(2, 3)
        pool.reconcile_all()

        assert pool.record(record.extent_id) == record
        assert "needs 4 healthy disks, 3 are there" in pool.reconcile.progress().items[0].reason


def test_a_file_with_a_policy_of_its_own_is_re_encoded_alone(pool: SmallPool) -> None:
    one, other = (pool.write_file(name, DATA).extent_id for name in "ab")
    pool.reconcile_all()

    pool.policies.want(one, Replication(3))
    pool.reconcile_all()

    assert pool.record(one).redundancy == Replication(3)
    assert pool.record(other).redundancy == RS
    assert pool.read(pool.record(one)) == DATA
    del pool.policies.wanted[one]
    pool.policies.changes += 1
    pool.reconcile_all()
    assert pool.record(one).redundancy == RS


def test_a_narrower_policy_is_the_way_out_when_disks_are_gone(tmp_path: Path) -> None:
    with small_pool(tmp_path, 6) as pool:
        extent = pool.write_file("a", DATA).extent_id
        pool.lose(2)
        pool.reconcile_all()
        assert pool.exposure(pool.record(extent)) == 1

        pool.topology.wanted = ErasureCoding(3, 2)
        pool.reconcile_all()

        assert pool.record(extent).redundancy == ErasureCoding(3, 2)
        assert pool.exposure(pool.record(extent)) == 2


# Even filling


def fragments_by_disk(pool: SmallPool) -> dict[int, int]:
    rows = pool.store.connection.execute("SELECT disk, count(*) FROM fragment GROUP BY disk")
    return {int(disk): int(count) for disk, count in rows}


def fill_six_of_eight(pool: SmallPool) -> None:
    pool.lose(7, 8)
    for number in range(24):
        pool.write_file(f"f{number}", DATA)
    pool.bring_back(7, 8)
    pool.reconcile_all()


class RealRoom(dict[DiskId, int]):
    """Free bytes of disks of 12 MiB by what the records name, as a file system would say."""

    def __init__(self, pool: SmallPool) -> None:
        super().__init__()
        self._pool = pool

    def get(self, disk_id: DiskId, _default: object = None) -> int:
        used = fragments_by_disk(self._pool).get(disk_id, 0) * SLICE_BYTES
        return (12 << 20) - used


@pytest.fixture
def lopsided(tmp_path: Path) -> Iterator[SmallPool]:
    """Six disks, a third full, and two that came later."""
    with small_pool(tmp_path, 8) as small:
        fill_six_of_eight(small)
        small.disks.free_bytes = RealRoom(small)
        yield small


def test_new_disks_get_their_share_only_when_that_is_asked_for(lopsided: SmallPool) -> None:
    pool = lopsided
    before = fragments_by_disk(pool)
    assert set(before) == set(range(1, 7))

    pool.reconcile.rebalance()
    pool.reconcile_all()
    pool.acknowledge()
    pool.collect_all()

    after = fragments_by_disk(pool)
    assert set(after) == set(range(1, 9))
    assert max(after.values()) - min(after.values()) <= 2
    assert sum(after.values()) == 24 * 6
    assert len(pool.all_files()) == 24 * 6
    for (extent_id,) in list(pool.store.connection.execute("SELECT id FROM extent")):
        record = pool.record(extent_id)
        assert len({ref.disk_id for ref in record.fragments}) == 6
        assert pool.read(record) == DATA


def test_balance_comes_to_rest_and_ends_by_itself(lopsided: SmallPool) -> None:
    lopsided.reconcile.rebalance()
    lopsided.reconcile_all()
    moved = fragments_by_disk(lopsided)

    lopsided.start_maintenance()
    lopsided.reconcile_all()

    assert not lopsided.reconcile.progress().rebalancing
    assert fragments_by_disk(lopsided) == moved


def test_balance_gives_nothing_to_a_disk_that_is_suspect(lopsided: SmallPool) -> None:
    lopsided.disks.states[DiskId(8)] = DiskState.SUSPECT

    lopsided.reconcile.rebalance()
    lopsided.reconcile_all()

    assert 7 in fragments_by_disk(lopsided)
    assert 8 not in fragments_by_disk(lopsided)


def test_an_interrupted_balance_goes_on_after_a_restart(lopsided: SmallPool) -> None:
    lopsided.reconcile.rebalance()
    while not lopsided.reconcile.progress().done_items:
        assert lopsided.reconcile.step()

    lopsided.start_maintenance()
    lopsided.commit()
    lopsided.reconcile_all()

    after = fragments_by_disk(lopsided)
    assert max(after.values()) - min(after.values()) <= 2
