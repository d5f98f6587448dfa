"""A pool of two disks that lost one for good: the way back to two."""

from __future__ import annotations

from pathlib import Path

from engine.model.redundancy import Replication
from engine.status.views import ExitCode
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

SEED = 21
HEAL_S = 60.0


def _is_whole(pool: LivePool) -> bool:
    view = pool.view()
    return view.exposure.may_fail == 1 and not view.exposure.degraded_extents


def test_a_mirror_that_lost_a_disk_is_forced_open_and_made_whole_by_a_new_one(
    tmp_path: Path,
) -> None:
    plan = PoolPlan(disk_count=2, redundancy=Replication(2), rebuild_delay_s=0.5)
    with live_pool(tmp_path, plan) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.unmount()
        pool.take_away(1)
        mount = ("mount", str(pool.pool_dir), str(pool.mountpoint), "--read-write")

        refused = pool.command(*mount)
        assert refused.code == ExitCode.FAILED
        assert "not safe" in refused.said

        pool.must(*mount, "--force")
        assert contents.differing() == []
        (tmp_path / "disk9").mkdir()
        pool.must("add-disk", str(pool.pool_dir), str(tmp_path / "disk9"))
        wait_for("both copies are there", lambda: _is_whole(pool), limit_s=HEAL_S)
        contents.write("after", b"written behind the forced open")
        pool.unmount()

        pool.mount()
        assert contents.differing() == []
        pool.unmount()
        pool.bring_back(1)
        pool.mount()
        wait_for("the old disk is taken in", lambda: pool.view().disks[1].present, limit_s=HEAL_S)
        assert contents.differing() == []


def test_force_without_read_write_is_refused(tmp_path: Path) -> None:
    with live_pool(tmp_path) as pool:
        pool.unmount()

        outcome = pool.command("mount", str(pool.pool_dir), str(pool.mountpoint), "--force")

        assert outcome.code == ExitCode.USAGE
        assert "--read-write" in outcome.said
        pool.mount()
