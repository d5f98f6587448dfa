"""The simulated world under the engine: nothing it does to its disks goes unrecorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.ids import ROOT_INODE, Epoch, Generation
from engine.limits import JOURNAL_FILE_BYTES
from engine.metadata.database import connect
from engine.metadata.files import place_database
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.pool import devices
from engine.pool.config import CONFIG_NAME, load_config, write_durably
from engine.pool.create import DiskPlan, create_pool
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.units import KIB
from engine.vfs.interface import Caller, OpenMode
from tests.simulation import World
from tests.simulation.judge_states import quick_folder
from tests.simulation.plain_disk import files_in
from tests.simulation.recorded_device import RecordedDevice

NOBODY = Caller(0, 0)
DATA = bytes(range(256)) * 4096


@pytest.fixture
def place() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def create(world: World) -> None:
    plans = [DiskPlan(path=str(disk), tier=Tier.HOT) for disk in world.disks]
    properties = PoolProperties(redundancy=ErasureCoding(1, 1))
    create_pool(world.pool, name="tank", disks=plans, properties=properties)


def put(pool: Pool, name: bytes, data: bytes) -> None:
    """Make a file whose bytes are acknowledged."""
    fs = pool.filesystem
    made, opened = fs.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, NOBODY)
    fs.write(opened.handle, 0, data)
    fs.release(opened.handle)
    fs.sync_file(made.inode.inode_id)


def recorded_names(folder: Path) -> dict[str, bytes]:
    """Return the files below *folder* that a world records."""
    return {
        name: data
        for name, data in files_in(folder).items()
        if name != "lock" and not name.endswith("-shm")
    }


@pytest.fixture
def worked(place: Path) -> World:
    """A world in which a pool was made, written, closed and opened again."""
    with World(place / "live", disk_count=3) as world:
        create(world)
        for name in (b"one", b"two"):
            with Pool(world.pool) as pool:
                put(pool, name, DATA)
    return world


def test_a_recording_replayed_in_full_is_the_live_directories_byte_for_byte(
    worked: World, place: Path
) -> None:
    built = worked.state(f"cut {worked.position} everything").build(place / "built")

    for mine, live in zip(built.disks, worked.disks, strict=True):
        assert files_in(mine) == recorded_names(live)
        assert any(name.startswith("fragments/") for name in files_in(mine))
    mine_pool, live_pool = files_in(built.pool), recorded_names(worked.pool)
    assert mine_pool.pop(CONFIG_NAME) != live_pool.pop(CONFIG_NAME)
    assert mine_pool == live_pool


def test_the_configuration_of_a_built_pool_names_the_built_disks(
    worked: World, place: Path
) -> None:
    built = worked.state(f"cut {worked.position} everything").build(place / "built")

    paths = [disk.path for disk in load_config(built.pool).disks]
    assert paths == [str(disk) for disk in built.disks]


def test_a_built_pool_opens_and_holds_what_was_acknowledged(worked: World, place: Path) -> None:
    built = worked.state(f"cut {worked.position} nothing").build(place / "built")

    with Pool(built.pool) as pool:
        found = pool.filesystem.lookup(ROOT_INODE, b"two")
    assert found.inode.size == len(DATA)


def test_a_fragment_that_was_synced_is_in_every_state(place: Path) -> None:
    with World(place / "live", disk_count=1) as world:
        prepare_disk(str(world.disks[0]))
        device = RecordedDevice.open(str(world.disks[0]))
        device.put("fragments/0/1.1.0", [DATA[: 8 * KIB]])
        put_only = world.position
        device.sync(["fragments/0/1.1.0"])
        synced = world.position
        device.journal_put(Generation(1), Epoch(1), b"record")
        device.delete("fragments/0/1.1.0")
        device.close()

    missing = {False: 0, True: 0}
    for state in world.states(seed=5, cuts=range(put_only, world.position), samples_per_cut=20):
        built = state.build(place / "built")
        path = built.disks[0] / "fragments/0/1.1.0"
        if not path.exists() or path.read_bytes() != DATA[: 8 * KIB]:
            missing[state.position >= synced] += 1
        built.remove()
    assert missing[True] == 0
    assert missing[False] > 0


def test_preallocated_journals_stay_sparse(worked: World, place: Path) -> None:
    built = worked.state(f"cut {worked.position} everything").build(place / "built")

    for journal in (built.disks[0] / "journal").iterdir():
        assert journal.stat().st_size == JOURNAL_FILE_BYTES
        assert journal.stat().st_blocks * 512 < JOURNAL_FILE_BYTES // 64


def test_states_share_large_fragments_and_nothing_that_changes_in_place(
    worked: World, place: Path
) -> None:
    cut = worked.position
    one = worked.state(f"cut {cut} everything").build(place / "one")
    two = worked.state(f"cut {cut} nothing").build(place / "two")

    shared = [
        str(path.relative_to(one.folder))
        for path in one.folder.rglob("*")
        if path.is_file() and os.path.samefile(path, two.folder / path.relative_to(one.folder))
    ]
    assert shared
    assert [name for name in shared if "/fragments/" not in name] == []


def test_a_built_world_goes_on_under_record(worked: World, place: Path) -> None:
    built = worked.state(f"cut {worked.position} nothing").build(place / "second")

    with World(built.folder, disk_count=3) as second, Pool(second.pool) as pool:
        put(pool, b"three", DATA)
        acknowledged = second.position
    again = second.state(f"cut {acknowledged} nothing").build(place / "third")

    with Pool(again.pool) as pool:
        sizes = [pool.filesystem.lookup(ROOT_INODE, one).inode.size for one in (b"two", b"three")]
    assert sizes == [len(DATA), len(DATA)]


def test_after_the_world_ended_nothing_is_recorded(worked: World) -> None:
    before = worked.position
    with Pool(worked.pool) as pool:
        put(pool, b"unrecorded", b"1")
    write_durably(worked.pool / "note", b"1")

    assert worked.position == before
    assert vars(devices)["DirectoryDevice"] is DirectoryDevice
    assert os.fsync.__module__ == os.rename.__module__ == "posix"


def test_a_file_written_durably_is_old_or_new_and_new_once_that_returned(place: Path) -> None:
    with World(place / "live", disk_count=1) as world:
        write_durably(world.pool / "note", b"old")
        first = world.position
        write_durably(world.pool / "note", b"new")

    for position in range(first, world.position + 1):
        found = set()
        for state in world.every_state(position, sector_bytes=512):
            built = state.build(place / "built")
            found.add((built.pool / "note").read_bytes())
            built.remove()
        assert found <= ({b"new"} if position == world.position else {b"old", b"new"})


def test_a_database_put_into_place_leaves_the_old_pair_or_no_database_before(place: Path) -> None:
    old = {"metadata.db": b"old database", "metadata.db-wal": b"old log"}
    with World(place / "live", disk_count=1) as world:
        for name, data in old.items():
            write_durably(world.pool / name, data)
        first = world.position
        (world.pool / "scratch").write_bytes(b"new database")
        place_database(world.pool / "scratch", world.pool / "metadata.db")

    kinds = set()
    for position in range(first, world.position + 1):
        for state in world.every_state(position):
            built = state.build(place / "built")
            files = files_in(built.pool)
            kinds.add((files.get("metadata.db"), files.get("metadata.db-wal")))
            built.remove()
    assert kinds == {
        (b"old database", b"old log"),
        (None, b"old log"),
        (None, None),
        (b"new database", None),
    }


def test_a_database_of_no_world_is_not_recorded(place: Path) -> None:
    with World(place / "live", disk_count=1) as world:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection = connect(place / "elsewhere.db", flags=flags)
        connection.execute("CREATE TABLE t (x)")
        connection.close()

        assert world.position == 0
