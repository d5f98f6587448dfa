"""Which of the changes that were not flushed reached a disk before the power went.

A *chooser* says it, folder by folder and file by file. Each choice is legal;
choosers differ in which they make.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, TypeVar

from tests.simulation.events import ContentEvent, Node, Reserved, Written
from tests.simulation.replay import ContentChange, NameChange

SECTOR_BYTES: Final = (4096, 512)
"""What a disk writes whole, or not at all: today's, and the smallest there is."""

_Change = TypeVar("_Change", NameChange, ContentChange)


class Chooser(Protocol):
    """Says what arrived on the disk, or in the pool directory, below *root*."""

    def names(self, root: Node, changes: Sequence[NameChange]) -> Sequence[NameChange]:
        """Return those that arrived of the *changes* to one folder, in their order."""
        ...

    def contents(self, root: Node, changes: Sequence[ContentChange]) -> Sequence[ContentEvent]:
        """Return what arrived of the *changes* to one file, in their order: whole
        ones, and of torn writes the parts."""
        ...


class Nothing:
    """The power went before anything but the flushed was written."""

    def names(self, root: Node, changes: Sequence[NameChange]) -> Sequence[NameChange]:
        """Return none."""
        return ()

    def contents(self, root: Node, changes: Sequence[ContentChange]) -> Sequence[ContentEvent]:
        """Return none."""
        return ()


class Everything:
    """All was written, as when only the process ended."""

    def names(self, root: Node, changes: Sequence[NameChange]) -> Sequence[NameChange]:
        """Return all."""
        return changes

    def contents(self, root: Node, changes: Sequence[ContentChange]) -> Sequence[ContentEvent]:
        """Return all."""
        return [change.event for change in changes]


class _Habit(Enum):
    """How a disk went about what it had not flushed."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    NAMES = "names only"
    CONTENTS = "contents only"
    MIXED = "mixed"


_HABITS: Final = (*_Habit, _Habit.MIXED, _Habit.MIXED)
"""What is drawn from; the mixed disks find the most."""


@dataclass(frozen=True, slots=True)
class _Mix:
    """How likely a change of one file or folder arrives, and how likely torn."""

    arrives: float
    torn: float


_MIXES: Final = (
    _Mix(0.0, 0.0),
    _Mix(1.0, 0.0),
    _Mix(1.0, 0.5),
    _Mix(0.9, 0.1),
    _Mix(0.5, 0.0),
    _Mix(0.5, 0.5),
    _Mix(0.1, 0.1),
)
_PREFIX_SHARE: Final = 0.3
"""How often only the oldest changes of a file or folder are drawn from."""


class Sampled:
    """Draws from *seed*, the same each time; each disk has a habit of its own."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._habits: dict[Node, _Habit] = {}

    def _habit(self, root: Node) -> _Habit:
        if root not in self._habits:
            self._habits[root] = self._random.choice(_HABITS)
        return self._habits[root]

    def names(self, root: Node, changes: Sequence[NameChange]) -> Sequence[NameChange]:
        """Return some of them."""
        match self._habit(root):
            case _Habit.NOTHING | _Habit.CONTENTS:
                return ()
            case _Habit.EVERYTHING | _Habit.NAMES:
                return changes
            case _Habit.MIXED:
                return self._drawn(changes, self._random.choice(_MIXES))

    def contents(self, root: Node, changes: Sequence[ContentChange]) -> Sequence[ContentEvent]:
        """Return some of them, and parts of some."""
        match self._habit(root):
            case _Habit.NOTHING | _Habit.NAMES:
                return ()
            case _Habit.EVERYTHING | _Habit.CONTENTS:
                return [change.event for change in changes]
            case _Habit.MIXED:
                mix = self._random.choice(_MIXES)
                arrived = list[ContentEvent]()
                for change in self._drawn(changes, mix):
                    if isinstance(change.event, Written) and self._random.random() < mix.torn:
                        arrived += self._torn(change.event)
                    else:
                        arrived.append(change.event)
                return arrived

    def _drawn(self, changes: Sequence[_Change], mix: _Mix) -> list[_Change]:
        """Return some of *changes*, now and then only of the oldest."""
        count = len(changes)
        if self._random.random() < _PREFIX_SHARE:
            count = self._random.randint(0, count)
        return [one for one in changes[:count] if self._random.random() < mix.arrives]

    def _torn(self, event: Written) -> list[ContentEvent]:
        """Return some sectors of *event*: the first, the last or any; and maybe the
        length it gives the file, which is no content and arrives by itself."""
        parts = sectors(event, self._random.choice(SECTOR_BYTES))
        place = self._random.randint(0, len(parts))
        some = [part for part in parts if self._random.random() < 0.5]
        arrived: list[ContentEvent] = []
        arrived += self._random.choice((parts[:place], parts[place:], some))
        if self._random.random() < 0.5:
            arrived.append(Reserved(event.node, event.offset_bytes + len(event.data)))
        return arrived


def sectors(event: Written, sector_bytes: int) -> list[Written]:
    """Return *event* cut at each multiple of *sector_bytes* in its file."""
    parts = list[Written]()
    offset, end = event.offset_bytes, event.offset_bytes + len(event.data)
    while offset < end:
        stop = min(end, (offset // sector_bytes + 1) * sector_bytes)
        first = offset - event.offset_bytes
        parts.append(Written(event.node, offset, event.data[first : first + stop - offset]))
        offset = stop
    return parts
