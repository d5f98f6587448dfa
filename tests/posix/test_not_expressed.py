"""What the FUSE library cannot express, and what programs see instead: the README's list, tried."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.harness import wait_for
from tests.posix.sides import Side

pytestmark = pytest.mark.fuse

KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT = 1, 3, 8, 16, 32
WHITEOUT: Final = 4
FICLONE, GET_FLAGS, GET_XFLAGS = 0x40049409, 0x80086601, 0x801C581F
SIZE_BYTES: Final = 10_000_000

_libc: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def _opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def _fallocate(fd: int, mode: int) -> None:
    if _libc.fallocate(fd, mode, ctypes.c_longlong(0), ctypes.c_longlong(4096)):
        raise OSError(ctypes.get_errno(), "fallocate")


def _name_of(call: Callable[[], object]) -> str:
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


@pytest.mark.parametrize("mode", [0, KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT])
def test_fallocate_is_not_supported(folder: Path, mode: int) -> None:
    with _opened(folder / "file") as fd:
        os.ftruncate(fd, SIZE_BYTES)

        assert _name_of(lambda: _fallocate(fd, mode)) == "ENOTSUP"


def test_the_c_library_fills_in_for_fallocate(folder: Path) -> None:
    with _opened(folder / "file") as fd:
        os.posix_fallocate(fd, 0, 100_000)

        assert os.fstat(fd).st_size == 100_000


def test_a_sparse_file_looks_to_seek_as_if_it_were_full(folder: Path) -> None:
    with _opened(folder / "file") as fd:
        os.ftruncate(fd, SIZE_BYTES)

        assert os.lseek(fd, 5, os.SEEK_DATA) == 5
        assert os.lseek(fd, 5, os.SEEK_HOLE) == SIZE_BYTES


def test_a_range_is_copied_and_shares_nothing(folder: Path) -> None:
    data = bytes(range(250)) * 400
    (folder / "source").write_bytes(data)
    with _opened(folder / "source") as source, _opened(folder / "target") as target:
        assert os.copy_file_range(source, target, len(data), 0, 0) == len(data)
        assert _name_of(lambda: fcntl.ioctl(target, FICLONE, source)) == "ENOTSUP"

    assert (folder / "target").read_bytes() == data


@pytest.mark.parametrize("request_number", [GET_FLAGS, GET_XFLAGS])
def test_there_are_no_flags_of_files(folder: Path, request_number: int) -> None:
    with _opened(folder / "file") as fd:
        assert _name_of(lambda: fcntl.ioctl(fd, request_number, bytes(28))) == "ENOTTY"


@pytest.mark.parametrize("name", ["system.posix_acl_access", "system.posix_acl_default"])
def test_access_lists_are_not_supported(folder: Path, name: str) -> None:
    assert _name_of(lambda: os.getxattr(folder, name)) == "ENOTSUP"
    assert _name_of(lambda: os.setxattr(folder, name, bytes([2, 0, 0, 0]))) == "ENOTSUP"


def test_a_file_without_a_name_cannot_be_made(folder: Path) -> None:
    assert _name_of(lambda: os.open(folder, os.O_TMPFILE | os.O_RDWR)) == "ENOTSUP"


def test_a_rename_leaves_no_whiteout(folder: Path) -> None:
    (folder / "file").touch()

    assert _name_of(lambda: Side(folder).rename(b"file", b"new", WHITEOUT)) == "EINVAL"
    assert os.listdir(folder) == ["file"]


def test_devices_are_kept_and_not_opened(folder: Path) -> None:
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))

    assert (folder / "null").stat().st_rdev == os.makedev(1, 3)
    assert _name_of(lambda: os.open(folder / "null", os.O_RDWR)) == "EACCES"


def test_a_descriptor_of_a_path_keeps_no_removed_file(folder: Path) -> None:
    (folder / "file").touch()
    with _opened(folder / "file", os.O_PATH) as fd:
        (folder / "file").unlink()

        assert os.fstat(fd).st_nlink == 0
        assert _name_of(lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)) == "ESTALE"
        os.chmod(f"/proc/self/fd/{fd}", 0o751)
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o751


def test_extended_attributes_of_what_was_removed_are_gone(folder: Path) -> None:
    (folder / "dir").mkdir()
    with _opened(folder / "dir", os.O_RDONLY | os.O_DIRECTORY) as fd:
        (folder / "dir").rmdir()

        assert _name_of(lambda: os.listxattr(fd)) == "ESTALE"
        assert _name_of(lambda: os.setxattr(fd, "user.a", b"")) == "ESTALE"


def test_blocks_of_a_file_that_stays_open_are_told_while_it_grows(folder: Path) -> None:
    with _opened(folder / "file") as fd:
        for size in (50_000, 5_000_000):
            os.pwrite(fd, b"x" * size, 0)
            os.fsync(fd)

            wait_for(f"{size} bytes are in st_blocks", partial(_counts, fd, size))


def _counts(fd: int, size: int) -> bool:
    return size <= os.fstat(fd).st_blocks * 512 < size + 512


def test_an_attribute_to_be_made_and_replaced_at_once_is_made(folder: Path) -> None:
    (folder / "file").touch()
    both = os.XATTR_CREATE | os.XATTR_REPLACE

    assert _name_of(lambda: os.setxattr(folder / "file", "user.a", b"1", both)) == "done"
    assert _name_of(lambda: os.setxattr(folder / "file", "user.a", b"2", both)) == "EEXIST"
    assert os.getxattr(folder / "file", "user.a") == b"1"


def test_listing_moves_the_access_time_whatever_the_opener_asked_for(folder: Path) -> None:
    os.utime(folder, (1, 2))

    with _opened(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME) as fd:
        os.listdir(fd)

    assert folder.stat().st_atime > 1


def test_truncating_to_the_size_it_has_leaves_the_times_of_a_file(folder: Path) -> None:
    (folder / "file").write_bytes(b"content")
    os.utime(folder / "file", (1, 1))

    os.truncate(folder / "file", 7)

    assert (folder / "file").stat().st_mtime == 1
