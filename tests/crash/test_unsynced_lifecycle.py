"""Power cuts while a pool is opened or imported: the next try makes it good.

Opening replays, puts databases into place and sets others aside; a cut may
keep any part of that. The pool directory often has no database to begin with.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.crash.running_command import RunningCommand, begin_to_open, is_whole, seconds_of
from tests.crash.storm import Storm
from tests.crash.unsynced_pool import UnsyncedPool, unsynced_pool
from tests.crash.unsynced_tree import Kept
from tests.e2e.contents import Contents

OPENINGS_PER_ROUND = 3
OPENING_S = (0.3, 1.8)
"""A cut comes this long after the start: from the first imports to the mount."""

STORM_S_MAX = 0.3
KEPT = (Kept.SOME, Kept.NOTHING, Kept.SOME, Kept.ALL)
LOSSES: tuple[tuple[str, ...], ...] = ((), ("metadata.db",), ("metadata.db-*",), ("metadata.db*",))
"""What is missing in the pool directory when it is opened, a pattern for its files."""


def _storm_and_cut(
    pool: UnsyncedPool, storm: Storm, moments: random.Random, patterns: tuple[str, ...]
) -> None:
    storm.start()
    time.sleep(moments.uniform(0.1, STORM_S_MAX))
    assert storm.failure is None, f"writing failed before the cut: {storm.failure}"
    pool.cut(Kept.SOME, moments.randrange(1 << 30))
    storm.wait()
    for pattern in patterns:
        for path in pool.live.pool_dir.glob(pattern):
            path.unlink()


def _survive_openings(root: Path, *, rounds: int, seed: int) -> None:
    """Cut *rounds* times three openings, each of what the one before left."""
    moments = random.Random(seed)
    with unsynced_pool(root) as pool:
        storm = Storm(pool.live.mountpoint, seed)
        for number in range(rounds):
            patterns = LOSSES[number % len(LOSSES)]
            _storm_and_cut(pool, storm, moments, patterns)
            for _ in range(OPENINGS_PER_ROUND):
                opening = begin_to_open(pool.live)
                opening.run_for(moments.uniform(*OPENING_S))
                assert opening.runs, f"round {number}: {opening.end()}"
                pool.cut_under(opening, moments.choice(KEPT), moments.randrange(1 << 30))
            pool.live.mount()
            assert storm.settle() == [], f"round {number} of seed {seed}, {patterns} lost"
        assert pool.live.ask("check").code == 0


def test_cuts_while_a_pool_is_opened_lose_nothing(tmp_path: Path) -> None:
    _survive_openings(tmp_path, rounds=4, seed=81)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_cuts_while_a_pool_is_opened_lose_nothing(tmp_path: Path) -> None:
    _survive_openings(tmp_path, rounds=67, seed=82)


def _survive_imports(root: Path, *, imports: int, cuts: int, seed: int) -> None:
    """Import *imports* times, each cut *cuts* times and then let run to its end."""
    moments = random.Random(seed)
    with unsynced_pool(root) as pool:
        contents = Contents(pool.live.mountpoint)
        contents.write("file", moments.randbytes(2_000_000))
        pool.live.sync()
        storm = Storm(pool.live.mountpoint, seed)
        words = ["import", *map(str, pool.live.disks), "--yes", "--into"]
        for number in range(imports):
            _storm_and_cut(pool, storm, moments, ())
            limit_s = seconds_of(pool.live, *words, str(pool.disk.path / f"measured{number}"))
            new = pool.disk.path / f"pool{number}"
            for _ in range(cuts):
                attempt = RunningCommand(pool.live, *words, str(new))
                attempt.run_for(moments.uniform(0.2, limit_s))
                pool.cut_under(attempt, moments.choice(KEPT), moments.randrange(1 << 30))
                if is_whole(new):
                    break  # The cut came behind the last step.
            if not is_whole(new):
                pool.live.must(*words, str(new))
            pool.live.pool_dir = new

            pool.live.mount()

            assert contents.differing() == [], f"import {number} of seed {seed}"
            assert storm.settle() == [], f"import {number} of seed {seed}"
            assert pool.live.ask("check").code == 0


def test_an_import_that_was_cut_succeeds_when_it_is_run_again(tmp_path: Path) -> None:
    _survive_imports(tmp_path, imports=1, cuts=5, seed=91)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_cut_imports_succeed_when_they_are_run_again(tmp_path: Path) -> None:
    _survive_imports(tmp_path, imports=10, cuts=10, seed=92)
