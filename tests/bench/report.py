"""What a run found: tables of ratios, a picture, and every figure as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.bar import Bar
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tests.bench.rounds import Figures
from tests.bench.rows import Row

WIDTH: Final = 104
BAR_WIDTH: Final = 60


@dataclass(frozen=True, slots=True)
class Goal:
    """What rs:4+2 should reach of another system on the same device."""

    row: str
    other: str
    ratio: float


OURS: Final = "rs:4+2"
ZFS: Final = "zfs-fuse raidz2"
GLUSTER: Final = "gluster 4+2"
GLUSTER_RATIO: Final = 2.0
"""For every row."""

GOALS: Final = (
    Goal("stream-write", ZFS, 0.9),
    Goal("stream-read-cold", ZFS, 2.0),
    Goal("random-write-fdatasync", ZFS, 1.2),
    Goal("random-read-cold", ZFS, 1.5),
    Goal("create", ZFS, 0.8),
    Goal("small-reads-cold", ZFS, 0.8),
    Goal("rename", ZFS, 0.8),
    Goal("unlink", ZFS, 0.8),
    Goal("stream-write", "empty", 0.4),
    Goal("stream-read-cold", "empty", 0.45),
)


def goal_of(row: str, system: str, other: str) -> float | None:
    """Return the ratio to reach; None when there is none.

    >>> goal_of("create", "rs:4+2", "gluster 4+2"), goal_of("create", "copies:3", "empty")
    (2.0, None)
    """
    if system != OURS:
        return None
    if other == GLUSTER:
        return GLUSTER_RATIO
    return next((one.ratio for one in GOALS if (one.row, one.other) == (row, other)), None)


def rates_table(figures: Figures, rows: Sequence[Row], systems: Sequence[str]) -> Table:
    """Return medians: absolute, so of this machine and this hour."""
    table = Table(title="Medians of the rounds; more is better")
    table.add_column("row")
    table.add_column("unit")
    for system in systems:
        table.add_column(system, justify="right")
    for row in rows:
        medians = [figures.median(row.name, system) for system in systems]
        table.add_row(row.name, row.unit, *(shown(median) for median in medians))
    return table


def ratios_table(figures: Figures, rows: Sequence[Row], systems: Sequence[str], of: str) -> Table:
    """Return the ratios of the system *of* to each other one, beside their goals."""
    others = [system for system in systems if system != of]
    table = Table(title=f"{of} as a multiple of …")
    table.add_column("row")
    for other in others:
        table.add_column(other, justify="right")
    for row in rows:
        table.add_row(row.name, *(_ratio_cell(figures, row.name, of, other) for other in others))
    return table


def _ratio_cell(figures: Figures, row: str, of: str, other: str) -> Text:
    ratio = figures.ratio(row, of, other)
    if ratio is None:
        return Text("–")
    goal = goal_of(row, of, other)
    if goal is None:
        return Text(f"{ratio:.2f}")
    text = f"{ratio:.2f} ({'≥' if ratio >= goal else '<'} {goal:g})"
    return Text(text, style="green" if ratio >= goal else "red")


def cpu_table(figures: Figures, rows: Sequence[Row], systems: Sequence[str]) -> Table:
    """Return what the servers worked: it moves less with the load than rates do."""
    table = Table(title="Milliseconds of CPU of the servers for each file, request or MB")
    table.add_column("row")
    for system in systems:
        table.add_column(system, justify="right")
    for row in rows:
        costs = [figures.cpu_ms(row.name, system) for system in systems]
        cells = ["–" if cost is None else f"{cost:.3f}" for cost in costs]
        table.add_row(row.name, *cells)
    return table


def shown(figure: float | None) -> str:
    """Return a rate with three digits that count.

    >>> shown(None), shown(1234.5), shown(1.234)
    ('–', '1234', '1.23')
    """
    if figure is None:
        return "–"
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"


def picture(figures: Figures, rows: Sequence[Row], systems: Sequence[str], title: str) -> str:
    """Return an SVG of bars: for each row, each system beside the fastest one."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Group(*(_bars(figures, row, systems) for row in rows)))
        return console.export_svg(title=title)


def _bars(figures: Figures, row: Row, systems: Sequence[str]) -> Table:
    rates = {system: figures.median(row.name, system) for system in systems}
    best = max((rate for rate in rates.values() if rate is not None), default=1.0)
    table = Table(
        title=f"{row.name} ({row.unit})", title_justify="left", show_header=False, box=None
    )
    table.add_column(width=24)
    table.add_column(width=BAR_WIDTH)
    table.add_column(justify="right", width=10)
    for system, rate in rates.items():
        if rate is not None:
            color = "bright_green" if system == OURS else "bright_blue"
            bar = Bar(best, 0, rate, width=BAR_WIDTH, color=color)
            table.add_row(system, bar, shown(rate))
    return table


def store(path: Path, figures: Figures, rows: Sequence[Row], facts: dict[str, object]) -> None:
    """Write every figure, and what is needed to read them, as JSON."""
    document = {
        **facts,
        "units": {row.name: row.unit for row in rows},
        "figures": [asdict(figure) for figure in figures.all],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
