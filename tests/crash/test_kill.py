"""SIGKILL at random points of a storm of writes: each file is old or new."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.crash.storm import Storm
from tests.e2e.harness import live_pool

STORM_S_MAX = 0.5
IMMEDIATE_EVERY = 6
"""Every so many rounds the server dies right after the mount: recovery is killed, too."""


def _survive(root: Path, *, rounds: int, seed: int) -> int:
    """Let a storm live through *rounds* kills; return how many operations it did.

    Any contradiction fails with the round and the seed that make it again.
    """
    moments = random.Random(seed)
    with live_pool(root) as pool:
        storm = Storm(pool.mountpoint, seed)
        for number in range(rounds):
            storm.start()
            limit_s = 0.0 if number % IMMEDIATE_EVERY == IMMEDIATE_EVERY - 1 else STORM_S_MAX
            time.sleep(moments.uniform(0.0, limit_s))
            early = storm.failure
            pool.kill()
            storm.wait()
            assert early is None, f"round {number}: writing failed before the kill: {early}"

            pool.mount()

            assert storm.settle() == [], f"round {number} of seed {seed}"
        assert pool.ask("check").code == 0
    return storm.operations


def test_twenty_five_kills_leave_each_file_old_or_new(tmp_path: Path) -> None:
    operations = _survive(tmp_path, rounds=25, seed=8)

    assert operations > 100, "the storm hardly blew"


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_kills_leave_each_file_old_or_new(tmp_path: Path) -> None:
    operations = _survive(tmp_path, rounds=200, seed=88)

    assert operations > 1000, "the storm hardly blew"
