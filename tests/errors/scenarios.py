"""What a pool does while one of its calls goes wrong: together, all the engine does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.errors.troubled_pool import LARGE, SMALL, Life, Step, Template, pattern


def _nothing(template: Template) -> None:
    """Leave the copied pool as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Steps, and what is done to the copied pool before it is opened for them."""

    name: str
    steps: tuple[Step, ...]
    prepare: Callable[[Template], None] = _nothing

    def __str__(self) -> str:
        return self.name


def fragments(disk: Path) -> list[Path]:
    """Return the fragment files of a disk, in the order of their names."""
    return sorted(disk.glob("fragments/*/*"))


def _damage_a_fragment(template: Template) -> None:
    """Flip a byte in the payload of some fragment of each of two disks."""
    for disk in template.disks[1:3]:
        path = fragments(disk)[0]
        data = bytearray(path.read_bytes())
        data[-100] ^= 0xFF
        path.write_bytes(data)


def _lose_a_disk(template: Template) -> None:
    shutil.rmtree(template.disks[-1])


def _scrub(life: Life) -> None:
    life.pool.maintenance.scrub.start(repair=True)
    life.turn(60)


def _probe(life: Life) -> None:
    life.pool.membership.probe()


def _checkpoint(life: Life) -> None:
    life.pool.maintenance.checkpoints.make()


WRITES = Scenario(
    name="writes",
    steps=(
        lambda life: life.write(b"small", pattern(10, SMALL)),
        lambda life: life.write(b"large", pattern(11, LARGE)),
        lambda life: life.write(b"old0", pattern(12, 700), at=1000),
        lambda life: life.write(b"old1", pattern(13, LARGE), at=LARGE // 2),
        lambda life: life.write(b"new", pattern(14, SMALL)),
        lambda life: life.rename(b"new", b"old2"),
        lambda life: life.turn(),
    ),
)

REMOVALS = Scenario(
    name="removals",
    steps=(
        lambda life: life.unlink(b"old0"),
        lambda life: life.unlink(b"old1"),
        lambda life: life.settle(),
        lambda life: life.unlink_while_open(b"old3"),
        lambda life: life.settle(),
        lambda life: life.turn(),
    ),
)

READS = Scenario(name="reads", steps=(lambda life: life.check_all_files(),))

JOURNALS = Scenario(
    name="journals",
    steps=(
        *(
            (lambda life, one=one: life.write(b"staged", pattern(one, 9000), at=one * 100))
            for one in range(6)
        ),
        _checkpoint,
        lambda life: life.write(b"behind", pattern(20, SMALL)),
        _probe,
    ),
)

SCRUB = Scenario(name="scrub with repair", steps=(_scrub,), prepare=_damage_a_fragment)

REBUILD = Scenario(name="rebuild", steps=(lambda life: life.turn(),), prepare=_lose_a_disk)

SCENARIOS = (WRITES, REMOVALS, READS, JOURNALS, SCRUB, REBUILD)
