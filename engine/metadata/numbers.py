"""Numbers that are given out once: ids of extents, layouts, inodes, maps, disks, cookies.

A record's high-water marks run ahead of what was given out, and only what a
committed record promised may be given out, so a crash never brings a number
back (DESIGN 4, Ids).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from engine.errors import EngineStoppedError
from engine.model.root import HighWater, RootRecord

ID_MARGIN: Final = 1 << 20
"""How far the marks of a record run ahead. More than every group that may be
unacknowledged at once can use (OUTBOX_ROOTS_MAX groups of GROUP_ROWS_MAX)."""


class Numbers:
    """The next number of each kind. The write lock protects it."""

    def __init__(self, template: RootRecord) -> None:
        self.next = {f.name: int(getattr(template.high_water, f.name)) for f in fields(HighWater)}
        # A new pool has no record yet that could have promised anything.
        margin = ID_MARGIN if template.generation == 0 else 0
        self._promised = {kind: number + margin for kind, number in self.next.items()}

    def take(self, kind: str) -> int:
        """Give out the next number of *kind*, a field of ``HighWater``."""
        number = self.next[kind]
        if number >= self._promised[kind]:
            raise EngineStoppedError(f"too many new {kind} numbers in flight")
        self.next[kind] = number + 1
        return number

    def promise(self) -> HighWater:
        """Return the marks for the record of the open group."""
        return HighWater(**{kind: number + ID_MARGIN for kind, number in self.next.items()})

    def promised(self, marks: HighWater) -> None:
        """The record with *marks* was committed: they may be used."""
        self._promised = {f.name: int(getattr(marks, f.name)) for f in fields(HighWater)}
