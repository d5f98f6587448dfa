"""A member that began anew with a checkpoint: what it had before goes, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.device.protocol import Device
from engine.format.checkpoint import write_checkpoint
from engine.format.root import encode_root, root_hash
from engine.ids import Generation
from engine.metadata.catchup import began_anew, drop_passed
from engine.metadata.database import create_database
from engine.metadata.inspection import inspect_member
from engine.metadata.recovery import OpenMode, open_metadata
from engine.metadata.scan import scan_checkpoints, scan_disk
from engine.metadata.summaries import checkpoint_name
from engine.model.root import RootRecord
from tests.unit.metadata.written_pool import A, B, C, WrittenPool, journal_of, lane_disks, put


@pytest.mark.parametrize(
    ("points", "records", "held", "left"),
    [
        # Nothing leads from 2 to 9: it goes, and what is behind it.
        ([2, 9], [2, 3, 4, 10], 10, ([9], [10])),
        # The two of an ordinary life: from 5 every record leads on.
        ([5, 9], [5, 6, 7, 8, 9, 10], 10, ([5, 9], [5, 6, 7, 8, 9, 10])),
        # Of three, the one that leads nowhere.
        ([2, 7, 9], [2, 3, 7, 8, 9], 9, ([7, 9], [7, 8, 9])),
        # From the first record on no checkpoint is needed to begin with.
        ([3], [1, 2, 3, 4], 4, ([3], [1, 2, 3, 4])),
        # One that is newer than what is held is nobody's to judge here.
        ([4, 9], [5, 6], 6, ([4, 9], [5, 6])),
        ([], [1, 2], 2, ([], [1, 2])),
    ],
)
def test_only_what_leads_to_nothing_goes_from_a_member_that_began_anew(
    tmp_path: Path,
    points: list[int],
    records: list[int],
    held: int,
    left: tuple[list[int], list[int]],
) -> None:
    pool = WrittenPool(tmp_path / "pool", (A,), tolerance=0)
    pool.devices, devices = {}, pool.devices
    made = [pool.write() for _ in range(10)]
    device = devices[A]
    for record in made:
        if record.generation in points:
            store_point(device, record, tmp_path)
        if record.generation in records:
            put(device, record)

    for _ in range(2):
        drop_passed(device, Generation(held))

    with lane_disks({A: device}) as disks:
        pieces = inspect_member(disks, A, until=Generation(held), heed=lambda: None)
        found = [damage.name for piece in pieces for damage in piece.damage]
    kept = [int(point.root.generation) for point in scan_checkpoints(device)]
    assert (kept, journal_of(device)) == left
    assert found == []


@pytest.mark.parametrize(
    ("points", "records", "rotten", "left", "found"),
    [
        # Cut between the base at 9 and the removal of what the disk had before it was away.
        ([2, 9], [2, 3, 4], 0, ([9], [10]), []),
        # The same, and the record that follows was there already.
        ([2, 9], [2, 3, 4, 10], 0, ([9], [10]), []),
        # An ordinary life is left alone, and so is rot, which looks like it but for the damage.
        ([5, 9], [5, 6, 7, 8, 9, 10], 0, ([5, 9], [5, 6, 7, 8, 9, 10]), []),
        ([5, 9], [5, 6, 7, 8, 10], 9, ([5, 9], [5, 6, 7, 8, 9, 10]), ["journal record 9"]),
    ],
)
def test_an_open_ends_what_a_power_cut_left_of_a_new_beginning(
    tmp_path: Path,
    points: list[int],
    records: list[int],
    rotten: int,
    left: tuple[list[int], list[int]],
    found: list[str],
) -> None:
    pool = WrittenPool(tmp_path / "pool")
    made = [pool.write(B, C) for _ in range(10)]
    device = pool.devices[A]
    for record in made:
        if record.generation in points:
            store_point(device, record, tmp_path)
        if record.generation in records:
            put(device, record)
        if record.generation == rotten:
            device.journal_put(record.generation, record.epoch, b"rot")

    open_metadata(pool.folder, pool.devices, mode=OpenMode.READ_WRITE)

    with lane_disks({A: device}) as disks:
        pieces = inspect_member(disks, A, until=Generation(10), heed=lambda: None)
        assert [damage.name for piece in pieces for damage in piece.damage] == found
    kept = [int(point.root.generation) for point in scan_checkpoints(device)]
    assert (kept, journal_of(device)) == left


def test_a_hole_on_a_disk_with_damage_may_be_rot(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool", (A,), tolerance=0)
    pool.devices, devices = {}, pool.devices
    made = [pool.write() for _ in range(9)]
    store_point(devices[A], made[8], tmp_path)
    put(devices[A], made[1])

    scan = scan_disk(A, devices[A])

    assert began_anew(scan)
    assert not began_anew(replace(scan, gaps=(Generation(2),)))
    assert not began_anew(replace(scan, unreadable=("a checkpoint is damaged",)))
    assert not began_anew(replace(scan, damage="it does not answer"))


def store_point(device: Device, record: RootRecord, folder: Path) -> None:
    """Store a checkpoint at *record*, of whatever database."""
    database = folder / "point.db"
    create_database(database).close()
    with (folder / "point").open("w+b") as file:
        write_checkpoint(database, record, root_hash(encode_root(record)), file)
    database.unlink()
    device.put(checkpoint_name(record.generation, record.epoch), [(folder / "point").read_bytes()])
