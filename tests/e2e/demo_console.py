"""The demo in a terminal: what a newcomer has on the screen, and what lies behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dynamicfs_tui.demo import FILES_MAX
from engine.status.transport import Json, decode
from engine.status.views import DiskView, PoolView
from fusebridge.mount_table import Detach, detach, find_mount
from tests.e2e.harness import (
    COMMAND_S,
    DYNAMICFS,
    command_environment,
    is_running,
    wait_for,
    wait_for_death,
)
from tests.e2e.terminal import Size, Terminal, names_path, terminal

DEMO_S: Final = 90.0
"""How long the demo's own copy may take."""


class DemoConsole:
    """A running demo below *base*, on *screen*."""

    def __init__(self, base: Path, screen: Terminal) -> None:
        self.base = base
        self.screen = screen
        self.pool_dir = base / "pool"
        self.mountpoint = base / "mnt"

    def start(self, size: Size) -> None:
        """Start it and wait until it is there with all its files."""
        self.screen.start([*DYNAMICFS, "demo", "--dir", str(self.base)], size)
        self.screen.expect("DynamicFS demo .*OK")
        wanted = min(FILES_MAX, len(list(self.originals())))
        wait_for("the demo has its files", lambda: self._count() >= wanted, limit_s=DEMO_S)
        wait_for("the last of them is whole", lambda: not self.differing())
        self.command("sync", str(self.mountpoint))

    def originals(self) -> Iterator[Path]:
        """Yield the files that the demo copies from: the oracle of what it must hold."""
        root = Path(sysconfig.get_paths()["stdlib"])
        for path in root.rglob("*.py"):
            if "site-packages" not in path.parts:
                yield path

    def _count(self) -> int:
        return sum(1 for _ in (self.mountpoint / "library").rglob("*.py"))

    def differing(self) -> list[Path]:
        """Return the demo's files that are not what they were copied from."""
        root = Path(sysconfig.get_paths()["stdlib"])
        copies = list((self.mountpoint / "library").rglob("*.py"))
        assert len(copies) == min(FILES_MAX, len(list(self.originals())))
        return [
            copy
            for copy in copies
            if copy.read_bytes()
            != (root / copy.relative_to(self.mountpoint / "library")).read_bytes()
        ]

    @property
    def pid(self) -> int:
        """The process that runs console, engine and bridge."""
        return int((self.pool_dir / "lock").read_text())

    def command(self, *words: str) -> str:
        """Run ``dynamicfs WORDS…`` beside the console and return what it printed."""
        done = subprocess.run(
            [*DYNAMICFS, *words],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=command_environment(),
            cwd=self.base,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.stdout

    def ask(self, verb: str, *words: str) -> Json:
        """Run ``dynamicfs VERB POOL WORDS… --json``."""
        value: Json = json.loads(self.command(verb, str(self.pool_dir), *words, "--json"))
        return value

    def view(self) -> PoolView:
        """Return what ``status --json`` tells."""
        return decode(PoolView, self.ask("status"))

    def disk(self, name: str) -> DiskView:
        """Return what ``status --json`` tells of one disk."""
        return next(disk for disk in self.view().disks if disk.name == name)

    def take_away(self, name: str) -> None:
        """Move a disk's directory aside, as if the disk were gone."""
        (self.base / "disks" / name).rename(self.base / "disks" / f"{name}.away")

    def is_mounted(self) -> bool:
        """Whether the mount is there."""
        return find_mount(str(self.mountpoint.resolve())) is not None

    def end(self) -> None:
        """End what still runs and take the mount away; harmless when repeated."""
        with suppress(OSError, ValueError):
            pid = self.pid
            if names_path(pid, self.base) and is_running(pid):
                os.kill(pid, signal.SIGKILL)
                wait_for_death(pid)
        while self.is_mounted():
            detach(str(self.mountpoint), Detach.NOW)


@contextmanager
def demo_console(base: Path, size: Size) -> Iterator[DemoConsole]:
    """Run a demo, and leave nothing behind."""
    with terminal() as screen:
        demo = DemoConsole(base, screen)
        try:
            demo.start(size)
            yield demo
        finally:
            demo.end()
