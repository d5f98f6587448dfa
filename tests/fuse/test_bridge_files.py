"""Files through a real mount: the same calls on it and on a plain file agree."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.fuse

MEBIBYTE = 1 << 20


def write_and_sync(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def test_three_mebibytes_come_back_after_the_kernel_forgot_them(folder: Path) -> None:
    data = random.Random(1).randbytes(3 * MEBIBYTE + 17)

    write_and_sync(folder / "file", data)
    drop_pages(folder / "file")

    assert (folder / "file").read_bytes() == data


def test_appending_one_byte_a_hundred_times_makes_a_hundred_bytes(folder: Path) -> None:
    for number in range(100):
        with (folder / "log").open("ab") as file:
            file.write(bytes([number]))

    assert (folder / "log").read_bytes() == bytes(range(100))


def test_random_writes_and_truncations_agree_with_a_plain_file(
    folder: Path, tmp_path: Path
) -> None:
    choose = random.Random(7)
    ours = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    plain = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)

    for step in range(300):
        offset = choose.randrange(200_000)
        if choose.random() < 0.1:
            os.ftruncate(ours, offset)
            os.ftruncate(plain, offset)
        else:
            data = choose.randbytes(choose.randrange(1, 9000))
            assert os.pwrite(ours, data, offset) == os.pwrite(plain, data, offset)
        if step % 50 == 0:
            os.fsync(ours)
            drop_pages(folder / "file")
        here, there = (
            os.pread(file, 9000, offset - 500) if offset > 500 else b"" for file in (ours, plain)
        )
        assert here == there

    os.close(ours)
    os.close(plain)
    drop_pages(folder / "file")
    assert (folder / "file").read_bytes() == (tmp_path / "file").read_bytes()


def test_a_hole_reads_as_zeros(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.seek(MEBIBYTE)
        file.write(b"end")

    assert (folder / "sparse").read_bytes() == bytes(MEBIBYTE) + b"end"


def test_a_file_opened_for_writing_only_takes_a_write_in_the_middle_of_a_page(
    folder: Path,
) -> None:
    # The kernel must read the rest of the page on the write-only handle.
    write_and_sync(folder / "file", b"a" * 10_000)
    drop_pages(folder / "file")

    file = os.open(folder / "file", os.O_WRONLY)
    os.pwrite(file, b"XYZ", 5000)
    os.close(file)

    assert (folder / "file").read_bytes() == b"a" * 5000 + b"XYZ" + b"a" * 4997


def test_opening_with_o_trunc_empties_the_file(folder: Path) -> None:
    write_and_sync(folder / "file", b"old contents")

    os.close(os.open(folder / "file", os.O_WRONLY | os.O_TRUNC))

    assert (folder / "file").stat().st_size == 0
    drop_pages(folder / "file")
    assert (folder / "file").read_bytes() == b""


def test_truncation_by_name_cuts_and_extends_with_zeros(folder: Path) -> None:
    write_and_sync(folder / "file", b"0123456789")

    os.truncate(folder / "file", 4)
    os.truncate(folder / "file", 8)

    assert (folder / "file").read_bytes() == b"0123\0\0\0\0"


def test_an_unlinked_file_lives_until_it_is_closed(folder: Path) -> None:
    file = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    os.write(file, b"still here")

    (folder / "file").unlink()

    assert not (folder / "file").exists()
    os.fsync(file)
    assert os.pread(file, 100, 0) == b"still here"
    assert os.fstat(file).st_nlink == 0
    os.close(file)


def test_times_are_kept_to_the_nanosecond(folder: Path) -> None:
    (folder / "file").touch()

    os.utime(folder / "file", ns=(1_234_567_890_123_456_789, 987_654_321_000_000_001))

    seen = (folder / "file").stat()
    assert (seen.st_atime_ns, seen.st_mtime_ns) == (
        1_234_567_890_123_456_789,
        987_654_321_000_000_001,
    )


def test_a_time_before_1970_is_kept(folder: Path) -> None:
    (folder / "file").touch()

    os.utime(folder / "file", ns=(0, -1_500_000_000))

    assert (folder / "file").stat().st_mtime_ns == -1_500_000_000


def test_the_time_of_a_write_reaches_the_server_when_the_file_is_closed(folder: Path) -> None:
    started_ns = time.time_ns() - 1_000_000_000
    write_and_sync(folder / "file", b"old")
    os.utime(folder / "file", ns=(0, 0))

    write_and_sync(folder / "file", b"new")

    assert (folder / "file").stat().st_mtime_ns > started_ns


def test_mode_and_owner_change(folder: Path) -> None:
    (folder / "file").touch()

    (folder / "file").chmod(0o640)
    os.chown(folder / "file", 12, 34)

    seen = (folder / "file").stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (0o640, 12, 34)


@pytest.mark.parametrize(
    ("attempt", "number"),
    [
        (lambda folder: (folder / "absent").read_bytes(), errno.ENOENT),
        (lambda folder: (folder / "file").mkdir(), errno.EEXIST),
        (lambda folder: (folder / "full").rmdir(), errno.ENOTEMPTY),
        (lambda folder: (folder / "full").unlink(), errno.EISDIR),
        (lambda folder: (folder / ("n" * 256)).touch(), errno.ENAMETOOLONG),
        (lambda folder: os.getxattr(folder / "file", "user.none"), errno.ENODATA),
    ],
)
def test_a_refusal_has_its_own_errno(
    folder: Path, attempt: Callable[[Path], object], number: int
) -> None:
    (folder / "file").touch()
    (folder / "full").mkdir()
    (folder / "full" / "child").touch()

    with pytest.raises(OSError, match=".") as caught:
        attempt(folder)

    assert caught.value.errno == number


def drop_pages(path: Path) -> None:
    """Have the kernel drop its clean pages of one file, so that reads reach the server."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
