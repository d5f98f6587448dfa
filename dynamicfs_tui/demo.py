"""The demo: a pool of six disk directories, mounted, with a real tree in it."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path

from dynamicfs_tui.service import run_console
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.pool.config import CONFIG_NAME
from engine.pool.create import DiskPlan, create_pool
from engine.pool.properties import Narrow, PoolProperties

DIRECTORY_NAME = "dynamicfs-demo"
DISKS_PER_TIER = 2
REBUILD_DELAY_S = 30.0
WIDEN_DELAY_S = 30.0
FILES_MAX = 600
"""Some hundred real files: enough to see, quick to copy."""


def run_demo(directory: Path | None, *, name_of: Callable[[Path], str]) -> int:
    """Make or reopen the demo below *directory*, mount it and open the console.

    *name_of* says what the mount table shows for a pool directory.
    """
    base = directory or default_directory()
    pool_dir, mountpoint = base / "pool", base / "mnt"
    mountpoint.mkdir(parents=True, exist_ok=True)
    if not (pool_dir / CONFIG_NAME).exists():
        make_demo_pool(base)
    print(f"the demo is in {base}: disks d1 to d6 in disks/, mounted at {mountpoint}")
    copier = threading.Thread(target=fill_when_empty, args=(mountpoint,), daemon=True)
    # The copy goes through the mount like any program's, so it starts beside the console.
    copier.start()
    return run_console(pool_dir, mountpoint, name=name_of(pool_dir))


def default_directory() -> Path:
    """Return where the demo lives unless told: the user's data folder."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / DIRECTORY_NAME


def make_demo_pool(base: Path) -> None:
    """Create six disk directories, two per tier, and a pool over them."""
    plans = []
    for number, tier in enumerate(tier for tier in Tier for _ in range(DISKS_PER_TIER)):
        path = base / "disks" / f"d{number + 1}"
        path.mkdir(parents=True, exist_ok=True)
        plans.append(DiskPlan(path=str(path), tier=tier))
    create_pool(
        base / "pool",
        name="demo",
        disks=plans,
        properties=PoolProperties(
            redundancy=ErasureCoding(4, 2),
            narrow=Narrow.AUTO,
            rebuild_delay_s=REBUILD_DELAY_S,
            widen_delay_s=WIDEN_DELAY_S,
        ),
    )


def fill_when_empty(mountpoint: Path) -> None:
    """Copy a real tree into an empty mount: Python's own library.

    A child process does it: this process serves the mount, and a thread of it
    that waits for its own file system must not hold what the service needs.
    """
    source = Path(sysconfig.get_paths()["stdlib"])
    code = "import sys; from dynamicfs_tui.demo import copy_tree; copy_tree(*sys.argv[1:])"
    pid = os.spawnv(
        os.P_NOWAIT,
        sys.executable,
        [sys.executable, "-P", "-c", code, str(source), str(mountpoint)],
    )
    os.waitpid(pid, 0)


def copy_tree(source: str, mountpoint: str) -> None:
    """Copy up to FILES_MAX files of *source* into the mount, once it is there."""
    target = Path(mountpoint)
    for _ in range(300):
        if os.path.ismount(target):
            break
        threading.Event().wait(0.1)
    else:
        return
    if any(target.iterdir()):
        return
    copied, mounted = 0, target.stat().st_dev
    root = Path(source)
    for path in sorted(root.rglob("*.py")):
        if "site-packages" in path.parts or copied >= FILES_MAX:
            continue
        if target.stat().st_dev != mounted:
            return  # It ended meanwhile: nothing may be left in the directory below it.
        place = target / "library" / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
        copied += 1
