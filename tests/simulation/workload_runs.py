"""Whole recordings: a pool made, a workload run on it, everything noted."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.metadata.files import flush_file
from engine.pool.config import CONFIG_NAME
from engine.pool.importing import import_disks, survey_disks
from tests.simulation import BuiltWorld, World
from tests.simulation.judge import NO_LOSS, Loss
from tests.simulation.judge_states import Tally, chosen_cuts, drawn_loss, judge_states
from tests.simulation.oracle import History
from tests.simulation.workload import SteppedPool, Workload, create_recorded_pool

DISKS: Final = 5
SPARES: Final = 1
"""Directories that may become disks later."""

Run = Callable[[Workload], None]


def record(folder: Path, history: History, run: Run) -> tuple[World, int]:
    """Run *run* on a new pool in *folder*; return the recording and where the work began."""
    with World(folder, disk_count=DISKS + SPARES) as world:
        create_recorded_pool(world, disks=DISKS)
        first = world.position
        workload = Workload(world, history)
        try:
            run(workload)
        finally:
            workload.close()
    # A pool that is imported looks for its other disks where they were last:
    # those must be gone, as the machine they were in is.
    for root in (*world.disks, world.pool):
        shutil.rmtree(root)
    return world, first


def record_recovery(built: BuiltWorld, folder: Path) -> tuple[World, int]:
    """Open and close what a cut left, under record; return where the recovery began.

    The machine showed *built* after it came up again, so all of that is durable.
    Without a pool directory the recovery begins with an import.
    """
    with World(folder, disk_count=len(built.disks)) as world:
        for source, target in zip(
            (*built.disks, built.pool), (*world.disks, world.pool), strict=True
        ):
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
        config = world.pool / CONFIG_NAME
        if config.exists():
            config.write_text(config.read_text().replace(str(built.folder), str(world.pool.parent)))
        built.remove()
        for file in world.pool.iterdir():
            flush_file(file)
        flush_file(world.pool)
        survey_disks(world.disks)  # Changes nothing, but the recording sees what is there.
        first = world.position
        if not config.exists():
            import_disks(world.disks, world.pool)
        SteppedPool(world.pool).close()
    for root in (*world.disks, world.pool):
        shutil.rmtree(root)
    return world, first


def judge_run(
    folder: Path,
    history: History,
    run: Run,
    *,
    seed: int,
    cuts: int,
    samples_per_cut: int,
    lossy: random.Random | None = None,
) -> Tally:
    """Record *run* below *folder* and judge *cuts* cuts of it; *lossy* draws what else is lost."""
    world, first = record(folder / "live", history, run)
    positions = chosen_cuts(
        history, draw=random.Random(seed), first=first, last=world.position, count=cuts
    )

    def loss_of() -> Loss:
        return drawn_loss(lossy, disk_count=len(world.disks)) if lossy else NO_LOSS

    states = world.states(seed=seed, cuts=positions, samples_per_cut=samples_per_cut)
    return judge_states(history, states, target=folder / "cut", loss_of=loss_of)
