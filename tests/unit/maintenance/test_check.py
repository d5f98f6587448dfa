"""The consistency check: silent on sound metadata, and finds each seeded contradiction."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.ids import ROOT_INODE, ExtentId, InodeId
from engine.maintenance.check import CONTRADICTIONS_MAX, check_metadata
from engine.model.inode import Segment
from tests.unit.maintenance.small_pool import SmallPool, inode, pattern, small_pool


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    """A directory with a file, a file with staged bytes and a hole, a link."""
    with small_pool(tmp_path, 6) as small:
        folder = small.make_directory("docs")
        with small.store.operation():
            small.tables.inodes.update(inode(ROOT_INODE, stat.S_IFDIR | 0o755, nlink=3))
        small.write_file("a", pattern(5000), parent=folder)
        record = small.write_file("b", pattern(5000))
        with small.store.operation():
            map_id = small.map_of(record.extent_id)
            small.tables.file_map.clear(map_id, 1000, 2000, 10)
            small.tables.file_map.put_staged(map_id, 1200, b"staged")
            number = small.store.new_inode_id()
            small.tables.inodes.insert(inode(number, stat.S_IFLNK | 0o777, size=1))
            small.tables.names.insert(ROOT_INODE, b"link", number)
            small.tables.names.set_target(number, b"a")
            small.tables.names.set_xattr(number, b"user.x", b"1")
        small.commit()
        yield small


def newest_extent(pool: SmallPool) -> ExtentId:
    return ExtentId(pool.store.connection.execute("SELECT max(extent) FROM segment").get)


def test_sound_metadata_has_no_contradictions(pool: SmallPool) -> None:
    assert check_metadata(pool.store.connection) == []


def test_what_waits_to_be_reaped_is_no_contradiction(pool: SmallPool) -> None:
    extent_id = newest_extent(pool)
    pool.unlink(extent_id)
    pool.commit()

    assert check_metadata(pool.store.connection) == []


def sql(text: str) -> Callable[[SmallPool], None]:
    def run(pool: SmallPool) -> None:
        pool.store.connection.execute(text)

    return run


def shrink(pool: SmallPool) -> None:
    """Cut a file in its inode only."""
    extent_id = newest_extent(pool)
    map_id = pool.map_of(extent_id)
    number = pool.store.connection.execute("SELECT id FROM inode WHERE map = ?", (map_id,)).get
    found = pool.tables.inodes.get(InodeId(number))
    assert found is not None
    pool.tables.inodes.resize(found, 4000)


def relink(pool: SmallPool) -> None:
    found = pool.tables.names.find(ROOT_INODE, b"b")
    assert found is not None
    pool.tables.names.insert(ROOT_INODE, b"second", found.inode_id)


def loop(pool: SmallPool) -> None:
    """Two directories that contain each other and nothing else leads to."""
    one, two = pool.store.new_inode_id(), pool.store.new_inode_id()
    for number, parent in ((one, two), (two, one)):
        pool.tables.inodes.insert(inode(number, stat.S_IFDIR | 0o755, nlink=3, parent=parent))
        pool.tables.names.insert(parent, b"x", number)


def overlap(pool: SmallPool) -> None:
    extent_id = newest_extent(pool)
    pool.tables.file_map.put_segment(pool.map_of(extent_id), Segment(900, 50, extent_id, 0))


def stranger(pool: SmallPool) -> None:
    extent_id = newest_extent(pool)
    pool.tables.file_map.put_segment(pool.store.new_map_id(), Segment(0, 50, extent_id, 0))


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (sql("DELETE FROM inode WHERE map = (SELECT max(map) FROM inode)"), "does not exist"),
        (sql("DELETE FROM dentry WHERE name = x'6c696e6b'"), "has no name"),
        (relink, "links and has"),
        (sql("UPDATE inode SET size = size + 1 WHERE id = 1"), "inode 1 fails its checksum"),
        (sql("UPDATE extent SET length = length + 1"), "fails its checksum"),
        (sql("UPDATE fragment SET disk = 7 WHERE position = 0"), "disk 7"),
        (sql("UPDATE fragment SET disk = 1"), "two fragments on disk 1"),
        (sql("DELETE FROM fragment WHERE position = 5"), "5 fragments"),
        (sql("DELETE FROM extent"), "names extent"),
        (sql("DELETE FROM extent"), "fragment 3 belongs to extent"),
        (sql("UPDATE segment SET extent_offset = 4900"), "reaches outside extent"),
        (sql("INSERT INTO orphan VALUES (999)"), "orphan is noted for inode 999"),
        (sql("INSERT INTO symlink VALUES (1, x'00')"), "no symbolic link"),
        (sql("DELETE FROM symlink"), "has no target"),
        (sql("INSERT INTO xattr VALUES (999, x'00', x'00')"), "attribute"),
        (sql("INSERT INTO damage VALUES (999, 0, 'corrupt', 0)"), "damage is noted"),
        (
            sql("INSERT INTO dropped SELECT extent, position, layout, disk FROM fragment"),
            "in use and to be deleted",
        ),
        (shrink, "behind its size 4000"),
        (loop, "cannot be reached"),
        (overlap, "overlaps"),
        (stranger, "belongs to no file"),
    ],
)
def test_each_contradiction_is_found(
    pool: SmallPool, harm: Callable[[SmallPool], None], word: str
) -> None:
    with pool.store.operation():
        harm(pool)
    pool.commit()

    found = check_metadata(pool.store.connection)

    assert any(word in sentence for sentence in found), found


def test_the_list_is_bounded(pool: SmallPool) -> None:
    with pool.store.operation():
        for number in range(1000):
            pool.store.connection.execute("INSERT INTO orphan VALUES (?)", (5000 + number,))

    found = check_metadata(pool.store.connection)

    assert len(found) == CONTRADICTIONS_MAX + 1
    assert found[-1] == "there may be more; only the first are listed"
