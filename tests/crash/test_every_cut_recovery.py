"""The power goes again while the pool recovers, or together with any two disks.

What a first cut left is opened under record, and the power cut at any moment
of that, too: the promises of the first life hold after the second cut.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from tests.simulation import World
from tests.simulation.judge import Loss, judge
from tests.simulation.judge_states import (
    Tally,
    chosen_cuts,
    judge_states,
    naming,
    quick_folder,
    require_clean,
)
from tests.simulation.oracle import History
from tests.simulation.workload import SMALL_LIMITS, Workload, shrink
from tests.simulation.workload_mix import Mix
from tests.simulation.workload_runs import DISKS, record, record_recovery

SEEDS: Final = [int(os.environ["DYNAMICFS_SEED"])] if "DYNAMICFS_SEED" in os.environ else range(2)
SOAK_S: Final = float(os.environ.get("DYNAMICFS_SOAK_S", "600"))
STEPS: Final = 40
FIRST_CUTS: Final = 2
SECOND_CUTS: Final = 3
PAIR_CUTS: Final = 4


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, SMALL_LIMITS)


def _recorded(folder: Path, seed: int, *, cuts: int) -> tuple[World, History, list[int]]:
    """Return a recording of a mix, its history, and some cuts."""

    def mixed(workload: Workload) -> None:
        Mix(workload, random.Random(seed)).run(STEPS)

    history = History()
    world, first = record(folder / "live", history, mixed)
    draw = random.Random(seed)
    positions = chosen_cuts(history, draw=draw, first=first, last=world.position, count=cuts)
    return world, history, positions


def _same(loss: Loss) -> Loss:
    return loss


def _judged_twice(seed: int, *, lose_pool_directory: bool) -> Tally:
    tally = Tally()
    draw = random.Random(seed)
    with quick_folder() as folder:
        world, history, cuts = _recorded(folder, seed, cuts=FIRST_CUTS)
        for state in world.states(seed=seed, cuts=cuts, samples_per_cut=1):
            built = state.build(folder / "first")
            if lose_pool_directory:
                shutil.rmtree(built.pool)
            recovery, begun = record_recovery(built, folder / "again")
            positions = sorted(draw.sample(range(begun, recovery.position + 1), SECOND_CUTS))
            for second in recovery.states(seed=seed, cuts=positions, samples_per_cut=1):
                left = second.build(folder / "second")
                judgement = judge(left, history, position=state.position)
                left.remove()
                what = f"{state.name}, then {second.name}"
                tally.take(what, judgement, history, state.position)
            shutil.rmtree(folder / "again")
    return tally


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_during_recovery_breaks_no_promise(seed: int) -> None:
    require_clean(_judged_twice(seed, lose_pool_directory=False), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_during_an_import_breaks_no_promise(seed: int) -> None:
    require_clean(_judged_twice(seed, lose_pool_directory=True), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_two_disks_and_the_pool_directory_may_go_with_the_power(seed: int) -> None:
    tally = Tally()
    with quick_folder() as folder:
        world, history, cuts = _recorded(folder, seed, cuts=PAIR_CUTS)
        for disks in combinations(range(DISKS), 2):
            loss = Loss(pool_directory=True, disks=disks)
            states = world.states(seed=seed, cuts=cuts, samples_per_cut=0)
            strictest = (state for state in states if state.name.endswith("nothing"))
            tally.add(
                judge_states(
                    history, strictest, target=folder / "cut", loss_of=partial(_same, loss)
                )
            )

    require_clean(tally, seed=seed)
    assert tally.refused == 0, "a pool of healthy disks must be writable without any two of them"


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 300)
def test_power_cuts_during_recovery_break_no_promise_for_a_long_time() -> None:
    end_s = time.monotonic() + SOAK_S
    fresh = random.SystemRandom()
    while time.monotonic() < end_s:
        seed = fresh.randrange(2**32)
        with naming(f"DYNAMICFS_SEED={seed}"):
            tally = _judged_twice(seed, lose_pool_directory=bool(seed % 2))
        require_clean(tally, seed=seed)
