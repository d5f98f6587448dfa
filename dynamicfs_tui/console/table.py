"""Tables of fixed columns: which fit, in what order rows stand, how one is written.

Pure functions and plain values; the widget is ``live_table``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, fit, plain, width_of

Row = TypeVar("Row")

Value = str | float
"""What sorting and filters compare: numbers as numbers, not as their text."""


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
    value: Callable[[Row], Value] | None = None
    """What is compared; without it the text of the cell."""
    alarms: bool = False
    """Growth of its number is bad news: it is marked for a moment."""

    def value_of(self, row: Row) -> Value:
        """Return what sorting and filters compare."""
        return plain(self.cell(row, self.width)).strip() if self.value is None else self.value(row)


def choose_columns(columns: Sequence[Column[Row]], width: int) -> list[tuple[Column[Row], int]]:
    """Return the columns that fit *width* with one cell between, with their widths."""
    chosen = list(columns)
    while len(chosen) > 1 and sum(c.width + 1 for c in chosen) - 1 > width:
        chosen.remove(max(chosen, key=lambda column: column.priority))
    spare = width - (sum(c.width + 1 for c in chosen) - 1)
    return [(c, c.width + max(0, spare) if c.grows else c.width) for c in chosen]


def other_columns(columns: Sequence[Column[Row]], width: int) -> list[Column[Row]]:
    """Return those that stay in any width, and beside them those that have no room in *width*.

    Empty when all have room.
    """
    shown = [column for column, _width in choose_columns(columns, width)]
    if len(shown) == len(columns):
        return []
    return [column for column in columns if not column.priority or column not in shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which column rows stand, by its title; an empty title keeps them as they come."""

    title: str = ""
    descending: bool = False

    def after_key(self, titles: Sequence[str]) -> Order:
        """Return the next order of the sort key: each column up, then down, then none.

        >>> Order().after_key(["A"]), Order(title="A", descending=True).after_key(["A"])
        (Order(title='A', descending=False), Order(title='', descending=False))
        """
        if not titles:
            return Order()
        if not self.title or self.title not in titles:
            return Order(title=titles[0])
        if not self.descending:
            return Order(title=self.title, descending=True)
        place = titles.index(self.title) + 1
        return Order(title=titles[place]) if place < len(titles) else Order()


def in_order(rows: Sequence[Row], columns: Sequence[Column[Row]], order: Order) -> list[Row]:
    """Return *rows* sorted by *order*; equal ones stay as they came."""
    column = next((column for column in columns if column.title == order.title), None)
    if column is None:
        return list(rows)

    def rank(row: Row) -> tuple[bool, float, str]:
        value = column.value_of(row)
        # Texts stand after numbers; the two must not be compared with each other.
        return (True, 0.0, value) if isinstance(value, str) else (False, float(value), "")

    return sorted(rows, key=rank, reverse=order.descending)


def table_head(
    columns: Sequence[tuple[Column[Row], int]], *, order: Order | None = None, marks: str = "^v"
) -> Line:
    """Return the line of titles; the sorted one carries the symbol of up or down in *marks*."""
    pieces: list[Piece] = []
    for column, width in columns:
        name, tone = column.title, Tone.MUTED
        if order is not None and order.title == column.title:
            name, tone = name[: max(0, width - 1)] + marks[order.descending], Tone.STRONG
        title = f"{name:>{width}}" if column.right else f"{name:<{width}}"
        pieces += [Piece(title[:width], tone), Piece(" ")]
    return tuple(pieces[:-1])


def column_at(columns: Sequence[tuple[Column[Row], int]], cell: int) -> Column[Row] | None:
    """Return the column at *cell* of a row, the gap behind it included."""
    end = 0
    for column, width in columns:
        end += width + 1
        if cell < end:
            return column
    return None


def table_row(
    columns: Sequence[tuple[Column[Row], int]],
    row: Row,
    ellipsis: str,
    *,
    grown: frozenset[str] = frozenset(),
    sign: str = "",
) -> Line:
    """Return *row* as a line; cells of the columns *grown* stand out, with *sign* before them."""
    pieces: Line = EMPTY
    for index, (column, width) in enumerate(columns):
        cell = column.cell(row, width)
        if column.title in grown:
            cell = (Piece(f"{sign}{plain(cell).strip()}", Tone.BAD),)
        if column.right and (room := width - width_of(cell)) > 0:
            cell = (Piece(" " * room), *cell)
        gap = (Piece(" "),) if index else EMPTY
        pieces = (*pieces, *gap, *fit(cell, width, ellipsis))
    return pieces
