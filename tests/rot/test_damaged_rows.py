"""Damage in the database that an open did not see: its file fails, all others go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from engine.errors import DamagedDatabaseError, EngineError, NotFoundError
from engine.ids import ROOT_INODE, InodeId
from engine.metadata.database import DATABASE_PAGE_BYTES, open_database
from engine.metadata.recovery import OpenMode as PoolMode
from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.interface import OpenMode
from tests.memory_engine import MemoryEngine
from tests.rot.rotten_pool import (
    Place,
    Samples,
    errors_in,
    open_and_read,
    pattern,
    read_everything,
    write,
    wrong_answers,
)

DAMAGE = {
    "inode": "UPDATE inode SET size = size + 1 WHERE id = ?",
    "extent": "UPDATE extent SET epoch = epoch + 1 WHERE ?",
    "no inode": "DELETE FROM inode WHERE id = ?",
}


@pytest.fixture(params=["inode", "extent"])
def damaged(request: pytest.FixtureRequest, place: Place, samples: Samples) -> str:
    """Rows that are not what was written, on pages whose checksums are right."""
    place.restore(samples.closed)
    with closing(open_database(place.pool_dir / "metadata.db")) as connection:
        kept = connection.execute("SELECT inode FROM dentry WHERE name = ?", (b"kept",)).get
        connection.execute(DAMAGE[request.param], (kept,))
        connection.execute("DELETE FROM outbox")
    return str(request.param)


def test_a_damaged_row_fails_its_file_and_the_rest_is_right(
    place: Place, samples: Samples, damaged: str
) -> None:
    found, events = open_and_read(place)

    assert set(errors_in(found).values()) == {"DamagedDatabaseError"}
    if damaged == "inode":
        assert set(errors_in(found)) == {"/kept", "/outer/inner/kept too"}
        assert set(found) == set(samples.closed.expected)
    assert wrong_answers(samples.closed.expected, found) == []
    assert [text for text in events if "the metadata database is damaged" in text]
    with Pool(place.pool_dir, mode=PoolMode.READ_ONLY) as pool:
        staged = pool.filesystem.lookup(ROOT_INODE, b"staged").inode.inode_id
        assert read(pool.filesystem, staged) == pattern(1234, 7)[:1000]


def test_the_open_behind_a_damaged_row_makes_the_database_again(
    place: Place, samples: Samples, damaged: str
) -> None:
    open_and_read(place)

    found, events = open_and_read(place)

    assert found == samples.closed.expected
    assert [text for text in events if "made anew" in text]
    assert [text for text in open_and_read(place)[1] if "database" in text] == []


@pytest.mark.parametrize("damaged", ["inode", "no inode"], indirect=True)
def test_a_listing_shows_a_name_whose_row_is_damaged_beside_all_others(
    place: Place, samples: Samples, damaged: str
) -> None:
    names = {path[1:] for path in samples.closed.expected if path.rfind("/") == 0 and path != "/"}
    with Pool(place.pool_dir) as pool:
        fs = pool.filesystem
        for _ in range(2):
            items = {item.name.decode(): item for item in fs.read_directory(ROOT_INODE, 2, 100)}
            assert set(items) == names
            assert [name for name, item in items.items() if item.attributes is None] == ["kept"]
        with pytest.raises(DamagedDatabaseError):
            fs.lookup(ROOT_INODE, b"kept")
        shown = {
            one.name: one.health
            for one in PoolVerbs(pool, mountpoint=lambda: "").files.list_directory("/", 100)
        }
        told = [one.text for one in pool.engine.base.events.since(0)]

    assert set(shown) == names
    assert shown["kept"] == "unknown"
    assert len([text for text in told if "the metadata database is damaged" in text]) == 1


def test_changes_go_on_beside_a_damaged_row(place: Place, samples: Samples, damaged: str) -> None:
    with Pool(place.pool_dir) as pool:
        read_everything(pool.filesystem)
        new = write(pool.filesystem, ROOT_INODE, b"new", b"written beside it")
        pool.filesystem.sync_file(new)
        assert pool.engine.refusal() == ""

    found, _ = open_and_read(place)

    assert found["/new"][4] == b"written beside it"
    assert {path: answer for path, answer in found.items() if path not in ("/new", "/")} == {
        path: answer for path, answer in samples.closed.expected.items() if path != "/"
    }


def test_pages_that_rot_while_the_pool_is_open_are_errors_by_name(
    place: Place, samples: Samples
) -> None:
    place.restore(samples.closed)
    pool = Pool(place.pool_dir)
    try:
        with (place.pool_dir / "metadata.db").open("r+b") as file:
            for page in range(1, os.fstat(file.fileno()).st_size // DATABASE_PAGE_BYTES):
                file.seek(page * DATABASE_PAGE_BYTES + 2000)
                file.write(b"rot")
        found = read_everything(pool.filesystem)
    finally:
        with suppress(EngineError):  # What cannot be made safe is said, and reopened.
            pool.close()

    assert wrong_answers(samples.closed.expected, found) == []
    assert open_and_read(place)[0] == samples.closed.expected


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path, lands_itself=False)
    yield made
    made.crash()
    made.close()


def damage_inode(engine: MemoryEngine, inode_id: InodeId) -> None:
    """Make the row something else than was written, and have it read anew."""
    store = engine.engine.base.store
    engine.commit()
    with store.operation():
        store.writer.execute("UPDATE inode SET uid = uid + 1 WHERE id = ?", (inode_id,))
    with pytest.raises(NotFoundError):
        _change_and_undo(engine, inode_id)


def _change_and_undo(engine: MemoryEngine, inode_id: InodeId) -> None:
    """Undone after a change, an operation makes the tables forget their rows."""
    store = engine.engine.base.store
    with store.operation():
        store.writer.execute("UPDATE inode SET uid = uid WHERE id = ?", (inode_id,))
        raise NotFoundError("made for a test")


def read(fs: EngineFileSystem, inode_id: InodeId) -> bytes:
    handle = fs.open(inode_id, OpenMode.READ).handle
    try:
        return bytes(fs.read(handle, 0, 1000))
    finally:
        fs.release(handle)


def test_a_file_whose_row_is_damaged_when_it_lands_fails_alone(engine: MemoryEngine) -> None:
    fs, store = engine.filesystem, engine.engine.base.store
    good = write(fs, ROOT_INODE, b"good", b"good bytes")
    bad = write(fs, ROOT_INODE, b"bad", b"bad bytes")
    damage_inode(engine, bad)

    engine.freeze()
    engine.land_one()

    assert store.stopped == ""
    fs.sync_file(good)
    assert read(fs, good) == b"good bytes"
    with pytest.raises(DamagedDatabaseError):
        fs.sync_file(bad)
    with pytest.raises(DamagedDatabaseError):
        read(fs, bad)
    with pytest.raises(DamagedDatabaseError, match="could not be kept"):
        fs.sync_all()
