"""Two metadata databases row by row in Python: the oracle of the engine's own comparison."""

from __future__ import annotations

from typing import Final

import apsw

from engine.metadata.schema import TRACKED_TABLES

_KEY_COLUMNS: Final = {
    "dentry": "1, 2",
    "xattr": "1, 2",
    "segment": "1, 2",
    "fragment": "1, 2",
    "damage": "1, 2",
    "staged": "1, 2",
    "dropped": "1, 2, 3",
}
"""Columns of the keys that are more than the first one."""


def differences(one: apsw.Connection, other: apsw.Connection) -> list[str]:
    """Return what differs, the first row of each table; empty if nothing does."""
    found: list[str] = []
    for table in (*TRACKED_TABLES, "staged", "head"):
        left = one.execute(f"SELECT * FROM {table} ORDER BY {_KEY_COLUMNS.get(table, '1')}")
        right = other.execute(f"SELECT * FROM {table} ORDER BY {_KEY_COLUMNS.get(table, '1')}")
        row = -1
        for row, mine in enumerate(left):
            theirs = right.fetchone()
            if mine != theirs:
                found.append(f"{table}: row {row} is {mine!r} here and {theirs!r} there")
                break
        else:
            if right.fetchone() is not None:
                found.append(f"{table}: more than {row + 1} rows there")
    return found
