"""Power cuts at any moment of a mixed workload: the pool opens, and keeps its promises.

Every change of the disks and of the pool directory is recorded with its
flushes; states that the machine may show after a cut are built from it, each
opened, compared with a plain model, checked, scrubbed and written to again.
``DYNAMICFS_SEED`` replays a seed, ``DYNAMICFS_SOAK_S`` says how long to soak.
"""

from __future__ import annotations

import os
import random
import time
from typing import Final

import pytest

from tests.simulation.judge_states import Tally, naming, quick_folder, require_clean
from tests.simulation.oracle import History
from tests.simulation.workload import SMALL_EXTENTS, SMALL_LIMITS, Workload, shrink
from tests.simulation.workload_mix import Mix
from tests.simulation.workload_runs import DISKS, Run, judge_run

SEEDS: Final = [int(os.environ["DYNAMICFS_SEED"])] if "DYNAMICFS_SEED" in os.environ else range(2)
SOAK_S: Final = float(os.environ.get("DYNAMICFS_SOAK_S", "600"))
STEPS: Final = 60
CUTS: Final = 6
SAMPLES_PER_CUT: Final = 2


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, SMALL_LIMITS)


def _mixed(seed: int) -> Run:
    return lambda workload: Mix(workload, random.Random(seed)).run(STEPS)


def _mixed_with_other_disks(seed: int) -> Run:
    def run(workload: Workload) -> None:
        mix = Mix(workload, random.Random(seed))
        mix.change_disks(DISKS)
        mix.run(STEPS)

    return run


def _judged(
    seed: int,
    run: Run,
    *,
    split_bytes: int | None = None,
    lossy: random.Random | None = None,
) -> Tally:
    with quick_folder() as folder:
        return judge_run(
            folder,
            History(split_bytes=split_bytes),
            run,
            seed=seed,
            cuts=CUTS,
            samples_per_cut=SAMPLES_PER_CUT,
            lossy=lossy,
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_at_any_moment_breaks_no_promise(seed: int) -> None:
    require_clean(_judged(seed, _mixed(seed)), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_breaks_no_promise_where_writes_fill_builders(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, SMALL_EXTENTS)

    require_clean(_judged(seed, _mixed(seed), split_bytes=0), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_that_takes_disks_and_the_pool_directory_breaks_no_promise(seed: int) -> None:
    tally = _judged(seed, _mixed(seed), lossy=random.Random(seed))

    require_clean(tally, seed=seed)
    assert tally.refused == 0, "a pool of healthy disks must be writable without any two of them"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_while_disks_come_and_go_and_join_breaks_no_promise(seed: int) -> None:
    require_clean(_judged(seed, _mixed_with_other_disks(seed)), seed=seed)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 300)
def test_power_cuts_break_no_promise_for_a_long_time() -> None:
    end_s = time.monotonic() + SOAK_S
    fresh = random.SystemRandom()
    total = Tally()
    while time.monotonic() < end_s:
        seed = fresh.randrange(2**32)
        run = _mixed(seed) if seed % 3 else _mixed_with_other_disks(seed)
        lossy = random.Random(seed) if seed % 2 else None
        with naming(f"DYNAMICFS_SEED={seed}"):
            tally = _judged(seed, run, lossy=lossy)
        require_clean(tally, seed=seed)
        total.add(tally)
    print(f"{total.states} states, {total.imports} imports, {total.refused} only read")
