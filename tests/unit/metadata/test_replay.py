"""Replay cannot skip: what is not exactly the next root is refused, unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from engine.errors import DamagedRecordError
from engine.format.root import encode_root, root_hash
from engine.format.staged import StagedDelete, StagedPut, encode_staged
from engine.ids import ExtentId, Generation, MapId
from engine.metadata.database import create_database
from engine.metadata.replay import apply_root, count_rows, read_head
from engine.model.inode import Segment
from engine.model.root import RootRecord
from tests.unit.metadata.compared import differences
from tests.unit.metadata.shadowed_store import ShadowedStore

MAP = MapId(3)


@pytest.fixture
def records(shadowed: ShadowedStore) -> list[RootRecord]:
    """Four groups of a store; the last three change each other's rows."""
    file_map = shadowed.tables.file_map
    for number in range(4):
        with shadowed.store.operation():
            file_map.clear(MAP, 0, 15, row_limit=99)
            file_map.put_segment(MAP, Segment(number, 10, ExtentId(number + 1), 0))
            file_map.put_staged(MAP, 20 + number, bytes([number]))
            file_map.clear(MAP, 20, 20 + number, row_limit=99)
        shadowed.close_group()
    return shadowed.records


@pytest.fixture
def fresh(tmp_path: Path) -> apsw.Connection:
    return create_database(tmp_path / "fresh.db")


def replay(connection: apsw.Connection, record: RootRecord) -> None:
    apply_root(connection, record, root_hash(encode_root(record)))


def other_table(tmp_path: Path) -> bytes:
    """Return a changeset of a table that is not of the schema."""
    connection = apsw.Connection(str(tmp_path / "other.db"))
    connection.execute("CREATE TABLE stranger (id INTEGER PRIMARY KEY NOT NULL)")
    session = apsw.Session(connection, "main")
    session.attach("stranger")
    connection.execute("INSERT INTO stranger VALUES (1)")
    changeset = session.changeset()
    session.close()
    connection.close()
    return changeset


def wider_table(tmp_path: Path) -> bytes:
    """Return a changeset of a known table with one column more."""
    connection = apsw.Connection(str(tmp_path / "wider.db"))
    connection.execute("CREATE TABLE property (name TEXT PRIMARY KEY NOT NULL, value, more)")
    session = apsw.Session(connection, "main")
    session.attach("property")
    connection.execute("INSERT INTO property VALUES ('a', 'b', 'c')")
    changeset = session.changeset()
    session.close()
    connection.close()
    return changeset


def test_records_alone_make_the_same_database(
    shadowed: ShadowedStore, records: list[RootRecord], fresh: apsw.Connection
) -> None:
    for record in records:
        replay(fresh, record)

    assert differences(fresh, shadowed.connection) == []


@pytest.mark.parametrize(
    "alter",
    [
        lambda record: replace(record, generation=Generation(record.generation + 1)),
        lambda record: replace(record, generation=Generation(record.generation - 1)),
        lambda record: replace(record, previous_hash=bytes(32)),
        lambda record: replace(record, schema_version=record.schema_version + 1),
        lambda record: replace(record, row_count=record.row_count + 1),
        lambda record: replace(record, changeset=b""),
        lambda record: replace(record, changeset=record.changeset[:-1]),
        lambda record: replace(record, changeset=b"garbage" + record.changeset),
        lambda record: replace(record, staged=encode_staged([StagedDelete(MAP, 4000)])),
        lambda record: replace(record, staged=encode_staged([StagedPut(MAP, 20, b"twice")])),
    ],
    ids=[
        "skipped generation",
        "repeated generation",
        "other history",
        "other schema",
        "other row count",
        "lost changeset",
        "torn changeset",
        "garbled changeset",
        "staged row not there",
        "staged row there already",
    ],
)
def test_what_is_not_the_next_root_is_refused_and_changes_nothing(
    records: list[RootRecord],
    fresh: apsw.Connection,
    tmp_path: Path,
    alter: Callable[[RootRecord], RootRecord],
) -> None:
    replay(fresh, records[0])
    before = create_database(tmp_path / "before.db")
    replay(before, records[0])

    with pytest.raises(DamagedRecordError):
        replay(fresh, alter(records[1]))

    assert differences(fresh, before) == []
    replay(fresh, records[1])


@pytest.mark.parametrize("make", [other_table, wider_table])
def test_a_table_or_a_shape_nobody_knows_is_refused(
    records: list[RootRecord],
    fresh: apsw.Connection,
    tmp_path: Path,
    make: Callable[[Path], bytes],
) -> None:
    replay(fresh, records[0])
    foreign = replace(records[1], changeset=make(tmp_path), row_count=1)

    with pytest.raises(DamagedRecordError, match="unknown table"):
        replay(fresh, foreign)

    head = read_head(fresh)
    assert head is not None
    assert head.generation == 1


def test_a_changeset_that_meets_other_rows_is_refused(
    records: list[RootRecord], fresh: apsw.Connection
) -> None:
    replay(fresh, records[0])
    fresh.execute("UPDATE segment SET extent = 77")

    with pytest.raises(DamagedRecordError, match="does not apply"):
        replay(fresh, records[1])

    assert fresh.execute("SELECT extent FROM segment").get == 77


def test_the_first_root_is_generation_one_behind_nothing(
    records: list[RootRecord], fresh: apsw.Connection
) -> None:
    with pytest.raises(DamagedRecordError):
        replay(fresh, records[1])

    assert read_head(fresh) is None
    replay(fresh, records[0])


def test_rows_are_counted_as_the_changeset_has_them(records: list[RootRecord]) -> None:
    assert [count_rows(record.changeset) for record in records] == [
        record.row_count for record in records
    ]
    assert records[0].row_count == 1
    assert count_rows(b"") == 0


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO property VALUES ('only', 'here')",
        "UPDATE segment SET length = length - 1",
        "DELETE FROM staged",
        "INSERT INTO orphan VALUES (5)",
        "INSERT INTO dropped VALUES (1, 2, 3, 4)",
        "UPDATE head SET epoch = 9",
    ],
)
def test_any_difference_of_two_databases_is_found_from_both_sides(
    shadowed: ShadowedStore, records: list[RootRecord], fresh: apsw.Connection, change: str
) -> None:
    for record in records:
        replay(fresh, record)
    fresh.execute(change)

    assert len(differences(fresh, shadowed.connection)) == 1
    assert len(differences(shadowed.connection, fresh)) == 1
