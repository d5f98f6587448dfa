"""Tables of fixed columns that leave by priority when the terminal is narrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, fit, width_of

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Row]):
    """One column. Widths are fixed: a live value never moves its neighbours."""

    title: str
    width: int
    """Cells; the smallest width when the column grows."""
    cell: Callable[[Row, int], Line]
    """Row and width in, pieces out."""
    priority: int
    """Columns of the largest number leave first."""
    right: bool = False
    grows: bool = False
    """Takes what is left over; at most one column of a table."""


def choose_columns(columns: Sequence[Column[Row]], width: int) -> list[tuple[Column[Row], int]]:
    """Return the columns that fit *width* with one cell between, with their widths."""
    chosen = list(columns)
    while len(chosen) > 1 and sum(c.width + 1 for c in chosen) - 1 > width:
        chosen.remove(max(chosen, key=lambda column: column.priority))
    spare = width - (sum(c.width + 1 for c in chosen) - 1)
    return [(c, c.width + max(0, spare) if c.grows else c.width) for c in chosen]


def table_head(columns: Sequence[tuple[Column[Row], int]], ellipsis: str) -> Line:
    """Return the line of titles."""
    pieces: list[Piece] = []
    for column, width in columns:
        title = f"{column.title:>{width}}" if column.right else f"{column.title:<{width}}"
        pieces += [Piece(title[:width], Tone.MUTED), Piece(" ")]
    return tuple(pieces[:-1])


def table_row(columns: Sequence[tuple[Column[Row], int]], row: Row, ellipsis: str) -> Line:
    """Return *row* as a line."""
    pieces: Line = EMPTY
    for index, (column, width) in enumerate(columns):
        cell = column.cell(row, width)
        if column.right and (room := width - width_of(cell)) > 0:
            cell = (Piece(" " * room), *cell)
        gap = (Piece(" "),) if index else EMPTY
        pieces = (*pieces, *gap, *fit(cell, width, ellipsis))
    return pieces
