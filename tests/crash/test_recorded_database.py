"""The simulated world under SQLite and the engine: its cuts are those that they expect.

What SQLite promises of its own settings is the oracle of the world here: were a
flush noted too early or too late, databases would break that must not, or none
would that may.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from engine.metadata.database import connect
from tests.simulation import BuiltWorld, World
from tests.simulation.judge_states import quick_folder
from tests.simulation.plain_disk import files_in

ROWS = 12
NEW = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory: thousands of databases are built and flushed here."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def world(place: Path) -> World:
    return World(place / "live", disk_count=1)


def write_rows(world: World, *, journal_mode: str, synchronous: str) -> list[int]:
    """Commit the rows 1 to ROWS one by one; return the position after each."""
    with world:
        connection = connect(world.pool / "test.db", flags=NEW)
        connection.pragma("journal_mode", journal_mode)
        connection.pragma("synchronous", synchronous)
        connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, filling BLOB)")
        committed = [world.position]
        for number in range(1, ROWS + 1):
            connection.execute("INSERT INTO row VALUES (?, ?)", (number, bytes([number]) * 900))
            committed.append(world.position)
            if number == ROWS // 2 and journal_mode == "wal":
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        connection.close()
    return committed


def rows_of(built: BuiltWorld) -> int | None:
    """Return how many rows are there, the first ones; None for a damaged database.

    Where the table itself was lost, that is -1.
    """
    try:
        connection = connect(built.pool / "test.db", flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            if connection.pragma("integrity_check") != "ok":
                return None
            if not connection.table_exists(None, "row"):
                return -1
            rows = list(connection.execute("SELECT number, filling FROM row ORDER BY number"))
        finally:
            connection.close()
    except apsw.Error:
        return None
    whole = [(number, bytes([number]) * 900) for number in range(1, len(rows) + 1)]
    return len(rows) if rows == whole else None


def lost_rows(world: World, committed: list[int], target: Path) -> tuple[int, int, int]:
    """Open the database after each cut since it had its table.

    Returns how many states there were, how many were damaged, and how many
    committed rows the worst of them had lost.
    """
    count = damaged = worst = 0
    for state in world.states(
        seed=4, cuts=range(committed[0], world.position + 1), samples_per_cut=4
    ):
        built = state.build(target)
        rows = rows_of(built)
        built.remove()
        count += 1
        acknowledged = sum(position <= state.position for position in committed) - 1
        if rows is None:
            damaged += 1
        else:
            worst = max(worst, acknowledged - rows)
    return count, damaged, worst


@pytest.mark.parametrize(("journal_mode", "synchronous"), [("wal", "full"), ("delete", "extra")])
def test_a_database_that_flushes_each_commit_is_whole_after_any_cut(
    world: World, place: Path, journal_mode: str, synchronous: str
) -> None:
    committed = write_rows(world, journal_mode=journal_mode, synchronous=synchronous)

    count, damaged, worst = lost_rows(world, committed, place / "built")

    assert count > 300
    assert (damaged, worst) == (0, 0)


def test_a_database_that_flushes_only_before_checkpoints_is_whole_but_loses_rows(
    world: World, place: Path
) -> None:
    committed = write_rows(world, journal_mode="wal", synchronous="normal")

    _, damaged, worst = lost_rows(world, committed, place / "built")

    assert damaged == 0
    # The checkpoint came half-way: what it made durable, the table, was lost before.
    assert worst == ROWS // 2 + 1


def test_a_database_whose_journal_s_end_is_not_flushed_loses_the_last_row_only(
    world: World, place: Path
) -> None:
    # SQLite says so of synchronous=FULL without a WAL: a commit is the removal
    # of the journal, and that flushes no folder.
    committed = write_rows(world, journal_mode="delete", synchronous="full")

    _, damaged, worst = lost_rows(world, committed, place / "built")

    assert (damaged, worst) == (0, 1)


def test_a_database_that_never_flushes_is_damaged_by_some_cut(world: World, place: Path) -> None:
    committed = write_rows(world, journal_mode="wal", synchronous="off")

    _, damaged, _ = lost_rows(world, committed, place / "built")

    assert damaged > 0


def test_a_database_that_shrinks_is_as_the_live_one_when_everything_arrived(
    world: World, place: Path
) -> None:
    write_rows(world, journal_mode="wal", synchronous="full")
    with world:
        connection = connect(world.pool / "test.db", flags=apsw.SQLITE_OPEN_READWRITE)
        connection.execute("DELETE FROM row WHERE number > 2")
        connection.execute("VACUUM")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        lengths = {name: len(data) for name, data in files_in(world.pool).items()}
        live = (world.pool / "test.db").read_bytes()
        built = world.state(f"cut {world.position} everything").build(place / "built")
        connection.close()

    assert lengths["test.db-wal"] == 0
    assert files_in(built.pool) == {"test.db": live, "test.db-wal": b""}
