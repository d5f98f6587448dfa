"""Which times a call moves, and the rule of relatime where the pool hears of reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.harness import LivePool

pytestmark = pytest.mark.fuse

PAST_NS = 1_000_000_000 * 10**9


def _set(path: Path, *, access_ns: int, modify_ns: int) -> None:
    os.utime(path, ns=(access_ns, modify_ns), follow_symlinks=False)


def test_listing_a_directory_moves_its_access_time_once(folder: Path) -> None:
    (folder / "name").touch()
    first = folder.stat().st_atime_ns

    os.listdir(folder)
    after_one = folder.stat().st_atime_ns
    os.listdir(folder)

    assert first < after_one
    assert folder.stat().st_atime_ns == after_one


def test_following_a_link_moves_its_access_time(folder: Path) -> None:
    link = folder / "link"
    link.symlink_to("nowhere")
    before = link.lstat().st_atime_ns

    os.readlink(link)

    assert link.lstat().st_atime_ns > before


def test_reading_a_file_from_the_pool_moves_its_access_time(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    before = path.stat()

    os.read(fd, 7)
    os.close(fd)

    after = path.stat()
    assert after.st_atime_ns > before.st_atime_ns
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)


def test_reading_with_o_noatime_moves_no_access_time(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    before = path.stat().st_atime_ns

    os.read(fd, 7)
    os.close(fd)

    assert path.stat().st_atime_ns == before


def test_access_times_that_moved_or_were_set_are_there_after_a_new_mount(
    open_pool: LivePool, folder: Path
) -> None:
    for name in ("listed", "set"):
        (folder / name).mkdir()
        os.listdir(folder / name)
    moved = (folder / "listed").stat().st_atime_ns
    _set(folder / "set", access_ns=PAST_NS, modify_ns=PAST_NS)

    open_pool.unmount()
    open_pool.mount_for_everybody()

    assert (folder / "listed").stat().st_atime_ns == moved
    assert (folder / "set").stat().st_atime_ns == PAST_NS


def test_names_move_the_times_of_their_directory_and_no_others(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"content")
    for place in (path, folder):
        _set(place, access_ns=PAST_NS, modify_ns=PAST_NS)
    changed = path.stat().st_ctime_ns

    (folder / "other").touch()

    assert folder.stat().st_mtime_ns > PAST_NS
    assert path.stat().st_mtime_ns == PAST_NS
    assert path.stat().st_ctime_ns == changed


def test_a_new_link_a_rename_and_an_unlink_move_the_change_time_alone(folder: Path) -> None:
    path = folder / "fifo"  # Times of regular files tick as slowly as the kernel's clock.
    os.mkfifo(path)
    _set(path, access_ns=PAST_NS, modify_ns=PAST_NS)
    moments = [path.stat().st_ctime_ns]

    (folder / "second").hardlink_to(path)
    moments.append(path.stat().st_ctime_ns)
    path.rename(folder / "third")
    moments.append((folder / "third").stat().st_ctime_ns)
    (folder / "second").unlink()
    moments.append((folder / "third").stat().st_ctime_ns)

    assert moments == sorted(set(moments))
    assert (folder / "third").stat().st_mtime_ns == PAST_NS
