"""Power cuts: what fsync acknowledged is there, though the disks forget all the rest.

SIGKILL proves nothing about fsync, for the kernel keeps what was written. Here
the disks are opened through a device that takes back, at the cut, whatever was
not flushed; and the pool directory, which is on an ordinary disk, loses its
database or the tail of its log as well.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusebridge.stale import recover_stale
from tests.conftest import ExpectedWarnings
from tests.crash.storm import Storm
from tests.e2e.contents import Contents
from tests.e2e.harness import (
    DEATH_S,
    ROOT,
    LivePool,
    TookTooLongError,
    command_environment,
    wait_for,
)

STORM_S_MAX = 0.8
LOSSES = ("nothing", "log-tail", "database")
"""What the pool directory loses with the power."""


@pytest.fixture(autouse=True)
def _a_dead_mount_is_no_surprise(expected_warnings: ExpectedWarnings) -> None:
    """The watchdog of a server that lost its power may come later than its restart."""
    expected_warnings("took away a dead mount")


class PoweredPool:
    """A pool served by ``tests.crash.power_server``."""

    def __init__(self, root: Path, flushes: str) -> None:
        self.live = LivePool(root)
        self._flushes = flushes
        self._process: subprocess.Popen[str] | None = None
        self._log = root / "server.log"

    def start(self) -> None:
        """Mount with forgetful disks."""
        recover_stale(str(self.live.mountpoint))
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.power_server"]
                + [str(self.live.pool_dir), str(self.live.mountpoint), self._flushes],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=command_environment(),
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "mounted\n":
            raise TookTooLongError(self._log.read_text())

    def cut(self, loss: str) -> None:
        """Cut the power; the pool directory suffers *loss*, one of LOSSES."""
        assert self._process is not None
        self._process.communicate("cut\n", timeout=DEATH_S)
        database = self.live.pool_dir / "metadata.db"
        log = database.with_name("metadata.db-wal")
        if loss == "database":
            for path in self.live.pool_dir.glob("metadata.db*"):
                path.unlink()
        elif loss == "log-tail" and log.exists():
            with log.open("r+b") as file:
                file.truncate(log.stat().st_size // 2)

    def close(self) -> None:
        """End what runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=DEATH_S)
        self.live.close()


@contextmanager
def powered_pool(root: Path, flushes: str) -> Iterator[PoweredPool]:
    """A pool with a power switch; nothing is left of it."""
    pool = PoweredPool(root, flushes)
    try:
        yield pool
    finally:
        pool.close()


def _cut_in_a_storm(
    pool: PoweredPool, storm: Storm, moments: random.Random, loss: str
) -> list[str]:
    """Blow, cut, start again; return what contradicts the oracle."""
    done = storm.operations
    storm.start()
    wait_for("the storm blows", lambda: storm.operations > done + 3, limit_s=30.0)
    time.sleep(moments.uniform(0.0, STORM_S_MAX))
    assert storm.failure is None, f"writing failed before the cut: {storm.failure}"
    pool.cut(loss)
    storm.wait()
    pool.start()
    return storm.settle()


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_fsynced_survives_power_cuts(tmp_path: Path, loss: str) -> None:
    seed = LOSSES.index(loss)
    moments = random.Random(seed)
    with powered_pool(tmp_path, "honest") as pool:
        pool.start()
        storm = Storm(pool.live.mountpoint, seed)

        for number in range(4):
            assert _cut_in_a_storm(pool, storm, moments, loss) == [], f"round {number}"


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_what_was_fsynced_survives_a_hundred_power_cuts(tmp_path: Path) -> None:
    moments = random.Random(100)
    with powered_pool(tmp_path, "honest") as pool:
        pool.start()
        storm = Storm(pool.live.mountpoint, 100)

        for number in range(100):
            loss = moments.choice(LOSSES)
            assert _cut_in_a_storm(pool, storm, moments, loss) == [], f"round {number}"


def test_what_sync_promised_survives_a_power_cut_without_any_fsync(tmp_path: Path) -> None:
    with powered_pool(tmp_path, "honest") as pool:
        pool.start()
        contents = Contents(pool.live.mountpoint)
        contents.write_sizes(1)

        pool.live.sync()
        pool.cut("database")
        pool.start()

        assert contents.differing() == []


def test_what_nobody_synced_may_be_lost_but_never_wrong(tmp_path: Path) -> None:
    with powered_pool(tmp_path, "honest") as pool:
        pool.start()
        contents = Contents(pool.live.mountpoint)
        contents.write_sizes(1)

        pool.cut("nothing")
        pool.start()

        found = {path.name: path.read_bytes() for path in pool.live.mountpoint.iterdir()}
        assert all(contents.wanted[name].startswith(data) for name, data in found.items())


@pytest.mark.parametrize("flushes", ["deaf-to-files", "deaf-to-folders"])
def test_the_same_check_finds_loss_when_flushes_only_pretend(tmp_path: Path, flushes: str) -> None:
    moments = random.Random(7)
    with powered_pool(tmp_path, flushes) as pool:
        pool.start()
        storm = Storm(pool.live.mountpoint, 7)
        found: list[str] = []

        for _ in range(4):
            try:
                found += _cut_in_a_storm(pool, storm, moments, "database")
            except (TookTooLongError, OSError) as error:
                found.append(str(error))  # Not even opened, or an error on reading.
            if found:
                break

    assert found, "a device that flushes nothing passed the test"
