"""Seeded mixes of everything a program and an operator do to a small pool."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from tests.simulation.oracle_tree import Node
from tests.simulation.workload import Workload

NAMES: Final = ("a", "b", "c", "d")
FOLDERS: Final = ("e", "f")
XATTR_NAMES: Final = ("user.x", "user.y")
MODES: Final = (0o600, 0o640, 0o644)

Step = Callable[[], object]


class Mix:
    """Draws one step after the other. Equal seeds draw equal steps."""

    def __init__(self, workload: Workload, draw: random.Random) -> None:
        self._workload = workload
        self._draw = draw
        self._common: dict[str, Step] = {
            "create": self._create,
            "write": self._write,
            "append": self._append,
            "resize": self._resize,
            "rename": self._rename,
            "link": self._link,
            "unlink": self._unlink,
            "mkdir": self._make_directory,
            "rmdir": self._remove_directory,
            "xattr": self._set_xattr,
            "chmod": self._set_mode,
            "fsync": self._fsync,
            "fsync a directory": self._fsync_directory,
            "sync": workload.sync,
            "tick": workload.tick,
            "maintain": workload.maintain,
            "compact": self._compact,
        }
        self._weights = {
            "write": 6,
            "append": 4,
            "create": 3,
            "fsync": 4,
            "rename": 3,
            "tick": 2,
            "compact": 2,
        }
        self._rare: list[Step] = [
            workload.checkpoint,
            workload.remount,
            workload.scrub,
            workload.rebuild,
        ]

    def run(self, steps: int) -> None:
        """Take *steps* steps; one in twenty is something only operators do."""
        names = list(self._common)
        weights = [self._weights.get(name, 1) for name in names]
        for _ in range(steps):
            if self._draw.random() < 0.05:
                self._draw.choice(self._rare)()
            else:
                self._common[self._draw.choices(names, weights)[0]]()

    def change_disks(self, disk_count: int) -> None:
        """From now on one of *disk_count* disks may go away and come back, others join."""
        self._rare.append(self._workload.add_disk)
        self._common["a disk goes or comes back"] = lambda: self._lose_or_return(disk_count)
        self._weights["a disk goes or comes back"] = 3

    # Which

    def _files(self) -> list[str]:
        return list(self._workload.history.tree.paths(directories=False))

    def _directories(self) -> list[str]:
        return ["", *self._workload.history.tree.paths(directories=True)]

    def _new_path(self, names: tuple[str, ...]) -> str | None:
        path = self._some_path(names)
        return None if self._at(path) is not None else path

    def _some_path(self, names: tuple[str, ...]) -> str:
        folder = self._draw.choice(self._directories())
        name = self._draw.choice(names)
        return f"{folder}/{name}" if folder else name

    def _at(self, path: str) -> Node | None:
        try:
            return self._workload.node(path)
        except KeyError:
            return None

    def _some_file(self) -> str:
        """Choose a file; one is made when there is none."""
        while not self._files():
            self._create()
        return self._draw.choice(self._files())

    def _data(self) -> bytes:
        longest = self._draw.choice((40, 40, 200, 3000, 9000))
        return self._draw.randbytes(self._draw.randint(1, longest))

    # Steps

    def _lose_or_return(self, disk_count: int) -> None:
        away = self._workload.away
        if away:
            self._workload.bring_back(away[0])
        else:
            self._workload.lose_disk(self._draw.randrange(disk_count))

    def _create(self) -> None:
        path = self._new_path(NAMES)
        if path is not None:
            self._workload.create(path)

    def _write(self) -> None:
        path = self._some_file()
        end = len(self._workload.node(path).data) + 50
        self._workload.write(path, self._draw.randint(0, end), self._data())

    def _append(self) -> None:
        self._workload.append(self._some_file(), self._data())

    def _resize(self) -> None:
        path = self._some_file()
        length = len(self._workload.node(path).data)
        self._workload.resize(path, self._draw.choice((0, length // 2, length + 70)))

    def _rename(self) -> None:
        path = self._some_file()
        target = self._draw.choice([*self._files(), self._some_path(NAMES)])
        there = self._at(target)
        if there is None or not there.is_directory:
            self._workload.rename(path, target)

    def _link(self) -> None:
        target = self._new_path(NAMES)
        if target is not None and self._files():
            self._workload.link(self._draw.choice(self._files()), target)

    def _unlink(self) -> None:
        if len(self._files()) > 1:
            self._workload.unlink(self._some_file())

    def _make_directory(self) -> None:
        path = self._new_path(FOLDERS)
        if path is not None and path.count("/") < 2:
            self._workload.make_directory(path)

    def _remove_directory(self) -> None:
        empty = [one for one in self._directories() if one and not self._workload.node(one).entries]
        if empty:
            self._workload.remove_directory(self._draw.choice(empty))

    def _compact(self) -> None:
        """Let two files share an extent, and the larger part of it die."""
        dying, living = self._some_file(), self._some_file()
        self._workload.write(dying, 0, self._draw.randbytes(2000))
        self._workload.append(living, self._draw.randbytes(300))
        self._workload.sync()
        self._workload.resize(dying, self._draw.choice((0, 30, 900)))
        self._workload.compact()

    def _set_xattr(self) -> None:
        path = self._draw.choice([*self._files(), *self._directories()])
        self._workload.set_xattr(path, self._draw.choice(XATTR_NAMES), self._data()[:60])

    def _set_mode(self) -> None:
        self._workload.set_mode(self._some_file(), self._draw.choice(MODES))

    def _fsync(self) -> None:
        self._workload.fsync(self._some_file())

    def _fsync_directory(self) -> None:
        self._workload.fsync(self._draw.choice(self._directories()))
