"""Rows of files without a name that say nonsense, or cannot be read, keep no pool closed (P4)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from engine.ids import ROOT_INODE, InodeId
from engine.metadata.database import open_database
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, events, get, put

NOBODYS = InodeId(999_999)


def test_a_pool_opens_beside_orphan_rows_of_no_such_inode_and_of_damaged_ones(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.create()
    with Pool(place.pool_dir) as pool:
        named = put(pool, b"named", b"kept")
        damaged = put(pool, b"damaged", b"cannot be read")
        ended = put(pool, b"ended", b"nobody has it open")
        put(pool, b"other", b"right")
    with closing(open_database(place.pool_dir / "metadata.db")) as connection:
        for inode_id in (damaged, named, NOBODYS):
            connection.execute("INSERT INTO orphan VALUES (?)", (inode_id,))
        connection.execute("UPDATE inode SET size = size + 1 WHERE id = ?", (damaged,))
        connection.execute("DELETE FROM outbox")

    with Pool(place.pool_dir) as pool:
        told = events(pool)
        tables = pool.engine.base.tables
        with pool.engine.base.store.lock:
            left = tables.inodes.orphans(10)
        assert get(pool, b"named") == b"kept"
        assert get(pool, b"other") == b"right"
        assert pool.filesystem.lookup(ROOT_INODE, b"ended").inode.inode_id == ended
        pool.filesystem.unlink(ROOT_INODE, b"other")

    assert left == [damaged]
    assert f"inode {NOBODYS} was noted as without a name, but is gone" in told
    assert f"inode {named} was noted as without a name, but has a name" in told
    assert [text for text in told if f"could not be ended: inode {damaged} fails" in text]
