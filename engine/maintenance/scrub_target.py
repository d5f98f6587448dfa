"""What a scrub goes through: everything, or the part that an operator names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.errors import UsageError

DAYS_MAX: Final = 36_500
_OLDER: Final = re.compile(r"older (?:than )?(\d{1,5})(?: ?d)?")


class TargetKind(StrEnum):
    """Kinds of targets."""

    ALL = "all"
    DISK = "disk"
    """The fragments of one disk: parity is not compared, since nothing else is read."""
    DIRECTORY = "directory"
    """Whole extents in which files below a path have bytes, or the file itself."""
    BAD = "bad"
    """Extents with known damage, and those the last scrub found wanting."""
    OLDER = "older"
    """Extents with a fragment that no scrub proved intact for so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubTarget:
    """One target. ``name``: a disk's name or a path within the pool."""

    kind: TargetKind = TargetKind.ALL
    name: str = ""
    days: int = 0

    def __str__(self) -> str:
        match self.kind:
            case TargetKind.ALL | TargetKind.BAD:
                return str(self.kind)
            case TargetKind.OLDER:
                return f"older than {self.days} d"
            case TargetKind.DISK | TargetKind.DIRECTORY:
                return f"{self.kind} {self.name}"


ALL: Final = ScrubTarget()


def parse_target(text: str) -> ScrubTarget:
    """Return the target that *text* says.

    >>> str(parse_target("older 30")), parse_target("disk d1").name
    ('older than 30 d', 'd1')

    Raises:
        UsageError: it says none.
    """
    word, _, name = text.strip().partition(" ")
    name = name.strip()
    older = _OLDER.fullmatch(" ".join(text.split()))
    if word in (TargetKind.ALL, TargetKind.BAD) and not name:
        return ScrubTarget(kind=TargetKind(word))
    if word == TargetKind.DISK and name:
        return ScrubTarget(kind=TargetKind.DISK, name=name)
    if word == TargetKind.DIRECTORY and name.startswith("/"):
        return ScrubTarget(kind=TargetKind.DIRECTORY, name=name)
    if older is not None and int(older[1]) <= DAYS_MAX:
        return ScrubTarget(kind=TargetKind.OLDER, days=int(older[1]))
    raise UsageError(f"{text!r} is no target: all, disk NAME, directory /PATH, bad or older DAYS")
