"""SIGKILL while a pool is opened, imported or unmounted: the next try makes it good."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.running_command import RunningCommand, begin_to_open, is_whole, seconds_of
from tests.crash.storm import Storm
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, Outcome, is_running, live_pool, wait_for_death

OPENINGS_PER_ROUND = 4
OPENING_S_MAX = 1.2
STORM_S_MAX = 0.3
LOSSES = ("nothing", "nothing", "log", "database")
"""What is missing in the pool directory when it is opened after a kill."""


def _storm_and_kill(pool: LivePool, storm: Storm, moments: random.Random) -> None:
    storm.start()
    time.sleep(moments.uniform(0.1, STORM_S_MAX))
    assert storm.failure is None, f"writing failed before the kill: {storm.failure}"
    pool.kill()
    storm.wait()


def _lose(pool: LivePool, loss: str) -> None:
    patterns = {"nothing": [], "log": ["metadata.db-*"], "database": ["metadata.db*"]}
    for pattern in patterns[loss]:
        for path in pool.pool_dir.glob(pattern):
            path.unlink()


def _survive_openings(root: Path, *, rounds: int, seed: int) -> int:
    """Kill *rounds* times four openings; return how many were killed before they had ended."""
    moments, killed = random.Random(seed), 0
    with live_pool(root) as pool:
        storm = Storm(pool.mountpoint, seed)
        for number in range(rounds):
            _storm_and_kill(pool, storm, moments)
            _lose(pool, moments.choice(LOSSES))
            for _ in range(OPENINGS_PER_ROUND):
                opening = begin_to_open(pool)
                opening.run_for(moments.uniform(0.2, OPENING_S_MAX))
                assert opening.runs, f"round {number}: {opening.end()}"
                opening.kill()
                killed += 1
            pool.mount()
            assert storm.settle() == [], f"round {number} of seed {seed}"
        assert pool.ask("check").code == 0
    return killed


def test_kills_while_a_pool_is_opened_lose_nothing(tmp_path: Path) -> None:
    assert _survive_openings(tmp_path, rounds=3, seed=21) == 3 * OPENINGS_PER_ROUND


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_kills_while_a_pool_is_opened_lose_nothing(tmp_path: Path) -> None:
    assert _survive_openings(tmp_path, rounds=50, seed=22) == 200


def _digest(folder: Path) -> dict[str, str]:
    """Return a digest of every file below *folder*."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _survive_imports(root: Path, *, imports: int, kills: int, seed: int) -> None:
    """Import *imports* times, each killed *kills* times and then let run to its end."""
    moments = random.Random(seed)
    with live_pool(root) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(seed)
        pool.sync()
        storm = Storm(pool.mountpoint, seed)
        _storm_and_kill(pool, storm, moments)
        for number in range(imports):
            old, new = pool.pool_dir, root / f"pool{number}"
            before = _digest(old)
            words = ["import", *map(str, pool.disks), "--yes", "--into"]
            limit_s = seconds_of(pool, *words, str(root / "measured"))
            shutil.rmtree(root / "measured")
            for _ in range(kills):
                attempt = RunningCommand(pool, *words, str(new))
                attempt.run_for(moments.uniform(0.2, limit_s))
                attempt.kill()
                if is_whole(new):
                    break  # The kill came behind the last step.
            if not is_whole(new):
                pool.must(*words, str(new))
            assert _digest(old) == before

            pool.pool_dir = new
            pool.mount()

            assert contents.differing() == [], f"import {number} of seed {seed}"
            assert storm.settle() == [], f"import {number} of seed {seed}"
            assert pool.ask("check").code == 0
            _storm_and_kill(pool, storm, moments)


def test_an_import_that_was_killed_succeeds_when_it_is_run_again(tmp_path: Path) -> None:
    _survive_imports(tmp_path, imports=2, kills=5, seed=31)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_killed_imports_succeed_when_they_are_run_again(tmp_path: Path) -> None:
    _survive_imports(tmp_path, imports=20, kills=10, seed=32)


def _survive_unmounts(root: Path, *, rounds: int, seed: int) -> int:
    """Kill *rounds* unmounts; return how many were killed before they had ended."""
    moments, killed = random.Random(seed), 0
    with live_pool(root) as pool:
        storm = Storm(pool.mountpoint, seed)
        whole_s = seconds_of(pool, "unmount", str(pool.mountpoint))
        pool.mount()
        for number in range(rounds):
            storm.start()
            time.sleep(moments.uniform(0.1, STORM_S_MAX))
            storm.wait()
            assert storm.failure is None, f"writing failed before the kill: {storm.failure}"
            lazy = pool.mountpoint / f"lazy{number}"
            written = moments.randbytes(moments.choice((100, 300_000, 5_000_000)))
            lazy.write_bytes(written)
            start_s = time.monotonic()
            outcome, was_killed = _unmount_and_kill(pool, moments.uniform(0.3, 1.0) * whole_s)
            killed += was_killed
            if not was_killed:
                whole_s = time.monotonic() - start_s  # It is quicker now than it was.

            pool.mount()

            assert storm.settle() == [], f"round {number} of seed {seed}"
            found = lazy.read_bytes() if lazy.exists() else b""
            assert written.startswith(found), f"round {number} of seed {seed}"
            assert found == written or outcome.code, "unmount succeeded; what was written is lost"
            lazy.unlink(missing_ok=True)
        assert pool.ask("check").code == 0
    return killed


def _unmount_and_kill(pool: LivePool, after_s: float) -> tuple[Outcome, bool]:
    """Kill the server *after_s* seconds into an unmount; return how that ended, and if it died."""
    pid = pool.server_pid
    unmount = RunningCommand(pool, "unmount", str(pool.mountpoint))
    unmount.run_for(after_s)
    is_in_time = unmount.runs and is_running(pid)
    if is_in_time:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for_death(pid)
    return unmount.end(), is_in_time


def test_kills_while_unmounting_lose_nothing_that_was_said_to_be_durable(tmp_path: Path) -> None:
    assert _survive_unmounts(tmp_path, rounds=4, seed=41) > 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_kills_while_unmounting_lose_nothing(tmp_path: Path) -> None:
    assert _survive_unmounts(tmp_path, rounds=200, seed=42) > 50
