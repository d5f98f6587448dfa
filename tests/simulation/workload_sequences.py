"""Every program of two operations and one sync over a few files.

Bounded black-box testing of file systems found that most crash bugs need no
more than this: two or three operations on a handful of names and one point of
persistence. So all of them are run, each in a folder of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from tests.simulation.workload import Workload

Call = Callable[[Workload, str], None]
"""An operation in a folder, whose path ends in a slash."""

LONG: Final = b"long" * 1500
"""More than an fsync stages when limits are small."""

CALLS: Final[dict[str, Call]] = {
    "create new": lambda program, at: program.create(f"{at}new"),
    "overwrite foo": lambda program, at: program.write(f"{at}foo", 1, b"OVER"),
    "append to foo": lambda program, at: program.append(f"{at}foo", b"behind"),
    "append much to foo": lambda program, at: program.append(f"{at}foo", LONG),
    "write behind a hole": lambda program, at: program.write(f"{at}foo", 500, b"far"),
    "cut foo": lambda program, at: program.resize(f"{at}foo", 3),
    "empty foo": lambda program, at: program.resize(f"{at}foo", 0),
    "grow foo": lambda program, at: program.resize(f"{at}foo", 900),
    "link foo": lambda program, at: program.link(f"{at}foo", f"{at}A/linked"),
    "unlink foo": lambda program, at: program.unlink(f"{at}foo"),
    "rename foo": lambda program, at: program.rename(f"{at}foo", f"{at}A/moved"),
    "rename foo over A/bar": lambda program, at: program.rename(f"{at}foo", f"{at}A/bar"),
    "rename A/bar over foo": lambda program, at: program.rename(f"{at}A/bar", f"{at}foo"),
    "write A/bar": lambda program, at: program.write(f"{at}A/bar", 0, b"other"),
    "rename A": lambda program, at: program.rename(f"{at}A", f"{at}C"),
    "make a directory": lambda program, at: program.make_directory(f"{at}A/D"),
    "remove a directory": lambda program, at: program.remove_directory(f"{at}B"),
    "set an attribute": lambda program, at: program.set_xattr(f"{at}foo", "user.x", b"value"),
    "change the mode": lambda program, at: program.set_mode(f"{at}foo", 0o600),
}

SYNCED: Final = ("foo", "A/bar", "A", "")
"""What is synced: a file, another one, a directory, the folder itself."""


class Order(Enum):
    """Where the sync is."""

    BEHIND = auto()
    """Both operations, then the sync."""
    BETWEEN = auto()
    """The second operation follows the sync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Two operations and a sync of *synced*."""

    first: str
    second: str
    synced: str
    order: Order

    def __str__(self) -> str:
        sync = f"fsync {self.synced or 'the folder'}"
        calls = [self.first, self.second]
        calls.insert(2 if self.order is Order.BEHIND else 1, sync)
        return ", ".join(calls)


def every_program() -> Iterator[Program]:
    """Yield all of them; some stop early, where the first call took the second one's name."""
    for first in CALLS:
        for second in CALLS:
            for synced in SYNCED:
                for order in Order:
                    yield Program(first=first, second=second, synced=synced, order=order)


def prepare(workload: Workload, folder: str) -> None:
    """Make what every program begins with, in *folder*; it becomes safe."""
    workload.make_directory(folder)
    workload.make_directory(f"{folder}/A")
    workload.make_directory(f"{folder}/B")
    for path in (f"{folder}/foo", f"{folder}/A/bar"):
        workload.create(path)
        workload.write(path, 0, b"the first bytes of " + path.encode())
    workload.sync()


def run_program(workload: Workload, folder: str, program: Program) -> None:
    """Run *program* in the prepared *folder*. Left out: calls on names gone or taken."""
    at = f"{folder}/"
    steps: list[Callable[[], None]] = [
        lambda: CALLS[program.first](workload, at),
        lambda: CALLS[program.second](workload, at),
    ]
    sync = lambda: workload.fsync(f"{at}{program.synced}".rstrip("/"))  # noqa: E731
    steps.insert(2 if program.order is Order.BEHIND else 1, sync)
    for step in steps:
        with suppress(KeyError):
            step()


def clear_away(workload: Workload, folder: str) -> None:
    """Remove *folder* with everything in it."""
    node = workload.node(folder)
    for name, inner in sorted(node.entries.items()):
        path = f"{folder}/{name}"
        if inner.is_directory:
            clear_away(workload, path)
        else:
            workload.unlink(path)
    workload.remove_directory(folder)
