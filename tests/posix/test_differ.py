"""A mount beside a plain directory: seeded calls of three users, every outcome compared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.posix.differ import Differ, DifferenceError
from tests.posix.generator import Generator
from tests.posix.sides import Side
from tests.posix.verbs import VERBS

pytestmark = pytest.mark.fuse

SOAK_SEEDS = 400
SOAK_STEPS = 400


def _run(seed: int, steps: int, ours: Path, plain: Path) -> Differ:
    """Run one seed in directories of its own, which are gone afterwards."""
    # One deeper, so that what leads to ``..`` stays in them.
    sides = Side(ours / f"seed{seed}" / "here"), Side(plain / f"seed{seed}" / "here")
    for side in sides:
        side.root.mkdir(parents=True)
    differ = Differ(*sides)
    try:
        differ.fill()
        differ.run(Generator(seed), steps)
    except DifferenceError as error:
        raise AssertionError(f"DYNAMICFS_SEED={seed}: {error}") from error
    finally:
        for side in sides:
            side.end()
            shutil.rmtree(side.root.parent)
    return differ


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_mount_cannot_be_told_from_a_plain_directory(
    seed: int, folder: Path, plain: Path
) -> None:
    differ = _run(int(os.environ.get("DYNAMICFS_SEED", seed)), 350, folder, plain)

    assert len(differ.steps) == 350


def test_every_verb_is_tried_and_most_calls_come_to_something(folder: Path, plain: Path) -> None:
    differ = _run(4, 600, folder, plain)

    assert {step.verb for step in differ.steps} == set(VERBS)
    assert {step.person for step in differ.steps} == {"root", "ann", "ben"}
    assert differ.granted > len(differ.steps) / 4


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_mount_cannot_be_told_from_a_plain_directory_for_long(folder: Path, plain: Path) -> None:
    first = int(os.environ.get("DYNAMICFS_SEED", "1000"))

    for seed in range(first, first + SOAK_SEEDS):
        _run(seed, SOAK_STEPS, folder, plain)
