"""What extents should be stored as: the strongest policy among their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ids import ExtentId, InodeId
from engine.maintenance.wanted import WantedRedundancy
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles

REDUNDANCY = b"user.dynamicfs.redundancy"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def files(pool: MemoryEngine) -> OpenedFiles:
    return OpenedFiles(pool)


def set_policy(pool: MemoryEngine, inode_id: InodeId, value: bytes) -> None:
    pool.filesystem.set_xattr(inode_id, REDUNDANCY, value)


def wanted(pool: MemoryEngine, inode_id: InodeId) -> set[str]:
    """Return what the extents with bytes of a file should be, found anew."""
    pool.filesystem.sync_all()
    rows = pool.engine.base.store.connection.execute(
        "SELECT s.extent FROM inode i JOIN segment s ON s.map = i.map WHERE i.id = ?", (inode_id,)
    )
    extents = [ExtentId(row[0]) for row in rows]
    index = WantedRedundancy(pool.engine.readers, default=lambda: pool.engine.properties.redundancy)
    index.refresh()
    return {str(index.of(extent_id)) for extent_id in extents}


def test_an_extent_without_policies_follows_the_pool(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    assert wanted(pool, files.make(b"f", b"x")) == {"rs:2+2"}


def test_an_extent_follows_a_policy_set_after_it_was_written(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    directory = files.directory(b"d")
    deep = files.directory(b"deep", parent=directory)
    inode = files.make(b"f", b"x", parent=deep)
    pool.filesystem.sync_all()

    set_policy(pool, directory, b"copies:2")

    assert wanted(pool, inode) == {"copies:2"}


def test_files_in_one_extent_get_the_strongest_of_their_policies(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    weak, strong = files.make(b"weak", b"x"), files.make(b"strong", b"y")
    pool.filesystem.sync_all()

    set_policy(pool, weak, b"copies:2")
    set_policy(pool, strong, b"copies:4")

    assert wanted(pool, weak) == wanted(pool, strong) == {"copies:4"}


def test_a_weak_policy_takes_nothing_from_a_neighbour_that_follows_the_pool(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    weak = files.make(b"weak", b"x")
    files.make(b"plain", b"y")
    pool.filesystem.sync_all()

    set_policy(pool, weak, b"copies:1")

    assert wanted(pool, weak) == {"rs:2+2"}


def test_the_nearest_policy_counts_also_where_it_is_the_weaker(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    outer = files.directory(b"outer")
    inner = files.directory(b"inner", parent=outer)
    set_policy(pool, outer, b"copies:4")
    set_policy(pool, inner, b"copies:2")

    assert wanted(pool, files.make(b"f", b"x", parent=inner)) == {"copies:2"}


def test_a_file_is_noted_where_it_follows_not_where_it_has_a_second_name(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    strong = files.directory(b"strong")
    set_policy(pool, strong, b"copies:4")
    inode = files.make(b"f", b"x")
    pool.filesystem.link(inode, strong, b"second")

    assert wanted(pool, inode) == {"rs:2+2"}


def test_an_extent_that_is_newer_than_the_notes_stays_as_strong_as_it_was_written(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    directory = files.directory(b"d")
    set_policy(pool, directory, b"copies:4")
    index = WantedRedundancy(pool.engine.readers, default=lambda: pool.engine.properties.redundancy)
    index.refresh()

    inode = files.make(b"f", b"x", parent=directory)
    pool.filesystem.sync_all()

    rows = pool.engine.base.store.connection.execute(
        "SELECT s.extent FROM inode i JOIN segment s ON s.map = i.map WHERE i.id = ?", (inode,)
    )
    assert [str(index.of(ExtentId(row[0]))) for row in rows] == ["copies:4"]
