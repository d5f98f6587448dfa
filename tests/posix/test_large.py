"""Large and many: sparse files of terabytes, holes, directories of many names, links."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.limits import LINKS_MAX
from engine.units import GIB, KIB, MIB
from tests.posix.sides import Side
from tests.posix.streams import Stream

pytestmark = pytest.mark.fuse

EXCHANGE = 2
TIB = 1024 * GIB
BLOCK_BYTES = 512


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def test_a_sparse_file_of_eight_tebibytes_is_one_and_costs_what_is_in_it(
    folder: Path,
) -> None:
    path = folder / "sparse"
    places = [0, 5 * GIB + 1, 4 * TIB - 3, 8 * TIB - 100]
    with _opened(path) as fd:
        for place in places:
            os.pwrite(fd, b"%020d" % place, place)
        os.ftruncate(fd, 8 * TIB)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    with _opened(path) as fd:
        assert os.fstat(fd).st_size == 8 * TIB
        assert os.fstat(fd).st_blocks * BLOCK_BYTES < 100 * KIB
        assert [os.pread(fd, 20, place) for place in places] == [b"%020d" % one for one in places]
        assert os.pread(fd, 100 * KIB, 2 * TIB) == bytes(100 * KIB)
        os.ftruncate(fd, 5 * GIB + 11)
        os.ftruncate(fd, 8 * TIB)
        assert os.pread(fd, 30, 5 * GIB + 1) == b"%010d" % 0 + bytes(20)
        assert os.pread(fd, 20, 4 * TIB - 3) == bytes(20)


def test_holes_stay_holes_and_blocks_count_what_was_written(folder: Path) -> None:
    path = folder / "holes"
    data = random.Random(1).randbytes(64 * KIB)
    with _opened(path) as fd:
        for number in range(8):
            os.pwrite(fd, data, number * MIB)

    # While it is open for writing the kernel hears of blocks a little later.
    assert path.stat().st_size == 7 * MIB + 64 * KIB
    assert path.stat().st_blocks * BLOCK_BYTES == 8 * 64 * KIB
    os.truncate(path, MIB)
    assert path.stat().st_blocks * BLOCK_BYTES == 64 * KIB


def _list_while_names_change(folder: Path, names: int) -> None:
    """List a directory in three steps and change it between them; what stays is shown once."""
    staying = {f"stay{number:06d}" for number in range(0, names, 2)}
    going = {f"go{number:06d}" for number in range(1, names, 2)}
    for name in sorted(staying | going, key=lambda one: one[-6:]):
        os.mknod(folder / name)
    seen: list[str] = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            seen.append(entry.name)
            if number == names // 4:
                for name in sorted(going)[::2]:
                    (folder / name).unlink()
            if number == names // 3:
                for extra in range(names // 10):
                    os.mknod(folder / f"new{extra}")

    assert len(seen) == len(set(seen))
    assert staying <= set(seen)
    assert sum(1 for _ in os.scandir(folder)) == names - len(sorted(going)[::2]) + names // 10


def test_a_listing_shows_every_name_that_stays_once_while_others_go_and_come(folder: Path) -> None:
    _list_while_names_change(folder, 1200)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_directory_of_two_hundred_thousand_names_is_listed_while_it_changes(folder: Path) -> None:
    _list_while_names_change(folder, 200_000)


def test_positions_in_a_directory_stay_good_while_names_go_and_come(folder: Path) -> None:
    for number in range(300):
        os.mknod(folder / f"name{number}")
    stream = Stream(folder)
    try:
        positions, names = [], []
        while True:
            positions.append(stream.tell())
            if (name := stream.next_name()) is None:
                break
            names.append(name)
        gone = next(at for at in range(150, 200) if names[at].startswith(b"name"))
        (folder / os.fsdecode(names[gone])).unlink()
        os.mknod(folder / "new")

        for at in (0, 1, 299, 100, gone + 1, 7):
            stream.seek(positions[at])
            assert stream.next_name() == names[at]
        stream.seek(positions[gone])
        assert stream.next_name() == names[gone + 1]
        stream.seek(positions[0])
        again = [stream.next_name() for _ in range(len(names))]
    finally:
        stream.close()

    assert set(again) == {*names, b"new"} - {names[gone]}


def test_the_links_of_a_directory_are_its_directories_and_two(folder: Path) -> None:
    for number in range(5):
        (folder / f"dir{number}").mkdir()
    (folder / "file").touch()

    assert folder.stat().st_nlink == 7
    (folder / "dir0").rename(folder / "dir1" / "below")
    assert folder.stat().st_nlink == 6
    assert (folder / "dir1").stat().st_nlink == 3
    Side(folder).rename(b"file", b"dir1/below", EXCHANGE)
    assert folder.stat().st_nlink == 7
    assert (folder / "dir1").stat().st_nlink == 2


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_file_takes_as_many_links_as_ext4_and_refuses_the_next(folder: Path) -> None:
    (folder / "file").touch()
    for number in range(LINKS_MAX - 1):
        (folder / f"link{number}").hardlink_to(folder / "file")

    with pytest.raises(OSError, match="Too many links"):
        (folder / "one too many").hardlink_to(folder / "file")
    assert (folder / "file").stat().st_nlink == LINKS_MAX


def test_all_attributes_that_a_file_takes_are_listed(folder: Path) -> None:
    path = folder / "file"
    path.touch()
    names = [f"user.{number:0240d}" for number in range(400)]

    taken = {name for name in names if _set_attribute(path, name) == 0}

    assert {_set_attribute(path, name) for name in names if name not in taken} == {errno.ENOSPC}
    assert 250 < len(taken) < 300
    assert set(os.listxattr(path)) == taken


def _set_attribute(path: Path, name: str) -> int:
    """Return the errno, 0 where it was set."""
    try:
        os.setxattr(path, name, b"")
    except OSError as error:
        return error.errno or 0
    return 0


def test_names_are_any_bytes_but_slash_and_nul(folder: Path) -> None:
    base = os.fsencode(folder)
    names = {bytes([one]) * 3 for one in range(1, 256) if one not in b"/."}
    for name in names:
        os.mknod(base + b"/" + name)

    assert set(os.listdir(base)) == names


def test_statfs_says_what_fits_and_how_long_a_name_may_be(folder: Path) -> None:
    seen = os.statvfs(folder)

    assert seen.f_namemax == 255
    assert 0 < seen.f_bavail <= seen.f_bfree < seen.f_blocks
    assert seen.f_flag & os.ST_NOSUID
    assert seen.f_flag & os.ST_NODEV
