"""The comparison inside SQLite says what one row by row in Python says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.metadata.comparison import differences
from engine.metadata.database import create_database
from engine.metadata.scratch import ScratchError
from tests.unit.metadata import compared

ROWS = (
    "INSERT INTO dentry VALUES (1, x'61', 7, 1), (1, x'62', 8, 2), (2, x'61', 9, 1)",
    "INSERT INTO segment VALUES (5, 0, 10, 3, 0), (5, 10, 10, 3, 10), (6, 0, 1, 4, 0)",
    "INSERT INTO symlink VALUES (8, x'2f746d70')",
    "INSERT INTO dropped VALUES (3, 0, 1, 2), (3, 0, 2, 2), (3, 1, 1, 2)",
    "INSERT INTO property VALUES ('colour', 'red')",
    "INSERT INTO staged VALUES (5, 20, x'0001')",
)

CHANGES = {
    "a column beside the key": "UPDATE dentry SET inode = 70 WHERE parent = 1 AND name = x'61'",
    "the last column of the last row": "UPDATE segment SET extent_offset = 1 WHERE map = 6",
    "a key": "UPDATE dropped SET layout = 3 WHERE extent = 3 AND position = 0 AND layout = 2",
    "a row less": "DELETE FROM symlink",
    "a row more": "INSERT INTO xattr VALUES (9, x'75', x'')",
    "a value": "UPDATE property SET value = 'green'",
    "one bit of data": "UPDATE staged SET data = x'0003'",
    "an empty value": "UPDATE symlink SET target = x''",
}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(filled(tmp_path / "one.db")) as connection:
        yield connection


@pytest.fixture
def other(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(filled(tmp_path / "other.db")) as connection:
        yield connection


def filled(path: Path) -> apsw.Connection:
    connection = create_database(path)
    for rows in ROWS:
        connection.execute(rows)
    return connection


def found(one: apsw.Connection, other: apsw.Connection) -> list[str]:
    """Return the tables that the engine's comparison names."""
    told = differences(one, Path(other.filename), heed=lambda: None)
    return [text.partition(":")[0] for text in told]


def truth(one: apsw.Connection, other: apsw.Connection) -> list[str]:
    return [text.partition(":")[0] for text in compared.differences(one, other)]


def test_equal_databases_differ_in_nothing_and_can_be_compared_again(
    one: apsw.Connection, other: apsw.Connection
) -> None:
    assert found(one, other) == []
    assert found(one, other) == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_found_from_both_sides(
    one: apsw.Connection, other: apsw.Connection, change: str
) -> None:
    other.execute(change)

    assert len(found(one, other)) == 1
    assert found(one, other) == truth(one, other)
    assert found(other, one) == truth(other, one)


def test_a_comparison_can_be_given_up(one: apsw.Connection, other: apsw.Connection) -> None:
    for connection in (one, other):
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            " INSERT INTO orphan SELECT i FROM n"
        )

    def heed() -> None:
        raise ScratchError("no more")

    with pytest.raises(ScratchError, match="no more"):
        differences(one, Path(other.filename), heed=heed)
