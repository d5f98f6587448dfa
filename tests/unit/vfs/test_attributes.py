"""Modes, listings, sizes and refusals as POSIX has them."""

from __future__ import annotations

import stat

import pytest

from engine.errors import (
    BadHandleError,
    NotFoundError,
    ReadOnlyError,
    StaleHandleError,
)
from engine.ids import ROOT_INODE
from engine.vfs.interface import AttributeChanges, Caller, OpenMode
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import BOTH, OWNER, OpenedFiles
from tests.unit.vfs.setting import Setting

ROOT = ROOT_INODE
ROOT_CALLER = Caller(0, 0)


def test_a_setgid_directory_gives_its_group_and_directories_its_bit(it: Setting) -> None:
    it.fs.set_attributes(it.d, AttributeChanges(mode=0o2775, gid=77), OWNER)

    file, opened = it.fs.create(it.d, b"new", 0o644, BOTH, OWNER)
    inner = it.fs.make_directory(it.d, b"sub", 0o755, OWNER)

    it.fs.release(opened.handle)
    assert (file.inode.gid, file.inode.mode & stat.S_ISGID) == (77, 0)
    assert (inner.inode.gid, bool(inner.inode.mode & stat.S_ISGID)) == (77, True)
    assert inner.inode.uid == OWNER.uid


@pytest.mark.parametrize(
    ("mode", "left"), [(0o6755, 0o755), (0o6745, 0o2745), (0o4644, 0o644), (0o2644, 0o2644)]
)
@pytest.mark.parametrize("how", ["truncate", "chown"])
def test_changing_a_program_ends_its_privileges(
    it: Setting, files: OpenedFiles, mode: int, left: int, how: str
) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(mode=mode), OWNER)

    match how:
        case "truncate":
            files.resize(it.f, 1)
        case _:
            it.fs.set_attributes(it.f, AttributeChanges(uid=5), OWNER)

    assert stat.S_IMODE(it.fs.get_attributes(it.f).inode.mode) == left


@pytest.mark.parametrize(("further", "left"), [((), 0o644), ((9,), 0o2644)])
@pytest.mark.parametrize("changes", [AttributeChanges(size=1), AttributeChanges(mode=0o2644)])
def test_sgid_without_execution_is_for_members_of_the_group_to_keep(
    it: Setting, changes: AttributeChanges, further: tuple[int, ...], left: int
) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(gid=9), ROOT_CALLER)
    it.fs.set_attributes(it.f, AttributeChanges(mode=0o6644), ROOT_CALLER)

    it.fs.set_attributes(it.f, changes, Caller(5, 5, lambda: further))

    assert stat.S_IMODE(it.fs.get_attributes(it.f).inode.mode) == left


def test_what_is_removed_and_still_held_takes_changes_that_its_holders_see(it: Setting) -> None:
    it.fs.remove_directory(ROOT, b"empty")

    it.fs.set_attributes(it.empty, AttributeChanges(mode=0o700, uid=5), ROOT_CALLER)

    inode = it.fs.last_attributes(it.empty).inode
    assert (inode.mode, inode.uid, inode.nlink) == (stat.S_IFDIR | 0o700, 5, 0)
    with pytest.raises(StaleHandleError):
        it.fs.get_attributes(it.empty)


def test_what_the_kernel_says_ends_privileges_ends_them(it: Setting) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(mode=0o6755), OWNER)

    it.fs.set_attributes(it.f, AttributeChanges(ends_privileges=True), OWNER)

    assert stat.S_IMODE(it.fs.get_attributes(it.f).inode.mode) == 0o755


def test_a_write_past_the_kernels_cache_ends_them_too(it: Setting) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(mode=0o6755), OWNER)
    opened = it.fs.open(it.f, OpenMode.WRITE)
    assert opened.direct_io, "a pool this small has the kernel cache nothing"

    it.fs.write(opened.handle, 0, b"x")
    it.fs.release(opened.handle)

    assert stat.S_IMODE(it.fs.get_attributes(it.f).inode.mode) == 0o755


def test_root_truncates_a_program_and_its_privileges_stay(it: Setting) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(mode=0o6755), OWNER)

    it.fs.set_attributes(it.f, AttributeChanges(size=1), ROOT_CALLER)

    assert stat.S_IMODE(it.fs.get_attributes(it.f).inode.mode) == 0o6755


def test_a_change_of_mode_keeps_the_type(it: Setting) -> None:
    it.fs.set_attributes(it.f, AttributeChanges(mode=0o40600), ROOT_CALLER)

    assert it.fs.get_attributes(it.f).inode.mode == stat.S_IFREG | 0o600


# Listings


def test_a_listing_goes_on_correctly_while_others_delete_and_make(
    it: Setting, files: OpenedFiles
) -> None:
    directory = files.directory(b"many")
    made = [b"%03d" % number for number in range(40)]
    for name in made:
        files.make(name, parent=directory)
    seen: list[bytes] = []
    cookie = 0
    while True:
        items = it.fs.read_directory(directory, cookie, 7)
        if not items:
            break
        seen += [item.name for item in items]
        cookie = items[-1].cookie
        for gone in (items[0].name, b"%03d" % (len(seen) + 2)):
            if gone in it.names(directory):
                it.fs.unlink(directory, gone)

    left = {name for name in made if name in it.names(directory)}
    assert len(seen) == len(set(seen))
    assert left <= set(seen)
    assert seen[:2] == [b".", b".."]


def test_nothing_is_made_in_a_directory_that_was_removed(it: Setting, pool: MemoryEngine) -> None:
    it.fs.remove_directory(ROOT, b"empty")

    with pytest.raises((NotFoundError, StaleHandleError)):
        it.fs.create(it.empty, b"x", 0o644, BOTH, OWNER)


# Sizes and blocks


def test_holes_read_as_zeros_and_take_no_blocks(it: Setting, files: OpenedFiles) -> None:
    files.write(it.f, 1 << 30, b"far")

    attributes = it.fs.get_attributes(it.f)
    handle = it.fs.open(it.f, OpenMode.READ).handle
    assert attributes.inode.size == (1 << 30) + 3
    assert attributes.blocks_512 <= 8
    assert bytes(it.fs.read(handle, (1 << 30) - 5, 100)) == b"\0" * 5 + b"far"


def test_an_empty_write_changes_nothing(it: Setting, files: OpenedFiles) -> None:
    files.write(it.f, 5000, b"")

    assert files.size(it.f) == 7


def test_a_handle_for_reading_does_not_write(it: Setting) -> None:
    handle = it.fs.open(it.f, OpenMode.READ).handle

    with pytest.raises(BadHandleError):
        it.fs.write(handle, 0, b"x")


def test_a_read_only_pool_refuses_every_change_and_reads_on(
    it: Setting, pool: MemoryEngine, files: OpenedFiles
) -> None:
    handle = it.fs.open(it.f, BOTH).handle
    pool.engine.read_only_reason = "too few disks"

    for act in (
        lambda: it.fs.create(ROOT, b"n", 0, BOTH, OWNER),
        lambda: it.fs.unlink(ROOT, b"f"),
        lambda: it.rename(b"f", b"n"),
        lambda: it.fs.write(handle, 0, b"x"),
        lambda: it.fs.set_xattr(it.f, b"user.a", b""),
        lambda: files.resize(it.f, 0),
    ):
        with pytest.raises(ReadOnlyError, match="too few disks"):
            act()

    assert bytes(it.fs.read(handle, 0, 100)) == b"content"
    pool.engine.read_only_reason = ""
