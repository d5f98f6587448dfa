"""Policies of files and directories: who decides, what is written, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.errors import (
    InvalidArgumentError,
    NoAttributeError,
    NoSpaceError,
    NotPermittedError,
    NotSupportedError,
    PolicyError,
)
from engine.ids import ROOT_INODE, InodeId
from engine.limits import EXTENT_BYTES_MAX
from engine.vfs.interface import RenameFlags
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OWNER, OpenedFiles

REDUNDANCY = b"user.dynamicfs.redundancy"
POOLS = b"rs:2+2"


def set_policy(pool: MemoryEngine, inode_id: InodeId, value: bytes) -> None:
    pool.filesystem.set_xattr(inode_id, REDUNDANCY, value)


def policy(pool: MemoryEngine, inode_id: InodeId) -> bytes:
    return pool.filesystem.get_xattr(inode_id, REDUNDANCY)


def stored(pool: MemoryEngine, inode_id: InodeId) -> set[str]:
    """Return the redundancies of the extents that have bytes of a file, by plain SQL."""
    rows = pool.engine.base.store.connection.execute(
        "SELECT DISTINCT e.redundancy FROM inode i JOIN segment s ON s.map = i.map"
        " JOIN extent e ON e.id = s.extent WHERE i.id = ?",
        (inode_id,),
    )
    return {str(row[0]) for row in rows}


def land_all(pool: MemoryEngine) -> None:
    pool.freeze()
    while pool.engine.pending.frozen:
        pool.land_one()


@contextmanager
def without_a_disk(pool: MemoryEngine) -> Iterator[None]:
    """Take a disk away for the length of a ``with``."""
    pool.lose_disks(pool.uuids[0])
    try:
        yield
    finally:
        pool.bring_disks_back()


def test_without_a_policy_everybody_follows_the_pool(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"x")
    land_all(pool)

    assert policy(pool, inode) == policy(pool, ROOT_INODE) == POOLS
    assert stored(pool, inode) == {"rs:2+2"}


def test_the_nearest_of_file_and_directories_decides(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    outer = files.directory(b"outer")
    inner = files.directory(b"inner", parent=outer)
    set_policy(pool, outer, b"copies:3")
    set_policy(pool, inner, b"rs:3+1")
    plain, in_outer = files.make(b"f"), files.make(b"f", parent=outer)
    in_inner, own = files.make(b"f", parent=inner), files.make(b"own", parent=inner)
    set_policy(pool, own, b"copies:2")

    wanted = [policy(pool, one) for one in (plain, in_outer, in_inner, own)]

    assert wanted == [POOLS, b"copies:3", b"rs:3+1", b"copies:2"]


@pytest.mark.parametrize("end", [b"", b"inherit"])
def test_a_policy_is_taken_away_again(pool: MemoryEngine, files: OpenedFiles, end: bytes) -> None:
    directory = files.directory(b"d")
    inode = files.make(b"f", parent=directory)
    set_policy(pool, directory, b"copies:3")
    set_policy(pool, inode, b"rs:3+1")

    set_policy(pool, inode, end)
    assert policy(pool, inode) == b"copies:3"
    pool.filesystem.remove_xattr(directory, REDUNDANCY)
    assert policy(pool, inode) == POOLS
    with pytest.raises(NoAttributeError):
        pool.filesystem.remove_xattr(directory, REDUNDANCY)


@pytest.mark.parametrize("way", ["file", "directory", "exchange"])
def test_what_moves_follows_its_new_directory(
    pool: MemoryEngine, files: OpenedFiles, way: str
) -> None:
    strong, weak = files.directory(b"strong"), files.directory(b"weak")
    set_policy(pool, strong, b"copies:3")
    set_policy(pool, weak, b"rs:3+1")
    folder = files.directory(b"folder", parent=weak)
    inode = files.make(b"f", parent=folder if way == "directory" else weak)
    other = files.make(b"other", parent=strong)
    assert policy(pool, inode) == b"rs:3+1"

    if way == "directory":
        pool.filesystem.rename(weak, b"folder", strong, b"folder", RenameFlags.NONE)
    elif way == "file":
        pool.filesystem.rename(weak, b"f", strong, b"f", RenameFlags.NONE)
    else:
        pool.filesystem.rename(weak, b"f", strong, b"other", RenameFlags.EXCHANGE)
        assert policy(pool, other) == b"rs:3+1"

    assert policy(pool, inode) == b"copies:3"


@pytest.mark.parametrize("way", ["unlink", "replaced"])
def test_a_file_whose_first_name_goes_follows_a_directory_it_is_still_in(
    pool: MemoryEngine, files: OpenedFiles, way: str
) -> None:
    fs = pool.filesystem
    oldest, strong, weak = (files.directory(name) for name in (b"oldest", b"strong", b"weak"))
    set_policy(pool, strong, b"copies:3")
    set_policy(pool, weak, b"rs:3+1")
    inode = files.make(b"f", parent=weak)
    fs.link(inode, weak, b"same")
    fs.link(inode, strong, b"second")

    fs.unlink(weak, b"f")
    assert policy(pool, inode) == b"rs:3+1"
    if way == "unlink":
        fs.unlink(weak, b"same")
    else:
        files.make(b"new", parent=weak)
        fs.rename(weak, b"new", weak, b"same", RenameFlags.NONE)
    assert policy(pool, inode) == b"copies:3"
    if way == "replaced":
        fs.unlink(weak, b"same")
    fs.remove_directory(ROOT_INODE, b"weak")

    files.write(inode, 0, b"data" * 100)
    land_all(pool)
    assert stored(pool, inode) == {"copies:3"}
    fs.link(inode, oldest, b"third")
    fs.unlink(strong, b"second")
    assert policy(pool, inode) == POOLS


def test_a_second_name_changes_nobodys_policy(pool: MemoryEngine, files: OpenedFiles) -> None:
    strong = files.directory(b"strong")
    set_policy(pool, strong, b"copies:3")
    inode = files.make(b"f")

    pool.filesystem.link(inode, strong, b"second")

    assert policy(pool, inode) == POOLS


def test_each_file_is_stored_as_its_policy_says(pool: MemoryEngine, files: OpenedFiles) -> None:
    wanted = {b"a": "rs:2+2", b"b": "copies:3", b"c": "rs:3+1", b"d": "copies:1"}
    inodes = {name: files.make(name) for name in wanted}
    for name, redundancy in wanted.items():
        set_policy(pool, inodes[name], redundancy.encode())
        files.write(inodes[name], 0, name * 100)
    land_all(pool)

    assert {name: stored(pool, inode) for name, inode in inodes.items()} == {
        name: {redundancy} for name, redundancy in wanted.items()
    }
    assert all(files.read(inode) == name * 100 for name, inode in inodes.items())


def test_new_bytes_of_a_file_follow_a_policy_set_while_older_ones_wait(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"aaaaaaaa")
    set_policy(pool, inode, b"copies:3")
    files.write(inode, 2, b"bbb")
    set_policy(pool, inode, b"rs:2+2")
    files.write(inode, 4, b"cc")

    assert files.read(inode) == b"aabbccaa"
    land_all(pool)

    assert stored(pool, inode) == {"rs:2+2", "copies:3"}
    assert files.read(inode) == b"aabbccaa"


def test_a_policy_survives_a_crash_that_takes_the_pool_directory(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    directory = files.directory(b"d")
    inode = files.make(b"f", parent=directory)
    set_policy(pool, directory, b"copies:3")
    pool.filesystem.sync_file(directory)

    pool.crash()

    assert policy(pool, inode) == b"copies:3"
    files.write(inode, 0, b"x")
    land_all(pool)
    assert stored(pool, inode) == {"copies:3"}


def test_what_an_undone_operation_set_is_not_followed(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f")
    engine = pool.engine

    def set_and_fail() -> None:
        with engine.base.store.operation():
            set_policy(pool, inode, b"copies:3")
            assert policy(pool, inode) == b"copies:3"
            raise InvalidArgumentError("undo it")

    with pytest.raises(InvalidArgumentError, match="undo it"):
        set_and_fail()

    assert policy(pool, inode) == POOLS


@pytest.mark.parametrize("value", [b"copies:6", b"rs:4+2"])
def test_what_the_disks_cannot_hold_is_refused_when_it_is_set(
    pool: MemoryEngine, files: OpenedFiles, value: bytes
) -> None:
    inode = files.make(b"f")

    with pytest.raises(PolicyError, match="add 1"):
        set_policy(pool, inode, value)

    assert policy(pool, inode) == POOLS
    assert list(pool.filesystem.list_xattrs(inode)) == []


@pytest.mark.parametrize("value", [b"often", b"copies:0", b"rs:4", b"\xff"])
def test_what_is_no_redundancy_is_refused(
    pool: MemoryEngine, files: OpenedFiles, value: bytes
) -> None:
    with pytest.raises(InvalidArgumentError):
        set_policy(pool, files.make(b"f"), value)


def test_only_what_holds_data_has_a_policy(pool: MemoryEngine) -> None:
    link = pool.filesystem.make_symlink(ROOT_INODE, b"l", b"f", OWNER).inode.inode_id

    with pytest.raises(InvalidArgumentError):
        set_policy(pool, link, b"copies:3")
    with pytest.raises(NoAttributeError):
        policy(pool, link)


def test_a_listing_names_a_redundancy_that_was_set_and_nothing_else_of_ours(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    directory = files.directory(b"d")
    inode = files.make(b"f", b"x", parent=directory)
    set_policy(pool, directory, b"copies:3")
    pool.filesystem.set_xattr(inode, b"user.own", b"1")

    assert list(pool.filesystem.list_xattrs(inode)) == [b"user.own"]
    assert list(pool.filesystem.list_xattrs(directory)) == [REDUNDANCY]


def test_what_only_tells_cannot_be_set_or_removed(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f")
    for name in (b"health", b"exposure", b"disks", b"extents", b"where", b"policy"):
        with pytest.raises(NotPermittedError):
            pool.filesystem.set_xattr(inode, b"user.dynamicfs." + name, b"1")
        with pytest.raises(NotPermittedError):
            pool.filesystem.remove_xattr(inode, b"user.dynamicfs." + name)
    with pytest.raises(NotSupportedError):
        pool.filesystem.set_xattr(inode, b"user.dynamicfs.color", b"1")
    with pytest.raises(NoAttributeError):
        pool.filesystem.get_xattr(inode, b"user.dynamicfs.color")


def test_a_builder_that_cannot_be_written_holds_up_only_its_own_files(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    greedy, modest = files.make(b"greedy"), files.make(b"modest")
    set_policy(pool, greedy, b"copies:5")
    files.write(greedy, 0, b"needs five disks")
    pool.freeze()
    with without_a_disk(pool):
        pool.land_one()
        files.write(modest, 0, b"needs four")
        pool.freeze()

        pool.land_one()

        assert files.committed_size(modest) == len(b"needs four")
        assert stored(pool, modest) == {"rs:2+2"}
        assert files.committed_size(greedy) == 0
        assert files.read(greedy) == b"needs five disks"
    pool.land_one()
    assert stored(pool, greedy) == {"copies:5"}


def test_a_write_is_refused_at_once_when_the_disks_left_cannot_hold_its_policy(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    greedy, modest = files.make(b"greedy"), files.make(b"modest")
    set_policy(pool, greedy, b"copies:5")
    engine = pool.engine
    missing = engine.base.disks.id_of(pool.uuids[0])
    assert missing is not None
    with without_a_disk(pool):
        engine.base.disks.detach(missing, "taken away")
        engine.measure_space()

        with pytest.raises(NoSpaceError):
            files.write(greedy, 0, b"x")

        files.write(modest, 0, b"x")


def test_the_room_of_a_builder_is_given_back_whole_when_nobody_wants_it_any_more(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f")
    set_policy(pool, inode, b"copies:5")
    before = pool.engine.space.free_bytes
    files.write(inode, 0, b"x")
    # Copies of 40 MiB in all, beside units of 16 MiB.
    assert before - pool.engine.space.free_bytes == 3 * EXTENT_BYTES_MAX

    files.resize(inode, 0)
    land_all(pool)

    assert pool.engine.space.free_bytes == before
