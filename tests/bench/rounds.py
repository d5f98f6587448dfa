"""Measures rows on systems in rounds, so that whatever else the machine does hits all alike."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.rows import Row, Size, Stage, make_tarball
from tests.bench.systems import CommandError, Subject, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row on one system in one round."""

    row: str
    system: str
    round: int
    rate: float
    """In the row's unit; more is better."""
    server_cpu_ms: float
    """Of the servers, for each file, request or MB; 10 ms is the grain of the sum."""


class Figures:
    """Every figure of a run, and what can be said of them."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.all: Final = tuple(figures)

    def rates(self, row: str, system: str) -> dict[int, float]:
        """Return the rates by round."""
        return {one.round: one.rate for one in self.all if (one.row, one.system) == (row, system)}

    def median(self, row: str, system: str) -> float | None:
        """Return the median over the rounds; None when it was not measured."""
        rates = self.rates(row, system).values()
        return statistics.median(rates) if rates else None

    def ratio(self, row: str, system: str, other: str) -> float | None:
        """Return the median of one's rate over the other's in the same round.

        >>> def figure(system, round, rate):
        ...     return Figure(row="r", system=system, round=round, rate=rate, server_cpu_ms=0.0)
        >>> Figures([figure("a", 1, 3.0), figure("b", 1, 2.0)]).ratio("r", "a", "b")
        1.5
        """
        mine, others = self.rates(row, system), self.rates(row, other)
        ratios = [mine[number] / others[number] for number in mine if number in others]
        return statistics.median(ratios) if ratios else None

    def cpu_ms(self, row: str, system: str) -> float | None:
        """Return the median of what it cost the servers."""
        costs = [one.server_cpu_ms for one in self.all if (one.row, one.system) == (row, system)]
        return statistics.median(costs) if costs else None


@contextmanager
def mounted_systems(systems: Sequence[System], place: Path) -> Iterator[list[Subject]]:
    """Mount all of *systems* side by side below *place*.

    One that cannot be made is told of and left out.
    """
    with ExitStack() as stack:
        subjects = []
        for number, system in enumerate(systems):
            folder = place / f"{place.name}-{number}"
            folder.mkdir()
            try:
                subject = stack.enter_context(system.mounted(folder))
            except (CommandError, OSError) as error:
                say(f"{system.name} is left out: {error}")
                continue
            (subject.path / "bench").mkdir()
            subjects.append(subject)
        yield subjects


def measure(
    subjects: Sequence[Subject], rows: Sequence[Row], *, rounds: int, size: Size, place: Path
) -> Figures:
    """Measure each row on one system right after the other, in an order that alternates."""
    tarball = place / "tree.tar"
    make_tarball(tarball, size)
    figures = []
    for number in range(1, rounds + 1):
        for row in rows:
            ordered = subjects if number % 2 else list(reversed(subjects))
            for subject in ordered:
                if row.needs_contents and not subject.keeps_contents:
                    continue
                stage = Stage(subject, size, tarball)
                try:
                    figures.append(_measure_one(row, stage, number))
                except (CommandError, OSError, subprocess.CalledProcessError) as error:
                    say(f"{row.name} on {subject.name} failed: {error}")
            say(f"round {number}/{rounds}: {row.name}")
    return Figures(figures)


def _measure_one(row: Row, stage: Stage, number: int) -> Figure:
    amount = row.measure(stage)
    figure = Figure(
        row=row.name,
        system=stage.subject.name,
        round=number,
        rate=amount / stage.seconds,
        server_cpu_ms=1000 * stage.server_cpu_s / amount,
    )
    # What it left to be written must not be in the time of the next system.
    stage.settle()
    return figure


def say(line: str) -> None:
    """Tell whoever waits; the result alone goes to standard output."""
    print(line, file=sys.stderr, flush=True)
