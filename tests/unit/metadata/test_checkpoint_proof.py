"""Checkpoints are proved before older journals go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from engine.errors import DamagedDatabaseError, DamagedRecordError, QuorumError
from engine.ids import Generation
from engine.metadata.checkpoint import CheckpointMade, make_checkpoint
from engine.metadata.database import open_database
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode, open_metadata
from engine.metadata.scan import scan_disk
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    LaneDisks,
    WrittenPool,
    journal_of,
    lane_disks,
    next_root,
    properties,
    put,
)

QUORUM = JournalSet(disks=ABC, tolerance=1)


@pytest.fixture
def pool(tmp_path: Path) -> WrittenPool:
    """Three disks, m=1, three groups that all disks hold."""
    made = WrittenPool(tmp_path / "pool")
    made.write_many(3)
    return made


@pytest.fixture
def disks(pool: WrittenPool) -> Iterator[LaneDisks]:
    with lane_disks(pool.devices) as made:
        yield made


def make(pool: WrittenPool, disks: LaneDisks) -> CheckpointMade:
    return make_checkpoint(
        disks,
        database=pool.database,
        scratch=pool.folder,
        quorum=QUORUM,
        wait_acknowledged=lambda _: None,
    )


def checkpoints_of(pool: WrittenPool) -> list[list[int]]:
    return [
        [point.root.generation for point in scan_disk(disk, pool.devices[disk]).checkpoints]
        for disk in ABC
    ]


def test_two_checkpoints_are_kept_and_journals_from_the_older_one_on(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    first = make(pool, disks)
    assert journal_of(pool.devices[A]) == [1, 2, 3]
    pool.write_many(2)
    second = make(pool, disks)
    assert journal_of(pool.devices[A]) == [3, 4, 5]
    pool.write_many(2)
    third = make(pool, disks)

    assert [made.replayed for made in (first, second, third)] == [3, 2, 2]
    assert checkpoints_of(pool) == [[5, 7]] * 3
    assert journal_of(pool.devices[A]) == [5, 6, 7]


def test_nothing_but_the_pool_is_left_in_the_pool_directory(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    make(pool, disks)

    assert {file.name for file in pool.folder.iterdir()} <= {
        "metadata.db",
        "metadata.db-wal",
        "metadata.db-shm",
    }


def test_a_change_that_no_record_has_is_found_and_every_journal_stays(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    make(pool, disks)
    pool.write()
    make(pool, disks)
    connection = open_database(pool.database)
    connection.execute("UPDATE property SET value = 'altered' WHERE name = 'p1'")
    connection.close()
    pool.write()

    with pytest.raises(
        DamagedDatabaseError, match=r"property: .*of pool.* here, .*altered.* there"
    ):
        make(pool, disks)
    assert journal_of(pool.devices[A]) == [3, 4, 5]
    assert checkpoints_of(pool) == [[3, 4]] * 3


def test_a_record_that_says_something_else_is_found(pool: WrittenPool, disks: LaneDisks) -> None:
    connection = open_database(pool.database)
    connection.execute("UPDATE property SET value = 'else' WHERE name = 'p2'")
    connection.close()

    with pytest.raises(DamagedDatabaseError, match="else"):
        make(pool, disks)


def test_a_skipped_changeset_is_found(pool: WrittenPool, disks: LaneDisks) -> None:
    """A record may be whole, chained and empty, though its group changed rows."""

    def silently(connection: apsw.Connection) -> None:
        session = apsw.Session(connection, "main")
        session.close()

    connection = open_database(pool.database)
    connection.execute("INSERT INTO property VALUES ('skipped', 'x')")
    put_everywhere = next_root(connection, silently)
    connection.close()
    for disk in ABC:
        put(pool.devices[disk], put_everywhere)

    with pytest.raises(DamagedDatabaseError, match="3 rows here, 4 there"):
        make(pool, disks)


def test_a_journal_that_lacks_a_root_is_completed_from_another(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    pool.write(A, B)
    pool.write(B, C)
    pool.write(C, A)

    assert make(pool, disks).replayed == 6


def test_without_the_journals_there_is_no_proof(pool: WrittenPool, disks: LaneDisks) -> None:
    for disk in ABC:
        pool.devices[disk].journal_trim(Generation(3))

    with pytest.raises(DamagedRecordError, match="root 1"):
        make(pool, disks)
    assert checkpoints_of(pool) == [[], [], []]


def test_too_few_disks_keep_every_journal(pool: WrittenPool, disks: LaneDisks) -> None:
    make(pool, disks)
    pool.write()
    disks.gone = {B, C}

    with pytest.raises(QuorumError, match="1 journal disks took the checkpoint, 2 needed"):
        make(pool, disks)
    assert journal_of(pool.devices[A]) == [1, 2, 3, 4]


def test_an_unacknowledged_generation_gets_no_checkpoint(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    def refuse(generation: Generation) -> None:
        raise QuorumError(f"{generation} is not acknowledged")

    with pytest.raises(QuorumError):
        make_checkpoint(
            disks,
            database=pool.database,
            scratch=pool.folder,
            quorum=QUORUM,
            wait_acknowledged=refuse,
        )
    assert checkpoints_of(pool) == [[], [], []]


def test_a_half_stored_checkpoint_of_that_name_is_replaced(
    pool: WrittenPool, disks: LaneDisks
) -> None:
    name = f"checkpoints/{3:016x}.{1:016x}"
    pool.devices[A].put(name, [b"half of one"])

    make(pool, disks)

    assert checkpoints_of(pool) == [[3]] * 3


def test_checkpoints_survive_a_power_cut(pool: WrittenPool, disks: LaneDisks) -> None:
    make(pool, disks)
    for device in pool.devices.values():
        device.lose_power()

    assert checkpoints_of(pool) == [[3]] * 3


def test_a_damaged_newest_checkpoint_is_made_up_for_by_the_older_one(
    pool: WrittenPool, disks: LaneDisks, tmp_path: Path
) -> None:
    make(pool, disks)
    pool.write()
    make(pool, disks)
    name = f"checkpoints/{4:016x}.{1:016x}"
    for disk in ABC:
        device = pool.devices[disk]
        data = bytearray(device.get(name, offset=0, length=1 << 24))
        data[-40] ^= 1
        device.delete(name)
        device.put(name, [data])
    other = tmp_path / "other"
    other.mkdir()

    opened = open_metadata(other, pool.devices, mode=OpenMode.READ_WRITE)

    assert set(properties(opened.database)) == {"p1", "p2", "p3", "p4"}
    assert replace(opened.head.header, time_ns=0).generation == 4
