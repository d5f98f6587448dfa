"""Make the pictures of this folder from a real pool: ``.venv/bin/python screenshots/make.py``.

A pool of six directories is made, filled through the engine, hurt and healed;
nothing in the pictures is canned. PNG files need ``rsvg-convert`` (librsvg2-bin).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dynamicfs_tui.cli.gateway import Access, MountOptions
from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.screenshots import save_screen
from dynamicfs_tui.service import Service
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.pool.create import DiskPlan, create_pool
from engine.pool.properties import Narrow, PoolProperties
from engine.status.views import PoolView

HERE = Path(__file__).resolve().parent
REBUILD_DELAY_S = 8.0
FILES = 80
FILE_BYTES = 12 << 20
REBUILD_BYTES_S = 48 << 20
WAIT_S_MAX = 120.0
SIZE = (120, 40)

_pause = threading.Event()


def main() -> None:
    """Make every picture."""
    with tempfile.TemporaryDirectory(prefix="dynamicfs-pictures-") as folder:
        base = Path(folder)
        service = start(base)
        try:
            asyncio.run(tell_the_story(service, base))
        finally:
            service.close()


def start(base: Path) -> Service:
    """Make the pool and mount it."""
    plans = []
    for number, tier in enumerate(tier for tier in Tier for _ in range(2)):
        path = base / f"d{number + 1}"
        path.mkdir()
        plans.append(DiskPlan(path=str(path), tier=tier))
    create_pool(
        base / "tank",
        name="tank",
        disks=plans,
        properties=PoolProperties(
            redundancy=ErasureCoding(4, 2),
            narrow=Narrow.AUTO,
            rebuild_delay_s=REBUILD_DELAY_S,
            widen_delay_s=REBUILD_DELAY_S,
        ),
    )
    (base / "mnt").mkdir()
    options = MountOptions(mountpoint=base / "mnt", access=Access.READ_WRITE, shared=False)
    return Service(base / "tank", options, name=str(base / "tank"))


async def tell_the_story(service: Service, base: Path) -> None:
    """Fill the pool, ask what a loss would cost, lose disks, heal, find rot, drain."""
    filling = in_thread(lambda: fill(base / "mnt" / "photos"))
    await picture(service, "healthy", seconds=6)
    await asyncio.to_thread(filling.join)
    service.verbs.sync()
    await picture(service, "what-if", seconds=1, keys=("7", "space", "down", "space"))
    await picture(service, "files", seconds=1, keys=("6", "down", "enter", "down", "enter"))

    await lose_and_heal(service, base)
    rot(base / "d3", count=5)
    service.verbs.start_scrub(repair=False)
    await until(service, lambda view: view.scrub.finished_ns > 0)
    await picture(service, "scrub-damage", seconds=1, keys=("4",))
    await picture(service, "fail-dialog", seconds=2, keys=("F",))
    await drain(service)
    await picture(service, "events", seconds=1, keys=("8",))


async def lose_and_heal(service: Service, base: Path) -> None:
    """Take two disks away until the pool has healed, and give them back."""
    for name in ("d2", "d5"):
        (base / name).rename(base / f"{name}.away")
    service.verbs.probe_disks()
    await picture(service, "degraded", seconds=4)
    # Slow enough to be looked at.
    service.verbs.work.limit(REBUILD_BYTES_S)
    await until(service, lambda view: view.reconcile.active)
    await picture(service, "rebuilding", seconds=4)
    await picture(service, "rebuild-page", seconds=4, keys=("3",))
    await picture(service, "rebuilding-narrow", seconds=2, size=(80, 24))
    service.verbs.work.limit(0)
    await until(service, lambda view: not view.reconcile.active and not view.reconcile.waiting_s)

    for name in ("d2", "d5"):
        (base / f"{name}.away").rename(base / name)
    service.verbs.probe_disks()
    await until(service, lambda view: view.reconcile.active)
    await until(service, lambda view: not view.reconcile.active)


async def drain(service: Service) -> None:
    """Empty a disk and look at it half-way."""
    service.verbs.work.limit(REBUILD_BYTES_S)
    service.verbs.disks.drain("d6")
    await until(service, lambda view: view.reconcile.active)
    await picture(service, "drain", seconds=4, keys=("2", *5 * ("down",)))
    service.verbs.work.limit(0)


async def picture(
    service: Service,
    name: str,
    *,
    seconds: int,
    keys: tuple[str, ...] = (),
    size: tuple[int, int] = SIZE,
) -> None:
    """Watch the pool for some seconds, then save what the console shows."""

    async def settle(app: ConsoleApp) -> None:
        for _ in range(seconds):
            await asyncio.sleep(1.0)
            app.tick()

    path = HERE / f"{name}.svg"
    await save_screen(service.verbs, path, size=size, keys=keys, settle=settle)
    if shutil.which("rsvg-convert"):
        command = ["rsvg-convert", "-w", "1200", str(path), "-o", str(path.with_suffix(".png"))]
        subprocess.run(command, check=True)


async def until(service: Service, holds: Callable[[PoolView], bool]) -> None:
    """Wait until the pool's view says so; end with an error when it never does."""
    for _ in range(int(WAIT_S_MAX * 20)):
        if holds(service.verbs.view()):
            return
        await asyncio.sleep(0.05)
    sys.exit("the pool did not come into the state the picture is of")


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Run *work* beside the pictures."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def fill(folder: Path) -> None:
    """Write files through the mount, from a process of its own."""
    code = (
        "import os, sys, time\n"
        "folder, files, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n"
        "os.makedirs(folder)\n"
        "for number in range(files):\n"
        "    with open(f'{folder}/{number:04}.raw', 'wb') as file:\n"
        "        file.write(os.urandom(size))\n"
        "        os.fsync(file.fileno())\n"
        "    time.sleep(0.02)\n"
    )
    arguments = [str(folder), str(FILES), str(FILE_BYTES)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)


def rot(disk: Path, *, count: int) -> None:
    """Flip a byte in some fragments of a disk, as a failing medium would."""
    for path in sorted((disk / "fragments").rglob("*.*"))[:count]:
        with suppress(IsADirectoryError), path.open("r+b") as file:
            file.seek(9000)
            byte = file.read(1)
            file.seek(9000)
            file.write(bytes([byte[0] ^ 0x10]))
            os.fsync(file.fileno())


if __name__ == "__main__":
    main()
