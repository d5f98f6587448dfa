"""Descriptors that are kept: bounded, never of a removed file, never closed twice."""

from __future__ import annotations

import os
from pathlib import Path

from engine.device.open_files import OpenFiles


def test_a_file_removed_while_it_is_being_opened_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"old")

    def open_slowly(name: str) -> int:
        descriptor = os.open(path, os.O_RDONLY)
        if path.read_bytes() == b"old":
            path.unlink()
            files.discard(name)
            path.write_bytes(b"new")
        return descriptor

    files = OpenFiles(open_slowly)
    with files.borrow("name") as descriptor:
        assert os.pread(descriptor, 9, 0) == b"old"

    with files.borrow("name") as descriptor:
        assert os.pread(descriptor, 9, 0) == b"new"
    files.close()


def test_a_file_in_use_outlives_its_eviction_and_is_then_closed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    before = sorted(os.listdir("/proc/self/fd"))
    files = OpenFiles(lambda name: os.open(tmp_path / name, os.O_RDONLY), count_max=1)

    with files.borrow("a") as first:
        with files.borrow("b"):
            assert len(files) == 1
        assert os.pread(first, 1, 0) == b"a"

    files.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_is_opened_behind_the_close_is_closed_by_who_opened_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    before = sorted(os.listdir("/proc/self/fd"))
    files = OpenFiles(lambda name: os.open(tmp_path / name, os.O_RDONLY))
    files.close()

    with files.borrow("a") as descriptor:
        assert os.pread(descriptor, 1, 0) == b"a"

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_was_removed_is_opened_anew(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    files = OpenFiles(lambda name: os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY))
    with files.borrow("folder"):
        pass
    folder.rmdir()
    folder.mkdir()

    with files.borrow("folder") as descriptor:
        assert os.path.samestat(os.fstat(descriptor), folder.stat())

    files.close()
