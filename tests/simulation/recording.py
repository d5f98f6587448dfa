"""The states of a recording: naming them, drawing them, building them."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.simulation.arrival import Chooser, Everything, Nothing, Sampled
from tests.simulation.decided import Decided
from tests.simulation.events import Event, Node
from tests.simulation.replay import Replay
from tests.simulation.snapshot import Originals, Resolver, Snapshot

POOL_NAME: Final = "pool"
_STATE_NAME: Final = re.compile(
    r"cut (\d+) (nothing|everything|decided [0-9.]+( by \d+)?|sample \d+ seed -?\d+)"
)


def disk_name(number: int) -> str:
    """Return the name of the folder of a disk."""
    return f"disk{number}"


@dataclass(frozen=True, slots=True)
class BuiltWorld:
    """Real directories as they are after the power went."""

    folder: Path
    disks: tuple[Path, ...]
    pool: Path

    def remove(self) -> None:
        """Remove the directories; nobody may have them open."""
        shutil.rmtree(self.folder)


class Recording:
    """What happened below the live folder *live*, event by event. Thread-safe.

    Cuts are cheapest to build in their order: the durable state goes on from
    one to the next, and is begun anew only for a cut before it.
    """

    def __init__(self, events: Sequence[Event], live: Path, *, disk_count: int) -> None:
        self.events = events
        self._live = live
        self._disk_count = disk_count
        self._originals = Originals(live / "originals")
        self._lock = threading.Lock()
        self._replay = self._begun()

    def _begun(self) -> Replay:
        return Replay(self.events, self._disk_count + 1)

    def build(self, position: int, chooser: Chooser, target: Path) -> BuiltWorld:
        """Write into *target*, absent or empty, what *chooser* says arrived at *position*."""
        target.mkdir(parents=True, exist_ok=True)
        disks = tuple(target / disk_name(number) for number in range(self._disk_count))
        built = BuiltWorld(target, disks, target / POOL_NAME)
        moved = (os.fsencode(self._live) + b"/disk", os.fsencode(target) + b"/disk")
        with self._lock:
            resolver = Resolver(self._at(position), chooser)
            snapshot = Snapshot(self._originals, moved)
            for number, path in enumerate((*disks, built.pool)):
                root = Node(number)
                snapshot.write_root(resolver.folder(root, root), str(path))
        return built

    def _at(self, position: int) -> Replay:
        if position < self._replay.position:
            self._replay = self._begun()
        self._replay.advance(position)
        return self._replay

    def states(self, *, seed: int, cuts: Iterable[int], samples_per_cut: int) -> Iterator[CutState]:
        """Give the states of the *cuts*; see ``World.states``."""
        for position in cuts:
            yield CutState(self, position, f"cut {position} nothing")
            yield CutState(self, position, f"cut {position} everything")
            for number in range(samples_per_cut):
                yield CutState(self, position, f"cut {position} sample {number} seed {seed}")

    def every_state(self, position: int, *, sector_bytes: int | None) -> Iterator[CutState]:
        """Give all states of one cut; see ``World.every_state``."""
        decisions: list[int] | None = []
        while decisions is not None:
            decided = Decided(decisions, sector_bytes=sector_bytes)
            with self._lock:
                resolver = Resolver(self._at(position), decided)
                for number in range(self._disk_count + 1):
                    resolver.folder(Node(number), Node(number))
            yield CutState(self, position, f"cut {position} decided {decided}")
            decisions = decided.next()

    def state(self, name: str) -> CutState:
        """Return the state of that *name*."""
        match = _STATE_NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"not the name of a state: {name!r}")
        return CutState(self, int(match[1]), name)


@dataclass(frozen=True, slots=True)
class CutState:
    """One state that a power cut after ``position`` events may leave."""

    recording: Recording
    position: int
    name: str
    """How to get this state again from the same recording."""

    def build(self, target: Path) -> BuiltWorld:
        """Write the state into *target*, which is absent or empty."""
        return self.recording.build(self.position, self._chooser(), target)

    def _chooser(self) -> Chooser:
        how, _, rest = self.name.removeprefix(f"cut {self.position} ").partition(" ")
        match how:
            case "nothing":
                return Nothing()
            case "everything":
                return Everything()
            case "decided":
                return Decided.parse(rest)
            case _:
                return Sampled(self.name)
