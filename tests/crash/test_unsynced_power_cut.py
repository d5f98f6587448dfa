"""Power cuts below a real kernel: disks and pool directory lose what was not synced.

Unlike ``test_power_cut``, nothing of the engine knows: it runs as the command
line starts it, on a file system of which a cut takes unsynced pages, lengths
and names, none or any or all of them.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.crash.running_command import RunningCommand
from tests.crash.storm import Storm
from tests.crash.unsynced_pool import UnsyncedPool, cut_in_storms, sync_folder, unsynced_pool
from tests.crash.unsynced_tree import Kept
from tests.e2e.contents import Contents
from tests.e2e.harness import PoolPlan, wait_for

KEPT = tuple(Kept)


def _survive_cuts(root: Path, *, rounds: int, seed: int, writers: int) -> None:
    """Let storms live through *rounds* cuts that keep each amount in turn."""
    moments = random.Random(seed)
    with unsynced_pool(root) as pool:
        storms = [
            Storm(pool.live.mountpoint, seed + one, name=f"storm{one}") for one in range(writers)
        ]
        for number in range(rounds):
            kept = KEPT[number % len(KEPT)]
            found = cut_in_storms(pool, storms, moments, kept)
            assert found == [], f"round {number} of seed {seed}, {kept.value} kept"
        assert pool.live.ask("check").code == 0


def _survive_cuts_in_rebuilds(root: Path, *, rounds: int, seed: int) -> None:
    """Take a disk away, cut while it is rebuilt elsewhere, and bring it back."""
    moments = random.Random(seed)
    plan = PoolPlan(disk_count=7, rebuild_delay_s=0.0)
    with unsynced_pool(root, plan) as pool:
        contents = Contents(pool.live.mountpoint)
        for number in range(4):
            contents.write(f"base{number}", moments.randbytes(3_000_000))
        pool.live.sync()
        storm = Storm(pool.live.mountpoint, seed)
        for number in range(rounds):
            disk = number % len(pool.live.disks)
            pool.live.take_away(disk)
            sync_folder(pool.disk.path)
            probe = RunningCommand(pool.live, "probe-disks", str(pool.live.pool_dir))
            kept = KEPT[number % len(KEPT)]

            found = cut_in_storms(pool, [storm], moments, kept)

            probe.end()
            assert found == [], f"round {number} of seed {seed}, {kept.value} kept"
            assert contents.differing() == [], f"round {number} of seed {seed}, {kept.value} kept"
            pool.live.bring_back(disk)
            sync_folder(pool.disk.path)
        wait_for("all is whole", lambda: not pool.live.view().exposure.degraded_extents)
        assert pool.live.ask("scrub").code == 0
        assert pool.live.ask("check").code == 0


def test_what_was_fsynced_survives_cuts_of_disks_and_pool_directory(tmp_path: Path) -> None:
    _survive_cuts(tmp_path, rounds=6, seed=5, writers=1)


def test_a_new_pool_is_there_after_a_cut(tmp_path: Path) -> None:
    pool = UnsyncedPool(tmp_path)
    try:
        pool.disk.cut(Kept.NOTHING, 1)
        pool.disk.again()

        pool.live.mount()

        assert pool.live.ask("check").code == 0
    finally:
        pool.close()


def test_an_imported_pool_directory_is_there_after_a_cut(tmp_path: Path) -> None:
    with unsynced_pool(tmp_path) as pool:
        contents = Contents(pool.live.mountpoint)
        contents.write("file", b"data")
        pool.live.unmount()
        pool.live.pool_dir = pool.disk.path / "imported"
        pool.live.must(
            "import", *map(str, pool.live.disks), "--into", str(pool.live.pool_dir), "--yes"
        )

        pool.disk.cut(Kept.NOTHING, 1)
        pool.disk.again()
        pool.live.mount()

        assert contents.differing() == []


def test_a_disk_that_was_added_belongs_to_the_pool_after_a_cut(tmp_path: Path) -> None:
    with unsynced_pool(tmp_path) as pool:
        added = pool.disk.path / "added"
        added.mkdir()
        sync_folder(pool.disk.path)
        pool.live.must("add-disk", str(pool.live.pool_dir), str(added))

        pool.cut(Kept.NOTHING, 1)
        pool.live.mount()

        assert [disk.present for disk in pool.live.view().disks] == [True] * 7
        assert pool.live.ask("check").code == 0


def test_what_unmount_said_is_durable_survives_a_cut(tmp_path: Path) -> None:
    with unsynced_pool(tmp_path) as pool:
        contents = Contents(pool.live.mountpoint)
        contents.write_sizes(1)

        pool.live.unmount()
        pool.disk.cut(Kept.NOTHING, 1)
        pool.disk.again()
        pool.live.mount()

        assert contents.differing() == []


def test_what_many_threads_were_acknowledged_by_one_commit_survives_cuts(tmp_path: Path) -> None:
    _survive_cuts(tmp_path, rounds=3, seed=6, writers=4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("writers", [1, 4])
def test_what_was_fsynced_survives_two_hundred_cuts_of_everything(
    tmp_path: Path, writers: int
) -> None:
    _survive_cuts(tmp_path, rounds=200, seed=200, writers=writers)


def _survive_cuts_after_kills(root: Path, *, rounds: int, seed: int) -> None:
    """Kill the server, mount again, and cut: what the dead one left unsynced counts no more."""
    moments = random.Random(seed)
    with unsynced_pool(root) as pool:
        storm = Storm(pool.live.mountpoint, seed)
        for number in range(rounds):
            storm.start()
            time.sleep(moments.uniform(0.1, 0.5))
            pool.live.kill()
            storm.wait()
            pool.live.mount()
            assert storm.settle() == [], f"round {number} of seed {seed}, before the cut"
            kept = KEPT[number % len(KEPT)]

            pool.cut(kept, moments.randrange(1 << 30))
            pool.live.mount()

            assert storm.settle() == [], f"round {number} of seed {seed}, {kept.value} kept"
        assert pool.live.ask("check").code == 0


def test_what_was_found_after_a_kill_survives_a_cut(tmp_path: Path) -> None:
    _survive_cuts_after_kills(tmp_path, rounds=2, seed=95)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_what_was_found_after_a_hundred_kills_survives_as_many_cuts(tmp_path: Path) -> None:
    _survive_cuts_after_kills(tmp_path, rounds=100, seed=96)


def test_cuts_while_a_disk_is_rebuilt_lose_nothing(tmp_path: Path) -> None:
    _survive_cuts_in_rebuilds(tmp_path, rounds=3, seed=71)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_cuts_while_disks_are_rebuilt_lose_nothing(tmp_path: Path) -> None:
    _survive_cuts_in_rebuilds(tmp_path, rounds=100, seed=72)
