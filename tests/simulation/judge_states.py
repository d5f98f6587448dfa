"""Judges many states of one recording, and says which ones broke a promise."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.simulation import CutState
from tests.simulation.judge import NO_LOSS, Depth, Judgement, Loss, judge
from tests.simulation.oracle import History
from tests.simulation.workload import TWO_AND_TWO

VIOLATIONS_SHOWN: Final = 5
OPERATIONS_SHOWN: Final = 12
MEMORY_FOLDER: Final = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder for the length of a ``with``, in memory where the machine has that."""
    parent = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="every-cut-", dir=parent) as folder:
        yield Path(folder).resolve()


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Add *what* to whatever goes wrong inside, so that it can be replayed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"replay with: {what}")
        raise


@dataclass(slots=True)
class Tally:
    """How many states were judged, and what was wrong.

    ``refused`` are those that could only be read: too few journal disks were left.
    """

    states: int = 0
    imports: int = 0
    refused: int = 0
    violations: list[str] = field(default_factory=list)

    def take(self, what: str, judgement: Judgement, history: History, position: int) -> None:
        """Count the state *what*, cut at *position*."""
        self.states += 1
        self.imports += judgement.imported
        self.refused += judgement.refused
        if judgement.wrong:
            self.violations.append(_told(what, history, position, judgement.wrong))

    def add(self, other: Tally) -> None:
        """Take *other* in."""
        self.states += other.states
        self.imports += other.imports
        self.refused += other.refused
        self.violations += other.violations


def chosen_cuts(
    history: History, *, draw: random.Random, first: int, last: int, count: int
) -> list[int]:
    """Choose up to *count* positions of *first* … *last*, half of them right behind a promise.

    There the least may be lost: what was acknowledged just now must be there.
    """
    promised = sorted({one.position for one in history.acknowledgements if one.position >= first})
    chosen = set(draw.sample(promised, min(len(promised), count // 2)))
    others = [position for position in range(first, last + 1) if position not in chosen]
    chosen.update(draw.sample(others, min(len(others), count - len(chosen))))
    return sorted(chosen)


def drawn_loss(draw: random.Random, *, disk_count: int) -> Loss:
    """Choose what goes with the power: nothing, the pool directory, m disks, or both (P3)."""
    disks = tuple(sorted(draw.sample(range(disk_count), TWO_AND_TWO.parity)))
    return draw.choice(
        (
            NO_LOSS,
            Loss(pool_directory=True, disks=()),
            Loss(pool_directory=False, disks=disks),
            Loss(pool_directory=True, disks=disks),
        )
    )


def judge_states(
    history: History,
    states: Iterable[CutState],
    *,
    target: Path,
    loss_of: Callable[[], Loss] = lambda: NO_LOSS,
    depth: Depth = Depth.WHOLE,
) -> Tally:
    """Build and judge each of *states* in *target*; *loss_of* says what goes with the power."""
    tally = Tally()
    for state in states:
        loss = loss_of()
        built = state.build(target)
        what = f"{state.name}, {loss} lost" if str(loss) else state.name
        with naming(what):
            judgement = judge(built, history, position=state.position, loss=loss, depth=depth)
        built.remove()
        tally.take(what, judgement, history, state.position)
    return tally


def _told(what: str, history: History, position: int, wrong: tuple[str, ...]) -> str:
    """Return lines for people: the state *what*, what is *wrong*, and what had begun."""
    lines = [f"{what}:"]
    lines += [f"  {sentence}" for sentence in wrong]
    begun = [one for one in history.operations if one.begun <= position]
    lines += [f"    {one.begun:6} {one.number} {one.text}" for one in begun[-OPERATIONS_SHOWN:]]
    return "\n".join(lines)


def require_clean(tally: Tally, *, seed: int) -> None:
    """Fail with everything needed for a replay unless all states were right."""
    shown = "\n".join(tally.violations[:VIOLATIONS_SHOWN])
    assert not tally.violations, (
        f"{len(tally.violations)} of {tally.states} states broke a promise;"
        f" replay with DYNAMICFS_SEED={seed}\n{shown}"
    )
