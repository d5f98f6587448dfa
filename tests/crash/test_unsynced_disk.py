"""The file system below the power cuts: it forgets exactly what was not synced."""

from __future__ import annotations

import mmap
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.unsynced_disk import UnsyncedDisk, unsynced_disk
from tests.crash.unsynced_tree import PAGE_BYTES, Kept

OLD = b"o" * PAGE_BYTES * 16
NEW = b"n" * PAGE_BYTES * 16


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[UnsyncedDisk]:
    """An empty file system with a power switch."""
    with unsynced_disk(tmp_path) as mounted:
        yield mounted


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_durably(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _sync(path)
    _sync(path.parent)


def _lose(disk: UnsyncedDisk, kept: Kept = Kept.NOTHING, seed: int = 1) -> None:
    disk.cut(kept, seed)
    disk.again()


def test_a_file_that_was_not_synced_is_gone(disk: UnsyncedDisk) -> None:
    (disk.path / "file").write_bytes(OLD)

    _lose(disk)

    assert os.listdir(disk.path) == []


def test_a_name_that_was_synced_leads_to_nothing_without_a_sync_of_the_file(
    disk: UnsyncedDisk,
) -> None:
    (disk.path / "file").write_bytes(OLD)
    _sync(disk.path)

    _lose(disk)

    assert (disk.path / "file").read_bytes() == b""


def test_a_file_that_was_synced_has_no_name_without_a_sync_of_the_directory(
    disk: UnsyncedDisk,
) -> None:
    (disk.path / "file").write_bytes(OLD)
    _sync(disk.path / "file")

    _lose(disk)

    assert os.listdir(disk.path) == []


@pytest.mark.parametrize("kept", Kept)
def test_a_file_that_was_synced_with_its_name_is_there_as_it_was(
    disk: UnsyncedDisk, kept: Kept
) -> None:
    _write_durably(disk.path / "file", OLD)

    _lose(disk, kept)

    assert (disk.path / "file").read_bytes() == OLD


def test_what_was_written_since_the_sync_is_taken_back(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    (disk.path / "file").write_bytes(NEW + NEW)

    _lose(disk)

    assert (disk.path / "file").read_bytes() == OLD


def test_what_was_written_around_the_page_cache_is_taken_back_too(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    descriptor = os.open(disk.path / "file", os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, PAGE_BYTES) as page:
        page[:] = NEW[:PAGE_BYTES]
        os.pwrite(descriptor, page, 0)
    os.close(descriptor)

    _lose(disk)

    assert (disk.path / "file").read_bytes() == OLD


def test_a_cut_may_keep_any_pages_of_a_write(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    with (disk.path / "file").open("r+b") as file:
        file.write(NEW)

    _lose(disk, Kept.SOME)

    data = (disk.path / "file").read_bytes()
    pages = {data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)}
    assert len(data) == len(OLD)
    assert pages == {OLD[:PAGE_BYTES], NEW[:PAGE_BYTES]}


def test_a_removal_that_was_not_synced_is_taken_back(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    (disk.path / "file").unlink()

    _lose(disk)

    assert (disk.path / "file").read_bytes() == OLD


def test_a_removal_that_was_synced_stays(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    (disk.path / "file").unlink()
    _sync(disk.path)

    _lose(disk)

    assert os.listdir(disk.path) == []


def test_a_replacement_that_was_not_synced_is_taken_back(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    (disk.path / "file.new").write_bytes(NEW)
    _sync(disk.path / "file.new")
    (disk.path / "file.new").rename(disk.path / "file")

    _lose(disk)

    assert os.listdir(disk.path) == ["file"]
    assert (disk.path / "file").read_bytes() == OLD


@pytest.mark.parametrize("seed", range(4))
def test_a_renamed_file_has_at_least_one_of_its_names(disk: UnsyncedDisk, seed: int) -> None:
    for number in range(12):
        _write_durably(disk.path / f"old{number}", str(number).encode())
    for number in range(12):
        (disk.path / f"old{number}").rename(disk.path / f"new{number}")

    _lose(disk, Kept.SOME, seed)

    found = {path.read_text() for path in disk.path.iterdir()}
    assert found == {str(number) for number in range(12)}


def test_a_directory_without_a_durable_name_vanishes_with_all_in_it(disk: UnsyncedDisk) -> None:
    (disk.path / "folder").mkdir()
    _write_durably(disk.path / "folder" / "file", OLD)

    _lose(disk)

    assert os.listdir(disk.path) == []


def test_after_a_cut_no_sync_succeeds_until_the_power_is_back(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    (disk.path / "file").write_bytes(NEW)
    disk.cut(Kept.NOTHING, 1)

    with pytest.raises(OSError, match="Input/output error"):
        _sync(disk.path / "file")
    disk.again()

    assert (disk.path / "file").read_bytes() == OLD


def test_what_was_left_by_one_cut_is_durable_for_the_next(disk: UnsyncedDisk) -> None:
    _write_durably(disk.path / "file", OLD)
    with (disk.path / "file").open("r+b") as file:
        file.write(NEW)
    _lose(disk, Kept.SOME)
    left = (disk.path / "file").read_bytes()

    _lose(disk)

    assert (disk.path / "file").read_bytes() == left


def test_a_database_in_wal_mode_works_and_keeps_what_it_synced(disk: UnsyncedDisk) -> None:
    path = disk.path / "database"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE numbers (value INTEGER)")
        _sync(disk.path)
        for number in range(50):
            connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        # A second connection goes through the shared mapping of the -shm file.
        seen_beside = _count(path)
        disk.cut(Kept.NOTHING, 1)
    disk.again()

    assert seen_beside == 50
    assert _count(path) == 50


def _count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])
