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

ROWS = {
    "inode": ("UPDATE inode SET size = size + 1 WHERE id = ?", "inode .* fails its checksum"),
    "extent": ("UPDATE extent SET epoch = epoch + 1 WHERE ?", "extent .* fails its checksum"),
}


@pytest.fixture(params=sorted(ROWS))
def damaged(request: pytest.FixtureRequest, place: Place, samples: Samples) -> str:
    """Rows that are not what was written, on pages whose checksums are right."""
    place.restore(samples.closed)
    with closing(open_database(place.pool_dir / "metadata.db")) as connection:
        kept = connection.execute("SELECT inode FROM dentry WHERE name = ?", (b"kept",)).get
        connection.execute(ROWS[request.param][0], (kept,))
        connection.execute("DELETE FROM outbox")
    return str(request.param)


def test_a_damaged_row_fails_its_file_and_the_rest_is_right(
    place: Place, samples: Samples, damaged: str
) -> None:
    found, events = open_and_read(place)

    assert set(errors_in(found).values()) == {"DamagedDatabaseError"}
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
    with store.operation():
        store.connection.execute("UPDATE inode SET uid = uid + 1 WHERE id = ?", (inode_id,))
    with pytest.raises(NotFoundError), store.operation():
        raise NotFoundError("an operation that is undone makes the tables forget their rows")


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
