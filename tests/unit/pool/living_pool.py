"""A pool of real directories whose threads run, and the verbs an operator has on it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from engine.status.views import DiskView
from tests.unit.pool.directory_pool import Place, events, get

FILES = {f"f{number}".encode(): os.urandom(200_000) for number in range(8)}
LIMIT_S = 30.0


class LivingPool:
    """A pool of seven disks for 4+2 with files on it, and its verbs."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.open()

    def open(self) -> None:
        self.pool = Pool(self.place.pool_dir)
        self.verbs = PoolVerbs(self.pool, mountpoint=lambda: "")
        self.disks = self.verbs.disks

    def reopen(self) -> None:
        self.pool.close()
        self.open()

    def disk(self, name: str) -> DiskView | None:
        self.pool.refresh_figures()
        return next((one for one in self.verbs.view().disks if one.name == name), None)

    def names(self) -> list[str]:
        return [one.name for one in self.verbs.view().disks]

    def fragments_on(self, name: str) -> int:
        disk = self.disk(name)
        return 0 if disk is None else disk.fragment_count

    def path(self, name: str) -> Path:
        disk = self.disk(name)
        assert disk is not None
        return Path(disk.path)

    def new_directory(self, name: str = "new") -> Path:
        path = self.place.folder / name
        path.mkdir()
        return path

    def differing(self) -> list[bytes]:
        return [name for name, data in FILES.items() if get(self.pool, name) != data]

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for what the pool's own threads are about to do."""
        end_s = time.monotonic() + LIMIT_S
        rest = threading.Event()
        while not condition():
            assert time.monotonic() < end_s, f"not in time: {what}; {events(self.pool)}"
            rest.wait(0.02)

    def drain(self, name: str) -> None:
        self.disks.drain(name)
        self.until(f"{name} is empty", lambda: self.fragments_on(name) == 0)
        self.verbs.sync()

    def journal_set(self) -> list[str]:
        """Return the UUIDs of the disks that carry the journals."""
        return [str(uuid) for uuid in self.pool.engine.base.store.template.journal_set]
