"""Pools of our own as targets: six directories of one device, mounted by the program."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.pool.remote_control import reach_owner
from tests.bench.measurements import Target, sync_file_system

ROOT: Final = Path(__file__).resolve().parents[2]
POOLS: Final = ("rs:4+2", "copies:3")
DISKS: Final = 6


@contextmanager
def mounted_pool(redundancy: str) -> Iterator[Target]:
    """Make a pool, mount it read-write, and take all of it away at the end."""
    with tempfile.TemporaryDirectory(prefix="dynamicfs-bench-") as folder:
        base = Path(folder)
        pool_dir, mountpoint = base / "pool", base / "mnt"
        mountpoint.mkdir()
        disks: list[str] = []
        for number in range(DISKS):
            path = base / f"d{number}"
            path.mkdir()
            disks += ["--disk", str(path)]
        _run("init", str(pool_dir), "--redundancy", redundancy, *disks)
        _run("mount", str(pool_dir), str(mountpoint), "--read-write")
        try:
            yield Target(
                name=redundancy,
                path=mountpoint,
                make_durable=lambda: _make_durable(pool_dir, mountpoint),
            )
        finally:
            _run("unmount", str(mountpoint))


def _make_durable(pool_dir: Path, mountpoint: Path) -> None:
    """Do what ``dynamicfs sync`` does, without starting an interpreter for it."""
    sync_file_system(mountpoint)
    owner = reach_owner(pool_dir)
    assert owner is not None
    with owner:
        owner.sync()


def _run(*arguments: str) -> None:
    command = [sys.executable, "-P", "-m", "dynamicfs_tui.cli", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
