"""Opening: the head is found, and everything is brought to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from engine.device.faulty import FailWith, Fault, FaultyDevice
from engine.errors import (
    DamagedRecordError,
    DeviceDeniedError,
    PoolError,
    QuorumError,
)
from engine.format.label import decode_label, encode_label
from engine.ids import Epoch, Generation, PoolUuid
from engine.metadata.database import open_database
from engine.metadata.decision import LocalVerdict
from engine.metadata.files import set_database_aside
from engine.metadata.recovery import OpenMode, open_metadata
from engine.metadata.replay import apply_root
from engine.metadata.scan import scan_disk, scan_local
from tests.unit.metadata.compared import differences
from tests.unit.metadata.shadowed_store import ShadowedStore, inode_of
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    D,
    WrittenPool,
    journal_of,
    labelled,
    naming,
    next_root,
    properties,
    put,
)


@pytest.fixture
def pool(tmp_path: Path) -> WrittenPool:
    """Three disks, m=1, four groups that all disks hold."""
    made = WrittenPool(tmp_path / "pool")
    made.write_many(4)
    return made


def names(count: int) -> set[str]:
    return {f"p{number}" for number in range(1, count + 1)}


def lose_database(pool: WrittenPool) -> None:
    for file in pool.folder.iterdir():
        file.unlink()


@pytest.mark.parametrize("missing", [set(s) for r in range(4) for s in combinations(ABC, r)])
@pytest.mark.parametrize("holders", list(combinations(ABC, 2)))
def test_a_read_write_open_never_lacks_an_acknowledged_root(
    pool: WrittenPool, missing: set[object], holders: tuple[object, ...]
) -> None:
    pool.write(*holders)  # type: ignore[arg-type]
    lose_database(pool)
    there = [disk for disk in ABC if disk not in missing]

    if len(there) < 2:
        with pytest.raises((QuorumError, PoolError)):
            open_metadata(pool.folder, pool.only(*there), mode=OpenMode.READ_WRITE)
        return
    opened = open_metadata(pool.folder, pool.only(*there), mode=OpenMode.READ_WRITE)

    assert set(properties(opened.database)) == names(5)
    assert all(journal_of(pool.devices[disk]) == [1, 2, 3, 4, 5] for disk in there)


def test_the_promised_epoch_is_in_every_label_and_above_all_seen(pool: WrittenPool) -> None:
    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)
    again = open_metadata(pool.folder, pool.only(B, C), mode=OpenMode.READ_WRITE)

    assert (opened.next_epoch, again.next_epoch) == (2, 3)
    assert decode_label(pool.devices[A].get_label()).epoch == 2
    assert decode_label(pool.devices[B].get_label()).epoch == 3


def test_an_epoch_that_too_few_labels_took_is_not_used(pool: WrittenPool) -> None:
    devices = {disk: FaultyDevice(device) for disk, device in pool.devices.items()}
    for disk in (B, C):
        failure = FailWith(error=DeviceDeniedError("write-protected"))
        devices[disk].add_fault(Fault(action=failure, method="set_label"))

    with pytest.raises(QuorumError, match="epoch 2 reached 1 journal disks, 2 needed"):
        open_metadata(pool.folder, devices, mode=OpenMode.READ_WRITE)


def test_outbox_roots_are_shipped_by_the_next_open(pool: WrittenPool) -> None:
    connection = open_database(pool.database)
    next_root(connection, naming("late", "local only"))
    connection.close()

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert opened.decision.local is LocalVerdict.CURRENT
    assert all(journal_of(pool.devices[disk]) == [1, 2, 3, 4, 5] for disk in ABC)
    assert scan_local(pool.database).roots == ()


def test_groups_that_a_killed_process_could_not_ship_reach_the_disks_as_records(
    tmp_path: Path,
) -> None:
    devices = {disk: labelled(disk) for disk in ABC}
    killed = ShadowedStore(tmp_path)
    for number in range(2, 6):
        with killed.store.operation():
            killed.tables.inodes.insert(inode_of(number))
        record = killed.close_group()
        if number == 2 and record is not None:
            for device in devices.values():
                put(device, record)
    killed.store.close()
    killed.shadow.close()

    opened = open_metadata(tmp_path, devices, mode=OpenMode.READ_WRITE)

    assert opened.lagging == ()
    assert [journal_of(device) for device in devices.values()] == [[1, 2, 3, 4]] * 3
    assert not any(scan_disk(disk, devices[disk]).checkpoints for disk in ABC)


def test_a_database_that_is_behind_is_replayed(pool: WrittenPool, tmp_path: Path) -> None:
    other = WrittenPool(tmp_path / "other")
    connection = open_database(other.database)
    for disk_entry in pool.records[:2]:
        head = scan_disk(A, pool.devices[A]).roots[disk_entry.generation - 1]
        apply_root(connection, disk_entry, head.root_hash)
    connection.close()

    opened = open_metadata(other.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert opened.decision.local is LocalVerdict.BEHIND
    assert set(properties(opened.database)) == names(4)


def test_a_damaged_database_is_set_aside_and_made_anew(pool: WrittenPool) -> None:
    pool.database.write_bytes(b"no database at all")

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert opened.decision.local is LocalVerdict.DAMAGED
    assert set(properties(opened.database)) == names(4)
    aside = pool.folder / "metadata.db.aside-1"
    assert aside.read_bytes() == b"no database at all"


def test_of_databases_that_were_set_aside_the_two_newest_are_kept(tmp_path: Path) -> None:
    database = tmp_path / "metadata.db"
    for number in range(1, 5):
        database.write_bytes(b"no database, damage %d" % number)
        database.with_name("metadata.db-wal").write_bytes(b"its log")
        assert set_database_aside(database).name == f"metadata.db.aside-{number}"

    aside = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert aside == {
        "metadata.db.aside-3": b"no database, damage 3",
        "metadata.db.aside-3-wal": b"its log",
        "metadata.db.aside-4": b"no database, damage 4",
        "metadata.db.aside-4-wal": b"its log",
    }


def test_a_leftover_log_is_not_replayed_into_a_database_made_anew(pool: WrittenPool) -> None:
    held = open_database(pool.database)
    held.execute("INSERT INTO property VALUES ('ghost', 'in the log only')")
    log = pool.folder / "metadata.db-wal"
    content = log.read_bytes()
    held.close()
    pool.database.unlink()
    log.write_bytes(content)

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert set(properties(opened.database)) == names(4)


def test_a_forced_open_says_who_holds_everything_and_claims_no_settled_set(
    pool: WrittenPool,
) -> None:
    pool.write(A, journal_set=(A, C))

    opened = open_metadata(pool.folder, pool.only(A), mode=OpenMode.FORCE)

    assert (opened.holding, opened.lagging) == ((A,), (C,))
    label = decode_label(pool.devices[A].get_label())
    assert (label.epoch, label.journal_set) == (2, ABC)


def test_read_only_changes_nothing(pool: WrittenPool) -> None:
    pool.write(A)
    connection = open_database(pool.database)
    next_root(connection, naming("late", "local only"))
    connection.close()
    labels = {disk: device.get_label() for disk, device in pool.devices.items()}

    opened = open_metadata(pool.folder, pool.only(A), mode=OpenMode.READ_ONLY)

    assert set(properties(opened.database)) == names(5) | {"late"}
    assert [journal_of(pool.devices[disk])[-1] for disk in ABC] == [5, 4, 4]
    assert labels == {disk: device.get_label() for disk, device in pool.devices.items()}


def test_a_read_only_view_is_at_the_head_and_leaves_a_damaged_database(pool: WrittenPool) -> None:
    pool.database.write_bytes(b"rot")

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_ONLY)

    assert opened.database != pool.database
    assert set(properties(opened.database)) == names(4)
    assert pool.database.read_bytes() == b"rot"


def test_a_gap_in_one_journal_is_filled_from_another(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool")
    pool.write(A, B)
    pool.write(B, C)
    pool.write(A, C)
    lose_database(pool)

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert set(properties(opened.database)) == names(3)
    assert all(journal_of(pool.devices[disk]) == [1, 2, 3] for disk in ABC)


def test_a_root_behind_an_unreadable_one_forbids_read_write(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool")
    pool.write_many(2)
    pool.write(B)
    pool.write(A)
    lose_database(pool)

    with pytest.raises(QuorumError, match="unreadable"):
        open_metadata(pool.folder, pool.only(A, C), mode=OpenMode.READ_WRITE)


def test_a_change_of_the_journal_set_is_not_passed_over(tmp_path: Path) -> None:
    """Two of the new set alone may not know what the old set acknowledged since."""
    pool = WrittenPool(tmp_path / "pool", (*ABC, D), journal_set=ABC)
    pool.write_many(2)
    pool.write(A, D, journal_set=(A, D), change=naming("change", "unacknowledged"))
    lose_database(pool)

    with pytest.raises(QuorumError):
        open_metadata(pool.folder, pool.only(A, D), mode=OpenMode.READ_WRITE)
    opened = open_metadata(pool.folder, pool.only(A, D, B), mode=OpenMode.READ_WRITE)

    assert "change" in properties(opened.database)
    assert decode_label(pool.devices[D].get_label()).journal_set == (A, D)


def test_two_halves_of_a_small_pool_cannot_both_go_on(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool", (A, B))
    pool.write_many(2)

    for disk in (A, B):
        with pytest.raises(QuorumError, match="1 of 2 journal disks are readable, 2 needed"):
            open_metadata(pool.folder, pool.only(disk), mode=OpenMode.READ_WRITE)


def test_a_member_without_any_base_gets_a_checkpoint(pool: WrittenPool) -> None:
    open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)  # Empties the outbox.
    replaced = labelled(C)
    for disk in (A, B):
        pool.devices[disk].journal_trim(Generation(3))
    pool.devices[C] = replaced
    pool.write(A, B)

    opened = open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    assert opened.lagging == ()
    assert [point.root.generation for point in scan_disk(C, replaced).checkpoints] == [5]


def test_an_unknown_table_in_a_changeset_is_refused(pool: WrittenPool) -> None:
    connection = open_database(pool.database)
    connection.execute("CREATE TABLE intruder (id INTEGER PRIMARY KEY NOT NULL) STRICT")
    connection.execute("BEGIN")
    session = apsw.Session(connection, "main")
    session.attach("intruder")
    connection.execute("INSERT INTO intruder VALUES (1)")
    changeset = session.changeset()
    session.close()
    connection.execute("ROLLBACK")
    connection.close()
    scan = scan_disk(A, pool.devices[A])
    bad = replace(
        pool.records[-1],
        generation=Generation(5),
        previous_hash=scan.roots[-1].root_hash,
        changeset=changeset,
        row_count=1,
    )
    for disk in ABC:
        put(pool.devices[disk], bad)

    with pytest.raises(DamagedRecordError, match="unknown table"):
        open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)


def test_disks_of_two_pools_are_refused(pool: WrittenPool) -> None:
    label = decode_label(pool.devices[C].get_label())
    pool.devices[C].set_label(encode_label(replace(label, pool_uuid=PoolUuid(UUID(int=9)))))

    with pytest.raises(PoolError, match="different pools"):
        open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)


def test_the_rebuilt_database_is_the_lost_one(pool: WrittenPool, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    opened = open_metadata(other, pool.devices, mode=OpenMode.READ_WRITE)

    one, two = open_database(opened.database), open_database(pool.database)
    assert differences(one, two) == []
    one.close()
    two.close()
    assert opened.next_epoch == Epoch(2)
