"""Space: what is overwritten or deleted comes back; a full pool says so in time."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.limits import EXTENT_BYTES_MAX
from engine.units import KIB, MIB
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, live_pool, run_tool, wait_for

DISKS = 6
SMALL_DISK_BYTES = 300 * MIB
FILL_FILE_BYTES = 16 * MIB


def _write_synced(path: Path, data: bytes) -> None:
    """Write *data* and fsync it; OSError from whichever step heard of trouble."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def test_a_thousand_overwrites_leave_the_space_of_one_file(pool: LivePool) -> None:
    source = random.Random(10)
    path = pool.mountpoint / "file"
    size = 300 * KIB
    for _ in range(1000):
        data = source.randbytes(size)
        _write_synced(path, data)

    pool.sync()

    wait_for("old extents are collected", lambda: pool.raw_bytes() < 8 * size, limit_s=60.0)
    assert path.read_bytes() == data


def test_the_space_of_deleted_files_comes_back(pool: LivePool) -> None:
    contents = Contents(pool.mountpoint)
    contents.write_sizes(10)
    pool.sync()
    assert pool.raw_bytes() > 20 * MIB

    for name in contents.wanted:
        (pool.mountpoint / name).unlink()
    pool.sync()

    wait_for("nothing is left on the disks", lambda: pool.raw_bytes() == 0, limit_s=60.0)


@pytest.fixture
def small_disks(tmp_path: Path) -> Iterator[Path]:
    """A directory in which ``disk0`` … are small file systems of their own."""
    places = [tmp_path / f"disk{number}" for number in range(DISKS)]
    try:
        for place in places:
            image = place.with_suffix(".image")
            place.mkdir()
            image.touch()
            os.truncate(image, SMALL_DISK_BYTES)
            run_tool(["mkfs.ext4", "-q", "-m", "0", image])
            run_tool(["mount", "-o", "loop", image, place])
        yield tmp_path
    finally:
        for place in places:
            if place.is_mount():
                run_tool(["umount", "-l", place])
        # Unmounting lets go of the loop device; make sure that it did.
        for place in places:
            for line in run_tool(["losetup", "-j", place.with_suffix(".image")]).splitlines():
                with suppress(AssertionError):
                    run_tool(["losetup", "-d", line.partition(":")[0]])


def _fill(folder: Path) -> tuple[Contents, int | None]:
    """Write files until an error; return those accepted, and the errno heard."""
    contents, source = Contents(folder), random.Random(11)
    number = 0
    while True:
        name, data = f"fill{number}", source.randbytes(FILL_FILE_BYTES)
        try:
            _write_synced(folder / name, data)
        except OSError as error:
            with suppress(FileNotFoundError):
                (folder / name).unlink()
            return contents, error.errno
        contents.wanted[name] = data
        number += 1
        assert number * FILL_FILE_BYTES < DISKS * SMALL_DISK_BYTES, "it took more than there is"


def test_a_full_pool_says_so_loses_nothing_and_lives_on(small_disks: Path) -> None:
    with live_pool(small_disks) as pool:
        before = os.statvfs(pool.mountpoint)
        stated = before.f_bavail * before.f_frsize

        contents, heard = _fill(pool.mountpoint)

        assert heard == errno.ENOSPC
        accepted = len(contents.wanted) * FILL_FILE_BYTES
        # The last file did not fit, so the truth may be that much more.
        slack = DISKS * EXTENT_BYTES_MAX
        assert stated - slack - FILL_FILE_BYTES <= accepted <= stated + slack
        pool.remount()
        assert contents.differing() == []

        for name in list(contents.wanted)[::2]:
            (pool.mountpoint / name).unlink()
            del contents.wanted[name]
        pool.sync()
        wait_for(
            "deleting made room",
            lambda: os.statvfs(pool.mountpoint).f_bavail * before.f_frsize > accepted // 4,
            limit_s=60.0,
        )
        contents.write("again", random.Random(12).randbytes(FILL_FILE_BYTES))
        pool.remount()
        assert contents.differing() == []


def test_statfs_counts_redundancy(pool: LivePool) -> None:
    told = os.statvfs(pool.mountpoint)
    below = os.statvfs(pool.disks[0])

    # Six disks on one device share its room: user bytes are at most two thirds of it.
    free = below.f_bavail * below.f_frsize
    assert 0.5 * free < told.f_bavail * told.f_frsize <= free * 4 / 6
    assert told.f_namemax == 255
