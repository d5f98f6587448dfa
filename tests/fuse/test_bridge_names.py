"""Names, links, special files, attributes and listings through a real mount."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from tests.fuse.mounting import Served

pytestmark = pytest.mark.fuse

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_FDCWD = -100


def renameat2(old: Path, new: Path, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, bytes(old), AT_FDCWD, bytes(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def test_renaming_over_a_file_replaces_it(folder: Path) -> None:
    (folder / "new").write_bytes(b"new")
    (folder / "old").write_bytes(b"old")

    (folder / "new").rename(folder / "old")

    assert (folder / "old").read_bytes() == b"new"
    assert os.listdir(folder) == ["old"]


def test_renaming_without_replacing_refuses_a_taken_name(folder: Path) -> None:
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b")

    with pytest.raises(FileExistsError):
        renameat2(folder / "a", folder / "b", RENAME_NOREPLACE)

    assert (folder / "b").read_bytes() == b"b"


def test_an_exchange_swaps_two_names(folder: Path) -> None:
    (folder / "a").write_bytes(b"a")
    (folder / "b").mkdir()

    renameat2(folder / "a", folder / "b", RENAME_EXCHANGE)

    assert (folder / "a").is_dir()
    assert (folder / "b").read_bytes() == b"a"


def test_a_whiteout_is_refused(folder: Path) -> None:
    (folder / "a").touch()

    with pytest.raises(OSError, match="Invalid") as caught:
        renameat2(folder / "a", folder / "b", RENAME_WHITEOUT)

    assert caught.value.errno == errno.EINVAL


def test_files_in_a_moved_directory_are_found_and_its_parent_is_right(folder: Path) -> None:
    (folder / "here").mkdir()
    (folder / "there").mkdir()
    (folder / "here" / "file").write_bytes(b"data")
    file = os.open(folder / "here" / "file", os.O_RDWR)

    (folder / "here").rename(folder / "there" / "moved")

    os.pwrite(file, b"DATA", 0)
    os.close(file)
    assert (folder / "there" / "moved" / "file").read_bytes() == b"DATA"
    assert (folder / "there" / "moved" / "..").stat().st_ino == (folder / "there").stat().st_ino


def test_a_hard_link_shares_contents_and_counts(folder: Path) -> None:
    (folder / "one").write_bytes(b"first")

    os.link(folder / "one", folder / "two")

    assert (folder / "two").stat().st_nlink == 2
    assert (folder / "one").stat().st_nlink == 2
    (folder / "one").write_bytes(b"second")
    assert (folder / "two").read_bytes() == b"second"
    (folder / "one").unlink()
    assert (folder / "two").stat().st_nlink == 1


def test_a_symbolic_link_keeps_its_target(folder: Path) -> None:
    (folder / "link").symlink_to("some/where")

    assert os.readlink(folder / "link") == "some/where"
    assert (folder / "link").lstat().st_size == len("some/where")


def test_special_files_keep_kind_and_number(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    bind_socket(folder)

    assert stat.S_ISFIFO((folder / "fifo").stat().st_mode)
    assert stat.S_ISSOCK((folder / "socket").stat().st_mode)
    assert (folder / "device").stat().st_rdev == os.makedev(1, 3)


def bind_socket(folder: Path) -> None:
    # Through a descriptor: a socket's path may have 107 bytes only.
    directory = os.open(folder, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{directory}/socket")
    finally:
        os.close(directory)


def test_a_name_that_was_looked_up_in_vain_is_found_once_made(folder: Path) -> None:
    # The kernel remembers for long that a name does not exist.
    assert not (folder / "name").exists()

    (folder / "name").touch()

    assert (folder / "name").exists()


def test_a_missing_name_is_asked_for_once(tree: Served) -> None:
    before = tree.counters()["lookup"]

    for _ in range(10):
        assert not (tree.path / "missing").exists()

    assert tree.counters()["lookup"] == before + 1


def test_extended_attributes_of_three_namespaces_are_kept(folder: Path) -> None:
    (folder / "file").touch()
    given = {"user.a": b"1", "trusted.b": b"", "security.c": b"x" * 1000}

    for name, value in given.items():
        os.setxattr(folder / "file", name, value)

    names = os.listxattr(folder / "file")
    assert {name: os.getxattr(folder / "file", name) for name in names} == given
    os.removexattr(folder / "file", "user.a")
    assert sorted(os.listxattr(folder / "file")) == ["security.c", "trusted.b"]


def test_creating_and_replacing_an_attribute_are_told_apart(folder: Path) -> None:
    (folder / "file").touch()
    os.setxattr(folder / "file", "user.a", b"1", os.XATTR_CREATE)

    with pytest.raises(FileExistsError):
        os.setxattr(folder / "file", "user.a", b"2", os.XATTR_CREATE)
    with pytest.raises(OSError, match="No data"):
        os.setxattr(folder / "file", "user.b", b"2", os.XATTR_REPLACE)


def test_access_lists_are_not_supported(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(OSError, match="not supported") as caught:
        os.setxattr(folder / "file", "system.posix_acl_access", b"\2\0\0\0")

    assert caught.value.errno == errno.EOPNOTSUPP


def test_a_capability_that_was_asked_for_in_vain_is_seen_once_it_is_set(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(OSError, match="No data"):
        os.getxattr(folder / "file", "security.capability")
    capability = bytes.fromhex("0000000200200000000000000000000000000000")

    os.setxattr(folder / "file", "security.capability", capability)

    assert os.getxattr(folder / "file", "security.capability") == capability


def test_statfs_says_what_the_file_system_says(folder: Path) -> None:
    seen = os.statvfs(folder)

    assert (seen.f_frsize, seen.f_blocks, seen.f_bavail, seen.f_ffree, seen.f_namemax) == (
        4096,
        1000,
        600,
        4000,
        255,
    )


def test_five_thousand_names_are_listed_once_each_while_others_go(folder: Path) -> None:
    for number in range(5000):
        (folder / f"name-{number:05}").touch()
    staying = {f"name-{number:05}" for number in range(0, 5000, 2)}
    deleting = threading.Thread(target=delete_odd_names, args=(folder,))

    deleting.start()
    seen = [entry.name for entry in os.scandir(folder)]
    deleting.join()

    assert len(seen) == len(set(seen))
    assert staying <= set(seen)
    assert set(os.listdir(folder)) == staying


def delete_odd_names(folder: Path) -> None:
    for number in range(1, 5000, 2):
        (folder / f"name-{number:05}").unlink()


def test_a_listing_brings_the_attributes_along(tree: Served) -> None:
    for number in range(50):
        (tree.path / f"file-{number}").write_bytes(bytes(number))
    # Lets the kernel forget names and attributes.
    Path("/proc/sys/vm/drop_caches").write_text("2")
    before = tree.counters()

    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(tree.path)}

    after = tree.counters()
    assert sizes == {f"file-{number}": number for number in range(50)}
    assert after["lookup"] == before["lookup"]
    assert after["getattr"] <= before["getattr"] + 1
