"""A policy changed by the command line is followed by what is already stored."""

from __future__ import annotations

import os
from pathlib import Path

from engine.units import MIB
from tests.e2e.contents import Contents, writing
from tests.e2e.harness import PoolPlan, live_pool, wait_for

HEAL_S = 90.0


def test_old_extents_follow_the_pool_and_a_file_its_own_policy(tmp_path: Path) -> None:
    with live_pool(tmp_path, PoolPlan(disk_count=7)) as pool:
        contents = Contents(pool.mountpoint)
        contents.write("large", os.urandom(20 * MIB))
        contents.write("small", os.urandom(3 * MIB))
        pool.sync()

        with writing(contents):
            pool.must("change-policy", str(pool.pool_dir), "rs:2+2")
            wait_for("all is 2+2", lambda: pool.redundancies() == {"rs:2+2"}, limit_s=HEAL_S)
            pool.must("change-policy", str(pool.pool_dir), "/small", "copies:3")
            wait_for("one is copies", lambda: "copies:3" in pool.redundancies(), limit_s=HEAL_S)
        pool.sync()

        assert contents.differing() == []
        assert pool.view().reconcile.failed_items == 0
        assert pool.ask("check").code == 0
        for number in (1, 5):
            pool.take_away(number)
        pool.find_disks(2)
        assert contents.differing() == []
