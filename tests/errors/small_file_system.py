"""A real file system of a few hundred free kilobytes, in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness import run_tool


@contextmanager
def small_file_system(folder: Path, *, spare_bytes: int) -> Iterator[None]:
    """Mount a file system on *folder* that holds its files and *spare_bytes* more."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    pages = sum(-(-file.lstat().st_size // 4096) for file in aside.rglob("*"))
    size = f"size={pages * 4096 + spare_bytes}"
    run_tool(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder])
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield
    finally:
        run_tool(["umount", "-l", folder])
        shutil.rmtree(aside)
