"""SIGKILL while a rebuild or a scrub with repair runs, and clients write."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.crash.running_command import RunningCommand
from tests.crash.storm import Storm
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

SPARE_DISK = PoolPlan(disk_count=7, rebuild_delay_s=0.0)
"""One disk more than an extent needs, so that what is lost goes there at once."""

BASE_FILES = 20
BASE_BYTES = 3_000_000
SCRUB_S = (0.15, 0.6)
"""A scrub is killed so long after its command began: from its first imports to its end."""

REBUILD_S_MAX = 0.2
BEGIN_S_MAX = 2.0
LOOK_S = 0.005
HEAL_S = 90.0
FLIPPED_INDEXES = (1, 4)
"""Fragments that rot: data and parity, and never more of an extent than it survives."""


def _write_base(pool: LivePool, seed: int) -> Contents:
    """Write what rebuilds and scrubs have to do with."""
    contents, source = Contents(pool.mountpoint), random.Random(seed)
    for number in range(BASE_FILES):
        contents.write(f"base{number}", source.randbytes(BASE_BYTES))
    pool.sync()
    return contents


def _names_held(disk: Path) -> set[tuple[str, str]]:
    """Return extent and index of each fragment on a disk, as its file's name has them."""
    names = [path.name.split(".") for path in disk.glob("fragments/*/*")]
    return {(extent, index) for extent, _, index in names}


def _made_again(pool: LivePool, lost: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of *lost* that are on a disk that is there."""
    return lost & {name for disk in pool.disks for name in _names_held(disk)}


def _is_whole(pool: LivePool) -> bool:
    view = pool.view()
    return not view.exposure.degraded_extents and not view.reconcile.active


def _rebuild_begins(pool: LivePool, lost: set[tuple[str, str]]) -> bool:
    """Wait for the first fragment that is made again; False when none comes."""
    end_s = time.monotonic() + BEGIN_S_MAX
    while not _made_again(pool, lost):
        if time.monotonic() > end_s:
            return False
        time.sleep(LOOK_S)
    return True


def _survive_rebuilds(root: Path, *, rounds: int, seed: int) -> int:
    """Kill *rounds* times while what a disk held is made again; return rebuilds that had begun."""
    moments, begun = random.Random(seed), 0
    with live_pool(root, SPARE_DISK) as pool:
        contents = _write_base(pool, seed)
        storm = Storm(pool.mountpoint, seed)
        for number in range(rounds):
            # The disk of the last rounds may hold nothing any more that counts.
            disk = number % len(pool.disks)
            pool.take_away(disk)
            lost = _names_held(pool.away(disk))
            storm.start()
            probe = RunningCommand(pool, "probe-disks", str(pool.pool_dir))
            begun += _rebuild_begins(pool, lost)
            time.sleep(moments.uniform(0.0, REBUILD_S_MAX))
            early = storm.failure
            pool.kill()
            storm.wait()
            probe.end()
            assert early is None, f"round {number}: writing failed before the kill: {early}"
            pool.bring_back(disk)

            pool.mount()

            assert storm.settle() == [], f"round {number} of seed {seed}"
            assert contents.differing() == [], f"round {number} of seed {seed}"
        wait_for("all is whole", lambda: _is_whole(pool), limit_s=HEAL_S)
        assert pool.ask("check").code == 0
        assert pool.ask("scrub").code == 0
    return begun


def test_kills_while_a_disk_is_rebuilt_lose_nothing(tmp_path: Path) -> None:
    assert _survive_rebuilds(tmp_path, rounds=3, seed=51) >= 1, "hardly a rebuild ran"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills_while_disks_are_rebuilt_lose_nothing(tmp_path: Path) -> None:
    assert _survive_rebuilds(tmp_path, rounds=200, seed=52) > 100, "hardly a rebuild ran"


def _rot(pool: LivePool, moments: random.Random, count: int) -> None:
    """Flip a byte in *count* fragments at random."""
    candidates = [one for one in pool.fragments() if one.index in FLIPPED_INDEXES]
    for fragment in moments.sample(candidates, min(count, len(candidates))):
        with fragment.path.open("r+b") as file:
            offset = moments.randrange(fragment.path.stat().st_size)
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0xFF]))


def _survive_scrubs(root: Path, *, rounds: int, seed: int) -> int:
    """Kill *rounds* times while a scrub mends rot; return how many scrubs were cut short."""
    moments, cut_short = random.Random(seed), 0
    with live_pool(root) as pool:
        contents = _write_base(pool, seed)
        storm = Storm(pool.mountpoint, seed)
        for number in range(rounds):
            _rot(pool, moments, 4)
            storm.start()
            scrub = RunningCommand(pool, "scrub", "--repair", str(pool.pool_dir))
            scrub.run_for(moments.uniform(*SCRUB_S))
            cut_short += scrub.runs
            early = storm.failure
            pool.kill()
            storm.wait()
            scrub.end()
            assert early is None, f"round {number}: writing failed before the kill: {early}"

            pool.mount()

            assert storm.settle() == [], f"round {number} of seed {seed}"
            assert contents.differing() == [], f"round {number} of seed {seed}"
        # The scrub that a kill cut short goes on by itself.
        wait_for("no scrub runs", lambda: not pool.view().scrub.running, limit_s=HEAL_S)
        pool.scrub("--repair")
        wait_for("all is whole", lambda: _is_whole(pool), limit_s=HEAL_S)
        wait_for("no scrub runs", lambda: not pool.view().scrub.running, limit_s=HEAL_S)
        assert pool.ask("scrub").code == 0
        assert pool.ask("check").code == 0
    return cut_short


def test_kills_while_a_scrub_repairs_lose_nothing(tmp_path: Path) -> None:
    assert _survive_scrubs(tmp_path, rounds=3, seed=61) > 0, "every scrub ended before its kill"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills_while_a_scrub_repairs_lose_nothing(tmp_path: Path) -> None:
    assert _survive_scrubs(tmp_path, rounds=200, seed=62) > 50, "hardly a scrub was cut short"
