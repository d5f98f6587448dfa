"""Reconcile under an operator's hand: pause, cancel, limit, pace, what goes first, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ids import DiskId
from engine.maintenance.progress import ItemState
from engine.maintenance.steering import PREFERRED_MAX
from engine.maintenance.work_state import load_work_state
from engine.model.disk import DiskState
from engine.policy.waiting import WaitsFor
from engine.units import MIB
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

DATA = pattern(700_001)
SLICE_BYTES = 176_128  # ceil(700,001 / 4) in whole 4 KiB.


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    """Eight disks for extents of six fragments, with sixteen files; then one failed."""
    with small_pool(tmp_path, 8) as small:
        inner = small.make_directory("inner", small.make_directory("outer"))
        for number in range(12):
            small.write_file(f"f{number}", DATA)
        for number in range(4):
            small.write_file(f"late{number}", DATA, parent=inner)
        small.disks.states[DiskId(1)] = DiskState.FAILED
        yield small


def lost_count(pool: SmallPool) -> int:
    """Return how many fragments are still on the failed disk, by the records."""
    row = pool.store.connection.execute("SELECT count(*) FROM fragment WHERE disk = 1").get
    assert isinstance(row, int)
    return row


def mend_one(pool: SmallPool) -> None:
    """Step until one more extent is mended."""
    before = lost_count(pool)
    while lost_count(pool) == before:
        assert pool.reconcile.step()


# Pause


def test_a_pause_survives_a_restart(pool: SmallPool) -> None:
    mend_one(pool)
    pool.reconcile.pause()
    left = lost_count(pool)

    pool.start_maintenance()
    pool.reconcile_all()

    assert lost_count(pool) == left
    assert pool.reconcile.progress().paused
    pool.reconcile.resume()
    pool.reconcile_all()
    assert lost_count(pool) == 0


def test_a_pause_interrupts_the_extent_in_hand(pool: SmallPool) -> None:
    pool.reconcile_all()
    large = pool.write_file("large", pattern(8 * MIB))
    pool.disks.states[DiskId(1)] = DiskState.HEALTHY
    lost = large.fragments[0].disk_id
    pool.disks.states[lost] = DiskState.FAILED
    pool.reconcile.steering.prefer("/large")
    seen = {name for name in pool.all_files() if f"/{large.extent_id}." in name[1]}
    add_bytes = pool.reconcile._tally.add_bytes

    def pause_meanwhile(extent_id: object, count: int) -> None:
        pool.reconcile.pause()
        add_bytes(extent_id, count)  # type: ignore[arg-type]

    pool.reconcile._tally.add_bytes = pause_meanwhile  # type: ignore[method-assign]
    pool.reconcile_all()

    now = {name for name in pool.all_files() if f"/{large.extent_id}." in name[1]}
    assert now == seen
    assert pool.record(large.extent_id) == large


# Cancel


def test_a_cancelled_round_ends_with_the_list_of_what_is_left(pool: SmallPool) -> None:
    mend_one(pool)
    left = lost_count(pool)

    pool.reconcile.cancel()
    pool.reconcile_all()

    progress = pool.reconcile.progress()
    assert lost_count(pool) == left
    assert progress.cancelled
    assert not progress.active
    assert progress.last_result.startswith(f"cancelled, 0 irrecoverable; {left} pending: cancelled")
    assert {item.state for item in pool.reconcile.list_items(100)} == {ItemState.PENDING}
    assert len(pool.reconcile.list_items(100)) == left
    assert [(one.waits_for, one.items) for one in progress.waits] == [(WaitsFor.RESUME, left)]


@pytest.mark.parametrize("way", ["resume", "rebuild", "disks"])
def test_what_was_cancelled_goes_on_when_it_may(pool: SmallPool, way: str) -> None:
    mend_one(pool)
    pool.reconcile.cancel()
    pool.reconcile_all()
    pool.start_maintenance()
    pool.reconcile_all()
    assert lost_count(pool)

    if way == "resume":
        pool.reconcile.resume()
    elif way == "rebuild":
        pool.reconcile.start_now()
    else:
        pool.disks.states[DiskId(2)] = DiskState.SUSPECT
    pool.reconcile_all()

    assert lost_count(pool) == 0
    assert not pool.reconcile.progress().cancelled


# Limit and pace


def test_a_limit_is_kept_and_progress_knows_when_it_ends(pool: SmallPool) -> None:
    pool.reconcile.steering.limit(SLICE_BYTES)  # One fragment each second.
    total = lost_count(pool)
    etas = []
    for second in range(total):
        while pool.reconcile.step():
            pass
        assert total - lost_count(pool) == second + 1
        assert 0.9 <= pool.reconcile.rest_s() <= 1.0
        progress = pool.reconcile.progress()
        if second and progress.eta_s is not None and progress.done_items < total:
            etas.append((progress.eta_s, total - second - 1))
        pool.clock.advance(1.0)
    pool.reconcile_all()

    assert lost_count(pool) == 0
    # The first second of each pair is what progress said, the other is what it took.
    assert etas
    assert all(said == pytest.approx(took, rel=0.6) for said, took in etas[:2])
    assert all(said == pytest.approx(took, rel=0.2) for said, took in etas[4:])


def test_full_speed_has_no_limit_and_ends_by_itself(pool: SmallPool) -> None:
    pool.reconcile.steering.limit(1)
    mend_one(pool)
    left = lost_count(pool)

    pool.reconcile.steering.full_speed(3600)
    full = pool.reconcile.steering.pace(1e9)
    pool.reconcile_all()
    pool.clock.advance(3601.0)
    after = pool.reconcile.steering.pace(1e9)

    assert left > 0
    assert lost_count(pool) == 0
    assert (full.limit_bytes_s, full.share) == (0, 1.0)
    assert (after.limit_bytes_s, after.in_flight) == (1, 1)
    assert pool.reconcile.progress().full_speed_until_ns == 0


def test_it_rests_while_programs_are_busy_and_not_before(pool: SmallPool) -> None:
    mend_one(pool)
    assert pool.reconcile.rest_s() == 0

    pool.foreground_bytes += 100 * MIB
    pool.clock.advance(0.5)
    busy = pool.reconcile._pacer.pace()
    pool.clock.advance(2.0)
    calm = pool.reconcile._pacer.pace()

    assert busy.share < 0.3
    assert calm.share == 1.0


def test_without_work_there_is_nothing_to_rest_from_while_programs_are_busy(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.reconcile_all()
    read_clock = pool.clock.monotonic_s

    def read_ticking_clock() -> float:
        pool.clock.advance(0.001)  # Each look costs something, as real ones do.
        return read_clock()

    monkeypatch.setattr(pool.clock, "monotonic_s", read_ticking_clock)
    pool.foreground_bytes += 10**9
    pool.clock.advance(0.5)

    assert not pool.reconcile.step()

    assert pool.reconcile._pacer.pace().share < 1.0
    assert pool.reconcile.rest_s() == 0


def test_at_high_priority_several_are_mended_at_once_and_all_of_them(pool: SmallPool) -> None:
    pool.reconcile.steering.set_priority("high")

    pool.reconcile_all()

    assert lost_count(pool) == 0
    assert pool.reconcile.progress().last_result == "finished, 0 irrecoverable"
    rows = pool.store.connection.execute("SELECT DISTINCT extent FROM segment")
    for (extent_id,) in list(rows):
        record = pool.record(extent_id)
        assert pool.exposure(record) == 2
        assert pool.read(record) == DATA


def test_wishes_that_cannot_be_meant_are_refused(pool: SmallPool) -> None:
    steering = pool.reconcile.steering
    with pytest.raises(UsageError, match="negative"):
        steering.limit(-1)
    with pytest.raises(UsageError, match="low, normal, high"):
        steering.set_priority("fast")
    with pytest.raises(UsageError, match="seconds"):
        steering.full_speed(-5)
    for number in range(PREFERRED_MAX):
        steering.prefer(f"/f{number}")
    with pytest.raises(UsageError, match="preferred"):
        steering.prefer("/one-more")


# What goes first


def test_the_files_of_a_preferred_directory_go_first_among_equals(pool: SmallPool) -> None:
    rows = pool.store.connection.execute(
        "SELECT s.extent FROM dentry d JOIN inode i ON i.id = d.inode JOIN segment s USING (map)"
        " JOIN fragment f ON f.extent = s.extent AND f.disk = 1"
        " WHERE CAST(d.name AS TEXT) LIKE 'late%'"
    )
    wanted = sorted(row[0] for row in rows)
    mended: list[int] = []
    pool.reconcile.on_mended.append(lambda extent_id, _count: mended.append(extent_id))

    pool.reconcile.steering.prefer("/outer")
    pool.reconcile_all()

    assert wanted
    assert mended[: len(wanted)] == wanted
    assert len(mended) > len(wanted)


def test_exposure_counts_more_than_what_is_preferred(pool: SmallPool) -> None:
    rows = pool.store.connection.execute("SELECT DISTINCT extent FROM fragment WHERE disk = 1")
    records = [pool.record(row[0]) for row in list(rows)]
    other = DiskId(2)
    exposed = [one for one in records if other in {ref.disk_id for ref in one.fragments}]
    calm = [one for one in records if one not in exposed]
    assert exposed
    assert calm
    pool.disks.states[other] = DiskState.FAILED
    number = pool.store.connection.execute(
        "SELECT name FROM dentry JOIN inode ON inode = id JOIN segment USING (map)"
        " WHERE extent = ?",
        (calm[0].extent_id,),
    ).get
    mended: list[int] = []
    pool.reconcile.on_mended.append(lambda extent_id, _count: mended.append(extent_id))

    pool.reconcile.steering.prefer("/" + number.decode())
    pool.reconcile_all()

    assert set(mended[: len(exposed)]) == {one.extent_id for one in exposed}


def test_items_are_listed_in_order_with_their_files(pool: SmallPool) -> None:
    pool.reconcile.step()

    items = pool.reconcile.list_items(3)

    assert [item.state for item in items] == [ItemState.QUEUED] * 3
    assert [item.kind for item in items] == ["rebuild"] * 3
    assert all(item.path.startswith("/f") for item in items)
    assert [item.extent_id for item in items] == sorted(item.extent_id for item in items)


# Restart


def test_totals_rate_and_eta_survive_a_restart(pool: SmallPool) -> None:
    total = lost_count(pool)
    for _ in range(3):
        pool.clock.advance(1.0)
        mend_one(pool)
    before = pool.reconcile.progress()

    pool.start_maintenance()
    pool.commit()
    pool.clock.advance(3600.0)
    pool.reconcile.step()
    after = pool.reconcile.progress()

    assert (after.done_items, after.total_items) == (before.done_items, total)
    assert after.done_bytes == before.done_bytes
    assert after.started_ns == before.started_ns
    assert after.rate_bytes_s == pytest.approx(before.rate_bytes_s, rel=0.2)
    assert after.eta_s == pytest.approx(before.eta_s, rel=0.2)
    pool.reconcile_all()
    end = pool.reconcile.progress()
    assert (end.done_items, end.total_items) == (total, total)
    assert end.last_result == "finished, 0 irrecoverable"


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"paused": 3}', '{"priority": "warp"}'])
def test_a_damaged_state_file_means_defaults(pool: SmallPool, rubbish: str) -> None:
    pool.reconcile.close()
    (pool.folder / "reconcile.json").write_text(rubbish, "utf-8")

    pool.start_maintenance()
    pool.reconcile_all()

    assert lost_count(pool) == 0


def test_a_rebuild_that_was_asked_for_needs_no_second_asking_after_a_restart(
    pool: SmallPool,
) -> None:
    pool.disks.states[DiskId(1)] = DiskState.HEALTHY
    pool.disks.missing.add(DiskId(1))
    pool.topology.absent[DiskId(1)] = pool.clock.monotonic_s()
    pool.reconcile_all()
    held_back = lost_count(pool)
    pool.reconcile.start_now()
    mend_one(pool)

    pool.start_maintenance()
    pool.reconcile_all()

    assert held_back > 1
    assert lost_count(pool) == 0


# Room


def test_without_room_beyond_what_is_promised_it_waits_and_says_how_much(
    pool: SmallPool,
) -> None:
    pool.room.free = 3 * (SLICE_BYTES + 8192)
    total = lost_count(pool)

    pool.reconcile_all()
    pending = pool.reconcile.progress()
    files = pool.all_files()
    pool.reconcile_all()

    assert lost_count(pool) == total - 3
    assert pending.pending_items == total - 3
    assert "needs 184320 bytes of room" in pending.last_result
    assert [(one.waits_for, one.items) for one in pending.waits] == [(WaitsFor.ROOM, total - 3)]
    assert pool.all_files() == files
    pool.room.free = 1 << 40
    pool.reconcile_all()
    assert lost_count(pool) == 0
    assert pool.room.taken == 0


def test_every_wish_is_in_the_file_when_the_verb_returns(pool: SmallPool) -> None:
    path = pool.folder / "reconcile.json"
    steering = pool.reconcile.steering

    steering.pause()
    steering.limit(5)
    steering.set_priority("high")
    steering.full_speed(60)
    steering.prefer("/f1")
    steering.cancel("basis")
    steering.set_rebalancing(rebalancing=True)

    # No end of the process comes between: whatever it is, it may be a crash.
    assert load_work_state(path) == steering.state
    assert steering.state.paused
    assert steering.state.preferred == ("/f1",)
