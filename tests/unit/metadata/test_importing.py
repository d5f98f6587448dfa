"""A pool directory is made again from the disks alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault, FaultyDevice
from engine.errors import DamagedRecordError, DeviceFailedError, PoolError, SplitHistoryError
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.database import open_database
from engine.metadata.importing import import_pool, survey
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode, open_metadata
from tests.unit.metadata.compared import differences
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    D,
    WrittenPool,
    journal_of,
    lane_disks,
    naming,
    next_root,
    properties,
    put,
)


@pytest.fixture
def pool(tmp_path: Path) -> WrittenPool:
    """Three disks, m=1, three groups, a checkpoint, one more group."""
    made = WrittenPool(tmp_path / "pool")
    made.write_many(3)
    with lane_disks(made.devices) as disks:
        make_checkpoint(
            disks,
            database=made.database,
            scratch=made.folder,
            quorum=JournalSet(disks=ABC, tolerance=1),
            wait_acknowledged=lambda _: None,
        )
    made.write()
    return made


def test_the_survey_shows_each_disk_and_what_is_missing(pool: WrittenPool) -> None:
    pool.write(A)

    shown = survey(pool.only(A, B))

    assert [(disk.generation, disk.epoch, disk.checkpoints) for disk in shown.disks] == [
        (5, 1, (3,)),
        (4, 1, (3,)),
    ]
    assert shown.disks[0].time_ns == pool.records[-1].time_ns
    assert (shown.missing, shown.read_write, shown.pool_name) == ((C,), True, "tank")
    assert not survey(pool.only(B)).read_write


@pytest.mark.parametrize("missing", ABC)
def test_an_import_equals_what_was_lost(pool: WrittenPool, tmp_path: Path, missing: object) -> None:
    there = [disk for disk in ABC if disk != missing]

    import_pool(pool.only(*there), tmp_path / "new")

    one, two = open_database(tmp_path / "new/metadata.db"), open_database(pool.database)
    assert differences(one, two) == []
    one.close()
    two.close()


def test_an_import_changes_nothing_on_the_disks(pool: WrittenPool, tmp_path: Path) -> None:
    pool.write(A)

    import_pool(pool.devices, tmp_path / "new")

    assert [journal_of(pool.devices[disk])[-1] for disk in ABC] == [5, 4, 4]


def test_an_import_after_the_journal_set_changed_needs_only_the_new_one(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool", (*ABC, D), journal_set=ABC)
    pool.write_many(2)
    pool.write(journal_set=(B, C, D))
    pool.write(B, C, D)
    open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    shown = survey(pool.only(C, D))
    import_pool(pool.only(C, D), tmp_path / "new")
    opened = open_metadata(tmp_path / "new", pool.only(C, D), mode=OpenMode.READ_WRITE)

    assert shown.read_write
    assert set(properties(opened.database)) == {"p1", "p2", "p3", "p4"}


def test_a_directory_that_holds_a_pool_is_refused(pool: WrittenPool) -> None:
    before = pool.database.read_bytes()

    with pytest.raises(PoolError, match="holds a pool already"):
        import_pool(pool.devices, pool.folder)
    assert pool.database.read_bytes() == before


def test_an_interrupted_import_leaves_no_database_and_is_repeated(
    pool: WrittenPool, tmp_path: Path
) -> None:
    into = tmp_path / "new"
    faulty = FaultyDevice(pool.devices[A])
    for number in (2, 3):  # The first call is the scan's, then one for each base.
        failure = FailWith(error=DeviceFailedError("worn out"))
        faulty.add_fault(Fault(action=failure, method="journal_list", nth=number))

    with pytest.raises(DamagedRecordError):
        import_pool({A: faulty}, into)
    assert not (into / "metadata.db").exists()
    (into / "metadata.db.rebuilding").write_bytes(b"a scratch file of a killed import")
    import_pool(pool.devices, into)

    assert set(properties(into / "metadata.db")) == {"p1", "p2", "p3", "p4"}


def test_split_histories_are_refused(pool: WrittenPool, tmp_path: Path) -> None:
    import_pool(pool.devices, tmp_path / "new")
    connection = open_database(tmp_path / "new/metadata.db")
    put(pool.devices[C], next_root(connection, naming("other", "c")))
    connection.close()
    pool.write(A, B)

    with pytest.raises(SplitHistoryError):
        survey(pool.devices)
    with pytest.raises(SplitHistoryError):
        import_pool(pool.devices, tmp_path / "newer")


def test_disks_without_any_root_are_nothing_to_import(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool")

    with pytest.raises(PoolError, match="nothing to import"):
        import_pool(pool.devices, tmp_path / "new")
