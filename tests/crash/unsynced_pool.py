"""A pool of which everything, disks and pool directory, loses power at one moment."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.crash.running_command import RunningCommand
from tests.crash.storm import Storm
from tests.crash.unsynced_disk import UnsyncedDisk
from tests.crash.unsynced_tree import Kept
from tests.e2e.harness import LivePool, PoolPlan, wait_for, wait_for_death

STORM_S_MAX = 0.8


class UnsyncedPool:
    """A ``LivePool`` over an ``UnsyncedDisk``. One thread at a time."""

    def __init__(self, root: Path, plan: PoolPlan | None = None) -> None:
        """Make the pool; it is mounted beside, at ``mount`` below *root*."""
        self.disk = UnsyncedDisk(root)
        plan = plan or PoolPlan()
        try:
            for number in range(plan.disk_count):
                (self.disk.path / f"disk{number}").mkdir()
            sync_folder(self.disk.path)  # The operator's own directories are not at stake.
            self.live = LivePool(self.disk.path, plan)
        except BaseException:
            self.disk.close()
            raise
        self.live.mountpoint = root / "mount"
        self.live.mountpoint.mkdir()

    def cut(self, kept: Kept, seed: int) -> None:
        """Cut the power of all at once; the server dies. What is left is mounted again."""
        pid = self.live.server_pid
        self.disk.cut(kept, seed)
        os.kill(pid, signal.SIGKILL)
        wait_for_death(pid)
        self.disk.again()

    def cut_under(self, command: RunningCommand, kept: Kept, seed: int) -> None:
        """Cut the power while *command*, not a server, is at work on the pool."""
        self.disk.cut(kept, seed)
        command.kill()
        self.disk.again()

    def close(self) -> None:
        """End what runs."""
        try:
            self.live.close()
        finally:
            self.disk.close()


@contextmanager
def unsynced_pool(root: Path, plan: PoolPlan | None = None) -> Iterator[UnsyncedPool]:
    """A mounted pool with a power switch; nothing is left of it."""
    pool = UnsyncedPool(root, plan)
    try:
        pool.live.mount()
        yield pool
    finally:
        pool.close()


def cut_in_storms(
    pool: UnsyncedPool, storms: Sequence[Storm], moments: random.Random, kept: Kept
) -> list[str]:
    """Blow, cut, mount again; return what contradicts the oracle."""
    done = [storm.operations for storm in storms]
    for storm in storms:
        storm.start()
    wait_for(
        "every storm blows",
        lambda: all(
            storm.operations > before + 3 for storm, before in zip(storms, done, strict=True)
        ),
        limit_s=30.0,
    )
    time.sleep(moments.uniform(0.0, STORM_S_MAX))
    early = [storm.failure for storm in storms if storm.failure is not None]
    assert early == [], "writing failed before the cut"
    pool.cut(kept, moments.randrange(1 << 30))
    for storm in storms:
        storm.wait()
    pool.live.mount()
    return [text for storm in storms for text in storm.settle()]


def sync_folder(folder: Path) -> None:
    """fsync a directory."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
