"""Rebuild through the mount: narrower and back, killed and going on, pending with a reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.pool.properties import Narrow
from engine.status.views import WorkState
from engine.units import MIB
from tests.e2e.contents import Contents, writing
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

SEED = 13
HEAL_S = 60.0


def _has_healed_to(pool: LivePool, redundancy: str) -> bool:
    """Whether every extent is whole and of this redundancy, and survives two more losses."""
    return pool.redundancies() == {redundancy} and _is_whole(pool)


def _is_whole(pool: LivePool) -> bool:
    view = pool.view()
    return (
        view.exposure.may_fail == 2
        and not view.exposure.degraded_extents
        and not view.reconcile.active
    )


@contextmanager
def _written_pool(root: Path, plan: PoolPlan) -> Iterator[tuple[LivePool, Contents]]:
    with live_pool(root, plan) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.sync()
        yield pool, contents


def _lose(pool: LivePool, *numbers: int) -> None:
    for number in numbers:
        pool.take_away(number)


def test_two_disks_away_heal_narrower_and_back_to_full_width(tmp_path: Path) -> None:
    plan = PoolPlan(narrow=Narrow.AUTO, rebuild_delay_s=1.0, widen_delay_s=1.0)
    with _written_pool(tmp_path, plan) as (pool, contents):
        with writing(contents):
            _lose(pool, 2, 3)
            pool.find_disks(2)
            wait_for(
                "old extents are narrower",
                lambda: "rs:2+2" in pool.redundancies(),
                limit_s=HEAL_S,
            )
        assert contents.differing() == []
        pool.sync()
        wait_for("all is narrower", lambda: _has_healed_to(pool, "rs:2+2"), limit_s=HEAL_S)
        assert contents.differing() == []

        with writing(contents):
            pool.bring_back(2)
            pool.bring_back(3)
            pool.find_disks(0)
        pool.sync()
        wait_for("all has its full width", lambda: _has_healed_to(pool, "rs:4+2"), limit_s=HEAL_S)
        assert contents.differing() == []
        assert pool.ask("check").code == 0


def test_what_was_healed_narrower_survives_two_more_losses(tmp_path: Path) -> None:
    plan = PoolPlan(narrow=Narrow.AUTO, rebuild_delay_s=0.5)
    with _written_pool(tmp_path, plan) as (pool, contents):
        _lose(pool, 0, 5)
        pool.find_disks(2)
        with writing(contents):
            wait_for("all is narrower", lambda: _has_healed_to(pool, "rs:2+2"), limit_s=HEAL_S)
        pool.unmount()
        _lose(pool, 1, 2)

        # Four of six are gone: reading is all that is asked of the two that are left.
        pool.mount_read_only()

        assert contents.differing() == []


def test_rebuild_waits_until_the_lost_fragments_are_elsewhere(tmp_path: Path) -> None:
    with _written_pool(tmp_path, PoolPlan(disk_count=7)) as (pool, contents):
        with writing(contents):
            _lose(pool, 1)
            pool.find_disks(1)
            outcome = pool.ask("rebuild", "--wait")

        assert outcome.code in (0, 3), outcome
        assert pool.view().exposure.degraded_extents == 0
        pool.sync()
        _lose(pool, 4, 6)
        assert contents.differing() == []


def test_a_killed_rebuild_goes_on_after_the_next_mount(tmp_path: Path) -> None:
    plan = PoolPlan(disk_count=7, rebuild_delay_s=0.5)
    with _written_pool(tmp_path, plan) as (pool, contents):
        for number in range(12):
            contents.write(f"large{number}", os.urandom(16 * MIB))
        pool.sync()
        pool.must("rebuild", str(pool.pool_dir), "--limit", "16M")  # So that it has a middle.
        _lose(pool, 2)
        wait_for(
            "the rebuild is in the middle",
            lambda: 0 < pool.view().reconcile.done_items < pool.view().reconcile.total_items,
            limit_s=HEAL_S,
        )

        pool.kill()
        pool.mount()
        pool.must("rebuild", str(pool.pool_dir), "--limit", "0")

        assert contents.differing() == []
        with writing(contents):
            wait_for("nothing is degraded", lambda: _is_whole(pool), limit_s=HEAL_S)
        pool.sync()
        _lose(pool, 0, 5)
        assert contents.differing() == []


def test_what_cannot_be_rebuilt_is_pending_with_its_reason(tmp_path: Path) -> None:
    plan = PoolPlan(narrow=Narrow.OFF, rebuild_delay_s=0.5)
    with _written_pool(tmp_path, plan) as (pool, contents):
        with writing(contents):
            _lose(pool, 4)
            pool.find_disks(1)
            wait_for(
                "work is pending", lambda: pool.view().reconcile.pending_items > 0, limit_s=HEAL_S
            )

        pending = [one for one in pool.view().reconcile.items if one.state is WorkState.PENDING]

        assert pending
        assert all("disk" in one.reason for one in pending)
        assert "pending" in pool.command("status", str(pool.pool_dir)).printed
        assert contents.differing() == []


def test_a_new_disk_takes_what_was_pending(tmp_path: Path) -> None:
    plan = PoolPlan(rebuild_delay_s=0.5)
    with _written_pool(tmp_path, plan) as (pool, contents):
        _lose(pool, 4)
        pool.find_disks(1)
        wait_for("work is pending", lambda: pool.view().reconcile.pending_items > 0, limit_s=HEAL_S)
        (tmp_path / "disk6").mkdir()

        with writing(contents):
            pool.must("add-disk", str(pool.pool_dir), str(tmp_path / "disk6"))
            wait_for("nothing is degraded", lambda: _is_whole(pool), limit_s=HEAL_S)

        pool.sync()
        _lose(pool, 0, 1)
        assert contents.differing() == []


def test_a_disk_marked_failed_is_rebuilt_at_once(tmp_path: Path) -> None:
    with _written_pool(tmp_path, PoolPlan(disk_count=7)) as (pool, contents):
        with writing(contents):
            pool.must("fail-disk", str(pool.pool_dir), "d3", "--yes")
            wait_for(
                "nothing is on the failed disk",
                lambda: pool.view().disks[2].fragment_count == 0 and _is_whole(pool),
                limit_s=HEAL_S,
            )

        pool.sync()
        _lose(pool, 2, 0, 6)  # d3 itself, and two more
        assert contents.differing() == []
