"""Names and links as POSIX has them, with the class of every refusal."""

from __future__ import annotations

import stat
from collections.abc import Callable

import pytest

from engine.errors import (
    AttributeTooLargeError,
    BadHandleError,
    EngineError,
    ExistsError,
    FileTooLargeError,
    InvalidArgumentError,
    IsDirectoryError,
    NameTooLongError,
    NoAttributeError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    NotPermittedError,
    StaleHandleError,
    TooManyLinksError,
)
from engine.ids import ROOT_INODE, InodeId
from engine.limits import DIRECTORY_LINKS_MAX, FILE_BYTES_MAX, LINKS_MAX
from engine.vfs.interface import AttributeChanges, OpenMode
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import BOTH, OWNER, OpenedFiles
from tests.unit.vfs.setting import EXCHANGE, NO_REPLACE, NONE, Setting

ROOT = ROOT_INODE
REFUSALS: dict[str, tuple[type[EngineError], Callable[[Setting], object]]] = {
    "lookup of nothing": (NotFoundError, lambda it: it.fs.lookup(ROOT, b"no")),
    "lookup in a file": (NotFoundError, lambda it: it.fs.lookup(it.f, b"x")),
    "a long name": (NameTooLongError, lambda it: it.fs.lookup(ROOT, b"n" * 256)),
    "an empty name": (InvalidArgumentError, lambda it: it.fs.lookup(ROOT, b"")),
    "a slash": (
        InvalidArgumentError,
        lambda it: it.fs.make_directory(ROOT, b"a/b", 0o755, OWNER),
    ),
    "make dot": (InvalidArgumentError, lambda it: it.fs.make_directory(ROOT, b".", 0, OWNER)),
    "create over": (ExistsError, lambda it: it.fs.create(ROOT, b"f", 0, BOTH, OWNER)),
    "create over directory": (ExistsError, lambda it: it.fs.create(ROOT, b"d", 0, BOTH, OWNER)),
    "create in file": (NotDirectoryError, lambda it: it.fs.create(it.f, b"x", 0, BOTH, OWNER)),
    "mkdir over": (ExistsError, lambda it: it.fs.make_directory(ROOT, b"d", 0, OWNER)),
    "mknod directory": (
        InvalidArgumentError,
        lambda it: it.fs.make_node(ROOT, b"n", stat.S_IFDIR, 0, OWNER),
    ),
    "mknod of no type": (
        InvalidArgumentError,
        lambda it: it.fs.make_node(ROOT, b"n", 0o644, 0, OWNER),
    ),
    "long link target": (
        NameTooLongError,
        lambda it: it.fs.make_symlink(ROOT, b"n", b"t" * 4096, OWNER),
    ),
    "link over": (ExistsError, lambda it: it.fs.link(it.f, ROOT, b"d")),
    "link of directory": (NotPermittedError, lambda it: it.fs.link(it.d, ROOT, b"n")),
    "link of nothing": (StaleHandleError, lambda it: it.fs.link(InodeId(999), ROOT, b"n")),
    "unlink of nothing": (NotFoundError, lambda it: it.fs.unlink(ROOT, b"no")),
    "unlink of directory": (IsDirectoryError, lambda it: it.fs.unlink(ROOT, b"empty")),
    "rmdir of nothing": (NotFoundError, lambda it: it.fs.remove_directory(ROOT, b"no")),
    "rmdir of file": (NotDirectoryError, lambda it: it.fs.remove_directory(ROOT, b"f")),
    "rmdir of full": (NotEmptyError, lambda it: it.fs.remove_directory(ROOT, b"full")),
    "rmdir of dot": (InvalidArgumentError, lambda it: it.fs.remove_directory(ROOT, b".")),
    "readlink of file": (InvalidArgumentError, lambda it: it.fs.read_symlink(it.f)),
    "no attribute": (NoAttributeError, lambda it: it.fs.get_xattr(it.f, b"user.no")),
    "remove no attribute": (NoAttributeError, lambda it: it.fs.remove_xattr(it.f, b"user.no")),
    "long attribute": (
        AttributeTooLargeError,
        lambda it: it.fs.set_xattr(it.f, b"user.a", bytes(65537)),
    ),
    "long attribute name": (
        InvalidArgumentError,
        lambda it: it.fs.set_xattr(it.f, b"n" * 256, b""),
    ),
    "open directory": (IsDirectoryError, lambda it: it.fs.open(it.d, BOTH)),
    "open symlink": (InvalidArgumentError, lambda it: it.fs.open(it.link, BOTH)),
    "open nothing": (StaleHandleError, lambda it: it.fs.open(InodeId(999), BOTH)),
    "list a file": (NotDirectoryError, lambda it: it.fs.read_directory(it.f, 0, 10)),
    "resize directory": (
        IsDirectoryError,
        lambda it: it.fs.set_attributes(it.d, AttributeChanges(size=0), OWNER),
    ),
    "resize too far": (
        FileTooLargeError,
        lambda it: it.fs.set_attributes(it.f, AttributeChanges(size=FILE_BYTES_MAX + 1), OWNER),
    ),
    "rename of nothing": (NotFoundError, lambda it: it.rename(b"no", b"n")),
    "rename without replacing": (ExistsError, lambda it: it.rename(b"f", b"l", NO_REPLACE)),
    "file over directory": (IsDirectoryError, lambda it: it.rename(b"f", b"empty")),
    "directory over file": (NotDirectoryError, lambda it: it.rename(b"d", b"f")),
    "directory over full": (NotEmptyError, lambda it: it.rename(b"empty", b"full")),
    "directory into itself": (
        InvalidArgumentError,
        lambda it: it.fs.rename(ROOT, b"d", it.d, b"n", NONE),
    ),
    "directory below itself": (
        InvalidArgumentError,
        lambda it: it.fs.rename(ROOT, b"d", it.inner, b"n", NONE),
    ),
    "rename to dot dot": (InvalidArgumentError, lambda it: it.rename(b"f", b"..")),
    "exchange with nothing": (NotFoundError, lambda it: it.rename(b"f", b"no", EXCHANGE)),
    "exchange with a parent": (
        InvalidArgumentError,
        lambda it: it.fs.rename(it.d, b"inner", ROOT, b"d", EXCHANGE),
    ),
    "exchange with a child": (
        InvalidArgumentError,
        lambda it: it.fs.rename(ROOT, b"d", it.d, b"inner", EXCHANGE),
    ),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_has_its_class_and_changes_nothing(it: Setting, kind: str) -> None:
    expected, act = REFUSALS[kind]
    inodes = [ROOT, it.d, it.inner, it.full, it.empty, it.f, it.link]
    names = it.names()
    before = [it.fs.get_attributes(one) for one in inodes]

    with pytest.raises(expected):
        act(it)

    assert [it.fs.get_attributes(one) for one in inodes] == before
    assert it.names() == names


# Links


def test_directories_count_the_directories_in_them(it: Setting) -> None:
    assert it.links(ROOT) == 5
    assert it.links(it.d) == 3

    it.fs.rename(it.d, b"inner", ROOT, b"outer", NONE)
    assert (it.links(ROOT), it.links(it.d)) == (6, 2)
    it.fs.remove_directory(ROOT, b"outer")

    assert it.links(ROOT) == 5
    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.inner)


def test_a_hard_link_is_the_same_file_until_its_last_name_goes(it: Setting) -> None:
    assert it.fs.link(it.f, it.d, b"second").inode.nlink == 2
    it.fs.unlink(ROOT, b"f")

    assert it.links(it.f) == 1
    assert it.inode(b"second", it.d) == it.f
    it.fs.unlink(it.d, b"second")
    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.f)


def test_an_inode_has_no_more_links_than_it_may(it: Setting, pool: MemoryEngine) -> None:
    tables = pool.engine.base.tables
    inode = tables.inodes.get(it.f)
    assert inode is not None
    with pool.engine.base.store.operation():
        tables.inodes.update(inode._replace(nlink=LINKS_MAX))

    with pytest.raises(TooManyLinksError):
        it.fs.link(it.f, ROOT, b"one more")


def test_a_directory_takes_more_directories_than_a_file_takes_names(
    it: Setting, pool: MemoryEngine
) -> None:
    tables = pool.engine.base.tables

    def claim(links: int) -> None:
        inode = tables.inodes.get(it.d)
        assert inode is not None
        with pool.engine.base.store.operation():
            tables.inodes.update(inode._replace(nlink=links))

    claim(LINKS_MAX)
    it.fs.make_directory(it.d, b"one more", 0o755, OWNER)
    assert it.links(it.d) == LINKS_MAX + 1

    claim(DIRECTORY_LINKS_MAX)
    with pytest.raises(TooManyLinksError):
        it.fs.make_directory(it.d, b"too many", 0o755, OWNER)
    with pytest.raises(TooManyLinksError):
        it.fs.rename(ROOT, b"empty", it.d, b"too many", NONE)
    assert it.links(it.d) == DIRECTORY_LINKS_MAX
    assert it.inode(b"empty") == it.empty


def test_an_open_file_lives_on_without_a_name_until_it_is_closed(
    it: Setting, files: OpenedFiles
) -> None:
    handle = it.fs.open(it.f, BOTH).handle
    other = it.fs.open(it.f, BOTH).handle
    it.fs.unlink(ROOT, b"f")
    assert it.fs.get_attributes(it.f).inode.nlink == 0

    it.fs.write(handle, 7, b" and more")
    it.fs.release(handle)
    assert bytes(it.fs.read(other, 0, 100)) == b"content and more"
    with pytest.raises(NotFoundError):
        it.fs.link(it.f, ROOT, b"back")
    it.fs.release(other)

    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.f)
    with pytest.raises(BadHandleError):
        it.fs.read(other, 0, 1)


def test_an_orphan_is_gone_after_a_crash(it: Setting, pool: MemoryEngine) -> None:
    it.fs.open(it.f, BOTH)
    it.fs.unlink(ROOT, b"f")
    pool.commit()

    pool.crash()

    assert pool.engine.base.tables.inodes.get(it.f) is None
    assert pool.engine.base.tables.inodes.orphans(10) == []


def test_a_rename_over_an_open_file_leaves_it_readable(it: Setting, files: OpenedFiles) -> None:
    handle = it.fs.open(it.f, OpenMode.READ).handle
    files.make(b"new", b"new content")

    it.rename(b"new", b"f")

    assert bytes(it.fs.read(handle, 0, 100)) == b"content"
    assert files.read(it.inode(b"f")) == b"new content"
    it.fs.release(handle)
    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.f)


# Rename


def test_a_rename_between_two_names_of_one_file_does_nothing(it: Setting) -> None:
    it.fs.link(it.f, ROOT, b"same")

    it.rename(b"f", b"same")

    assert {b"f", b"same"} <= it.names()
    assert it.links(it.f) == 2


def test_a_directory_replaces_an_empty_one_and_takes_its_links_along(it: Setting) -> None:
    it.fs.rename(it.d, b"inner", ROOT, b"empty", NONE)

    assert it.inode(b"empty") == it.inner
    assert it.inode(b"..", it.inner) == ROOT
    assert (it.links(ROOT), it.links(it.d)) == (5, 2)
    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.empty)


@pytest.mark.parametrize("name", [b"f", b"l", b"empty", b"full"])
def test_exchange_swaps_names_and_parents(it: Setting, name: bytes) -> None:
    one = it.inode(name)

    it.fs.rename(ROOT, name, it.d, b"inner", EXCHANGE)

    assert it.inode(name) == it.inner
    assert it.inode(b"inner", it.d) == one
    assert it.inode(b"..", it.inner) == ROOT
    is_directory = stat.S_ISDIR(it.fs.get_attributes(one).inode.mode)
    if is_directory:
        assert it.inode(b"..", one) == it.d
    assert (it.links(ROOT), it.links(it.d)) == ((5, 3) if is_directory else (6, 2))


def test_a_rename_changes_ctime_and_the_times_of_both_directories(
    it: Setting, pool: MemoryEngine
) -> None:
    before = {one: it.fs.get_attributes(one).inode for one in (ROOT, it.d, it.f)}

    it.fs.rename(ROOT, b"f", it.d, b"f", NONE)

    after = {one: it.fs.get_attributes(one).inode for one in (ROOT, it.d, it.f)}
    assert after[it.f].ctime_ns > before[it.f].ctime_ns
    assert after[it.f].mtime_ns == before[it.f].mtime_ns
    assert all(after[one].mtime_ns > before[one].mtime_ns for one in (ROOT, it.d))
