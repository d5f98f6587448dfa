"""Several at once on one file: openers, mappings, names that go, handles by inode number."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.harness import LivePool

pytestmark = pytest.mark.fuse

_libc: Final = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD: Final = -100
_HANDLE_BYTES_MAX: Final = 128

_APPENDER: Final = """
import os, sys
path, mark, count = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
fd = os.open(path, os.O_WRONLY | os.O_APPEND)
for number in range(count):
    os.write(fd, b"%s %06d\\n" % (mark, number))
"""
_WRITER: Final = """
import os, sys
path, first, blocks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
fd = os.open(path, os.O_RDWR)
for number in range(first, blocks, 2):
    os.pwrite(fd, bytes([number % 251]) * 777, number * 777)
os.fsync(fd)
"""


class _FileHandle(ctypes.Structure):
    _fields_ = (
        ("handle_bytes", ctypes.c_uint),
        ("handle_type", ctypes.c_int),
        ("f_handle", ctypes.c_ubyte * _HANDLE_BYTES_MAX),
    )


def _run_together(program: str, arguments: list[list[str]]) -> None:
    running = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", program, *words]) for words in arguments
    ]
    try:
        assert [one.wait(60) for one in running] == [0] * len(running)
    finally:
        for one in running:
            one.kill()
            one.wait()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def test_two_who_append_overwrite_nothing_of_each_other(folder: Path) -> None:
    path = folder / "log"
    path.touch()

    _run_together(_APPENDER, [[str(path), mark, "2000"] for mark in ("one", "two")])

    lines = path.read_text().splitlines()
    assert len(lines) == 4000
    for mark in ("one", "two"):
        mine = [line for line in lines if line.startswith(mark)]
        assert mine == [f"{mark} {number:06d}" for number in range(2000)]


def test_two_who_write_every_other_block_keep_what_is_the_others(folder: Path) -> None:
    path, blocks = folder / "shared", 3001
    path.touch()

    _run_together(_WRITER, [[str(path), str(first), str(blocks)] for first in (0, 1)])
    with _opened(path, os.O_RDONLY) as fd:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    assert path.read_bytes() == b"".join(bytes([one % 251]) * 777 for one in range(blocks))


def test_what_one_opener_writes_another_reads_at_once(folder: Path) -> None:
    path = folder / "file"
    with _opened(path, os.O_RDWR | os.O_CREAT) as one, _opened(path, os.O_RDWR) as other:
        os.pwrite(one, b"first", 0)
        assert os.pread(other, 10, 0) == b"first"
        os.ftruncate(other, 2)

        assert os.pread(one, 10, 0) == b"fi"
        assert os.fstat(one).st_size == 2


def test_truncating_by_another_opener_is_seen_by_the_first(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"x" * 9000)
    with _opened(path, os.O_RDWR) as one:
        with _opened(path, os.O_WRONLY | os.O_TRUNC) as other:
            os.write(other, b"new")

        assert os.pread(one, 10, 0) == b"new"
        assert os.fstat(one).st_size == 3


def test_a_direct_opener_and_a_cached_one_show_one_file(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"a" * 8192)
    with (
        _opened(path, os.O_RDWR) as cached,
        _opened(path, os.O_RDWR | os.O_DIRECT) as direct,
        mmap.mmap(-1, 4096) as page,
    ):
        os.pwrite(cached, b"cached", 4000)
        assert os.preadv(direct, [page], 0) == 4096
        assert page[3990:4010] == b"a" * 10 + b"cached" + b"a" * 4

        page[:] = b"d" * 4096
        assert os.pwrite(direct, page, 4096) == 4096
        assert os.pread(cached, 20, 4086) == b"a" * 10 + b"d" * 10
        os.ftruncate(cached, 5)
        assert os.preadv(direct, [page], 0) == 5
        assert os.preadv(direct, [page], 4096) == 0


def test_what_a_mapping_leaves_behind_the_end_is_never_seen(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"a" * 100)
    with _opened(path, os.O_RDWR) as fd:
        with mmap.mmap(fd, 100) as view:
            first = ctypes.c_char.from_buffer(view)
            ctypes.memmove(ctypes.addressof(first) + 90, b"b" * 110, 110)
            del first
        os.ftruncate(fd, 4096)

        assert os.pread(fd, 4096, 0) == b"a" * 90 + b"b" * 10 + bytes(3996)


def test_a_shared_mapping_and_a_descriptor_show_one_file(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"a" * 10_000)
    with _opened(path, os.O_RDWR) as fd, mmap.mmap(fd, 10_000) as view:
        os.pwrite(fd, b"descriptor", 100)
        assert view[100:110] == b"descriptor"

        view[200:207] = b"mapping"

        assert os.pread(fd, 7, 200) == b"mapping"
        view.flush()
    assert path.read_bytes()[195:210] == b"aaaaamappingaaa"


def test_a_private_mapping_changes_no_file(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"a" * 5000)

    with _opened(path, os.O_RDONLY) as fd:
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        with mmap.mmap(fd, 5000, mmap.MAP_PRIVATE, protection) as view:
            view[:5] = b"other"
            assert view[:6] == b"othera"

    assert path.read_bytes() == b"a" * 5000


def test_a_file_renamed_over_and_removed_lives_for_who_has_it_open(folder: Path) -> None:
    (folder / "old").write_bytes(b"old")
    (folder / "new").write_bytes(b"new")
    with _opened(folder / "old", os.O_RDWR) as old:
        (folder / "new").rename(folder / "old")
        os.pwrite(old, b"OLD and more", 0)
        os.fsync(old)

        assert os.pread(old, 20, 0) == b"OLD and more"
        assert os.fstat(old).st_nlink == 0
        assert (folder / "old").read_bytes() == b"new"
        with _opened(folder / "old", os.O_RDONLY) as new:
            (folder / "old").rename(folder / "third")
            (folder / "third").unlink()
            assert os.pread(new, 9, 0) == b"new"


def test_a_removed_directory_takes_no_names_and_lists_none(folder: Path) -> None:
    path = folder / "gone"
    path.mkdir()
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as fd:
        path.rmdir()

        assert os.listdir(fd) == []
        assert os.fstat(fd).st_nlink == 0
        os.fsync(fd)
        with pytest.raises(FileNotFoundError):
            os.mkdir("x", dir_fd=fd)
        with pytest.raises(FileNotFoundError):
            os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_removed_while_open_takes_attributes_as_on_a_plain_file_system(
    kind: str, folder: Path, plain: Path
) -> None:
    seen = []
    for path in (folder / "gone", plain / "gone"):
        if kind == "directory":
            path.mkdir()
        else:
            os.mkfifo(path)
        with _opened(path, os.O_RDONLY | os.O_NONBLOCK) as fd:
            path.rmdir() if kind == "directory" else path.unlink()

            os.fchmod(fd, 0o2751)
            os.fchown(fd, 5, 6)
            os.utime(fd, (7, 8))

            now = os.fstat(fd)
            seen.append((now.st_mode, now.st_uid, now.st_gid, now.st_atime, now.st_mtime))

    assert seen[0] == seen[1]


def test_a_socket_on_the_mount_is_connected_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # A path to a socket is short.
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("socket")
        server.listen()
        client.connect("socket")
        with server.accept()[0] as accepted:
            client.sendall(b"hello")
            assert accepted.recv(10) == b"hello"

    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect("socket")
    assert (folder / "socket").is_socket()


def test_fsync_of_a_directory_is_answered(folder: Path) -> None:
    (folder / "name").touch()

    with _opened(folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)
        os.fdatasync(fd)


def _handle_of(path: Path) -> _FileHandle:
    handle = _FileHandle(handle_bytes=_HANDLE_BYTES_MAX)
    mount_id = ctypes.c_int()
    where = os.fsencode(path)
    found = _libc.name_to_handle_at(
        _AT_FDCWD, where, ctypes.byref(handle), ctypes.byref(mount_id), 0
    )
    assert found == 0, os.strerror(ctypes.get_errno())
    return handle


def _open_handle(mount_fd: int, handle: _FileHandle, flags: int) -> int:
    fd = _libc.open_by_handle_at(mount_fd, ctypes.byref(handle), flags)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(fd)


def test_files_are_found_by_handle_after_a_new_mount_as_an_nfs_server_does(
    open_pool: LivePool, folder: Path
) -> None:
    (folder / "dir").mkdir()
    (folder / "dir" / "file").write_bytes(b"content")
    file, directory = _handle_of(folder / "dir" / "file"), _handle_of(folder / "dir")
    open_pool.unmount()
    open_pool.mount_for_everybody()

    with _opened(open_pool.mountpoint, os.O_RDONLY | os.O_DIRECTORY) as mount_fd:
        found = _open_handle(mount_fd, file, os.O_RDONLY)
        assert os.read(found, 20) == b"content"
        os.close(found)
        above = _open_handle(mount_fd, directory, os.O_RDONLY | os.O_DIRECTORY)
        assert os.listdir(above) == ["file"]
        assert os.path.samestat(os.stat("..", dir_fd=above), folder.stat())
        os.close(above)


def test_a_handle_of_a_removed_file_is_stale(open_pool: LivePool, folder: Path) -> None:
    (folder / "file").write_bytes(b"content")
    handle = _handle_of(folder / "file")
    (folder / "file").unlink()

    with (
        _opened(open_pool.mountpoint, os.O_RDONLY | os.O_DIRECTORY) as mount_fd,
        pytest.raises(OSError, match=os.strerror(errno.ESTALE)),
    ):
        _open_handle(mount_fd, handle, os.O_RDONLY)
