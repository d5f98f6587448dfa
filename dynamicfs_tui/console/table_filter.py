"""The filter of a table: what an operator types after ``/``.

Terms are separated by spaces and must all hold. ``word`` is a part of any
column, ``!word`` of none, ``column:word`` of that column, ``column>n`` and
``column<n`` compare numbers (``K M G T`` are binary), ``~pattern`` is a regular
expression. A column is named by the start of its title.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from dynamicfs_tui.console.table import Column

Row = TypeVar("Row")

FILTER_MAX: Final = 60
"""Characters of a filter."""

_TERM: Final = re.compile(r"(?P<column>[a-z%/#]+)(?P<sign>[:<>])(?P<value>.+)")
_NUMBER: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[kmgt]?)(?:i?b|%)?")
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def apply_filter(rows: Sequence[Row], columns: Sequence[Column[Row]], text: str) -> list[Row]:
    """Return the rows for which every term of *text* holds, in their order."""
    tests = [_parse_term(term, columns) for term in text.lower().split()]
    return [row for row in rows if all(holds(row) for holds in tests)]


def _parse_term(term: str, columns: Sequence[Column[Row]]) -> Callable[[Row], bool]:
    if term.startswith("!"):
        if term == "!":
            return lambda _row: True  # Still being typed.
        wanted = _parse_term(term[1:], columns)
        return lambda row: not wanted(row)
    if term.startswith("~"):
        try:
            pattern = re.compile(term[1:])
        except re.error:
            return lambda _row: True  # Not a pattern yet.
        return lambda row: pattern.search(_text_of(row, columns)) is not None
    match = _TERM.fullmatch(term)
    column = None if match is None else _find_column(columns, match["column"])
    if match is None or column is None:
        return lambda row: term in _text_of(row, columns)
    return _column_test(column, match["sign"], match["value"])


def _column_test(column: Column[Row], sign: str, value: str) -> Callable[[Row], bool]:
    if sign == ":":
        return lambda row: value in str(column.value_of(row)).lower()
    number = parse_number(value)

    def compares(row: Row) -> bool:
        seen = column.value_of(row)
        if isinstance(seen, str) or number is None:
            return False
        return seen > number if sign == ">" else seen < number

    return compares


def parse_number(text: str) -> float | None:
    """Return the number that *text* writes; ``None`` when it writes none.

    >>> parse_number("80%"), parse_number("1.5k"), parse_number("x")
    (80.0, 1536.0, None)
    """
    match = _NUMBER.fullmatch(text.lower())
    return None if match is None else float(match["number"]) * _UNITS[match["unit"]]


def _find_column(columns: Sequence[Column[Row]], name: str) -> Column[Row] | None:
    return next((column for column in columns if column.title.lower().startswith(name)), None)


def _text_of(row: Row, columns: Sequence[Column[Row]]) -> str:
    return " ".join(str(column.value_of(row)) for column in columns).lower()
