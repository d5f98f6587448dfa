"""Every program of two operations and one sync, with the power cut where most may be lost.

Behind a sync that was the last call, all of it must be there; behind a call
after the sync, what was synced must. Everything that was not made durable is
lost in each of these states.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

from tests.simulation.judge import Depth
from tests.simulation.judge_states import Tally, judge_states, quick_folder, require_clean
from tests.simulation.oracle import History
from tests.simulation.workload import SMALL_LIMITS, Workload, shrink
from tests.simulation.workload_runs import record
from tests.simulation.workload_sequences import (
    Program,
    clear_away,
    every_program,
    prepare,
    run_program,
)

SOAK_S: Final = float(os.environ.get("DYNAMICFS_SOAK_S", "600"))
SHARDS: Final = 4
STRIDE: Final = 36
"""The default run takes every 24th program in each of four tests, a sixth of all."""

PROGRAMS_PER_POOL: Final = 6
"""More make the journals long, and every open reads them whole."""


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, SMALL_LIMITS)


def _judged(programs: list[Program]) -> Tally:
    """Run *programs* one after the other on one pool; cut the power behind each."""
    history = History()
    cuts: list[int] = []

    def run_all(workload: Workload) -> None:
        for number, program in enumerate(programs):
            folder = f"{number} {program}".replace("/", " ")
            prepare(workload, folder)
            run_program(workload, folder, program)
            cuts.append(workload.position)
            clear_away(workload, folder)

    with quick_folder() as folder:
        world, _ = record(folder / "live", history, run_all)
        states = (
            state
            for state in world.states(seed=0, cuts=sorted(set(cuts)), samples_per_cut=0)
            if state.name.endswith("nothing")
        )
        return judge_states(history, states, target=folder / "cut", depth=Depth.TREE)


def _judged_in_pools(programs: list[Program]) -> Tally:
    total = Tally()
    for start in range(0, len(programs), PROGRAMS_PER_POOL):
        total.add(_judged(programs[start : start + PROGRAMS_PER_POOL]))
    return total


@pytest.mark.parametrize("shard", range(SHARDS))
def test_two_operations_and_a_sync_survive_a_power_cut(shard: int) -> None:
    chosen = list(every_program())[shard * STRIDE // SHARDS :: STRIDE]

    require_clean(_judged_in_pools(chosen), seed=0)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 300)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_all_programs_of_two_operations_and_a_sync_survive_a_power_cut(shard: int) -> None:
    require_clean(_judged_in_pools(list(every_program())[shard::SHARDS]), seed=0)
