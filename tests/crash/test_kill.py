"""SIGKILL at random points of a storm of writes: each file is old or new."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.crash.storm import Storm
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, live_pool, run_tool, wait_for, wait_for_death

STORM_S_MAX = 0.5
WRITERS = 6
"""Threads that fsync at once, so that they share commits."""

IMMEDIATE_EVERY = 6
"""Every so many rounds the server dies right after the mount: recovery is killed, too."""


def _survive(root: Path, *, rounds: int, seed: int, writers: int = 1) -> int:
    """Let storms live through *rounds* kills; return how many operations they did.

    Any contradiction fails with the round and the seed that make it again.
    """
    moments = random.Random(seed)
    with live_pool(root) as pool:
        storms = [Storm(pool.mountpoint, seed + one, name=f"storm{one}") for one in range(writers)]
        for number in range(rounds):
            for storm in storms:
                storm.start()
            limit_s = 0.0 if number % IMMEDIATE_EVERY == IMMEDIATE_EVERY - 1 else STORM_S_MAX
            time.sleep(moments.uniform(0.0, limit_s))
            early = [storm.failure for storm in storms if storm.failure is not None]
            pool.kill()
            for storm in storms:
                storm.wait()
            assert early == [], f"round {number}: writing failed before the kill"

            pool.mount()

            found = [text for storm in storms for text in storm.settle()]
            assert found == [], f"round {number} of seed {seed}"
        assert pool.ask("check").code == 0
    return sum(storm.operations for storm in storms)


def test_fifteen_kills_leave_each_file_old_or_new(tmp_path: Path) -> None:
    operations = _survive(tmp_path, rounds=15, seed=8)

    assert operations > 60, "the storm hardly blew"


def test_kills_while_many_threads_wait_for_one_commit_lose_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    operations = _survive(tmp_path, rounds=6, seed=18, writers=WRITERS)

    assert operations > 40, "the storms hardly blew"


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("writers", [1, WRITERS])
def test_two_hundred_kills_leave_each_file_old_or_new(tmp_path: Path, writers: int) -> None:
    operations = _survive(tmp_path, rounds=200, seed=88, writers=writers)

    assert operations > 1000, "the storms hardly blew"


def _find_all_disks(pool: LivePool) -> None:
    """Wait until every disk is there again and the journals are on five of them."""
    wait_for(
        "six disks, five with journals",
        lambda: (
            sum(disk.present for disk in pool.view().disks) == 6
            and sum(disk.in_journal_set for disk in pool.view().disks) == 5
        ),
    )


def test_what_was_acknowledged_survives_a_kill_and_two_lost_disks_at_once(tmp_path: Path) -> None:
    source = random.Random(3)
    with live_pool(tmp_path) as pool:
        storm = Storm(pool.mountpoint, 3)
        for number in range(5):
            storm.start()
            time.sleep(source.uniform(0.1, STORM_S_MAX))
            pool.kill()
            storm.wait()
            lost = source.sample(range(6), 2)
            for disk in lost:
                pool.take_away(disk)

            pool.mount()

            assert storm.settle() == [], f"round {number}, without disks {lost}"
            for disk in lost:
                pool.bring_back(disk)
            _find_all_disks(pool)
        assert pool.ask("check").code == 0


def test_what_sync_promised_survives_a_kill(tmp_path: Path) -> None:
    with live_pool(tmp_path) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(1)
        pool.sync()

        pool.kill()
        pool.mount()

        assert contents.differing() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_with_everything_durable(
    tmp_path: Path, number: signal.Signals
) -> None:
    with live_pool(tmp_path) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(1)
        pid = pool.server_pid

        os.kill(pid, number)
        wait_for_death(pid)
        assert not pool.mountpoint.is_mount()
        pool.mount()

        assert contents.differing() == []


def test_umount_of_the_system_ends_the_server_with_everything_durable(tmp_path: Path) -> None:
    with live_pool(tmp_path) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(1)
        pid = pool.server_pid

        run_tool(["umount", pool.mountpoint])
        wait_for_death(pid)
        pool.mount()

        assert contents.differing() == []
