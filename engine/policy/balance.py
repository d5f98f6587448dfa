"""Which fragment to move so that disks fill evenly. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.ids import DiskId

BAND: Final = 0.02
"""Disks whose fill differs by less than this share of their size are even enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFill:
    """How full a disk is. ``takes``: healthy and no spare, so that it may be given more."""

    used_bytes: int
    size_bytes: int
    group: str
    takes: bool = True

    @property
    def ratio(self) -> float:
        """Used share, 1.0 for a disk of no size."""
        return self.used_bytes / self.size_bytes if self.size_bytes > 0 else 1.0

    def with_bytes(self, change: int) -> DiskFill:
        """Return the fill after *change* bytes came (or went)."""
        return DiskFill(
            used_bytes=self.used_bytes + change,
            size_bytes=self.size_bytes,
            group=self.group,
            takes=self.takes,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """Move the fragment at *position* to *target*."""

    position: int
    target: DiskId


def choose_move(
    holders: Sequence[DiskId],
    fills: Mapping[DiskId, DiskFill],
    *,
    fragment_bytes: int,
    band: float = BAND,
) -> Move | None:
    """Return the move of one fragment that evens out most, None if none is worth it.

    *holders* has the disk of each fragment of one extent. A move goes from a
    fuller to an emptier disk, only while they differ by more than *band*, and
    never makes the target the fuller of the two: so moves come to an end. No
    other device gets a second fragment. Ties go to the lower id.

    >>> fills = {
    ...     DiskId(1): DiskFill(used_bytes=90, size_bytes=100, group="a"),
    ...     DiskId(2): DiskFill(used_bytes=80, size_bytes=100, group="b"),
    ...     DiskId(3): DiskFill(used_bytes=0, size_bytes=100, group="c"),
    ... }
    >>> choose_move([DiskId(1), DiskId(2)], fills, fragment_bytes=10)
    Move(position=0, target=3)
    """
    best: tuple[float, DiskId, DiskId, Move] | None = None
    for position, source in enumerate(holders):
        if source not in fills:
            continue
        others = {fills[one].group for one in holders if one != source and one in fills}
        for target, fill in fills.items():
            if target in holders or not fill.takes:
                continue
            if fill.group in others and fill.group != fills[source].group:
                continue
            after = fill.with_bytes(fragment_bytes).ratio
            gap = fills[source].ratio - fill.ratio
            if gap <= band or after > fills[source].with_bytes(-fragment_bytes).ratio:
                continue
            candidate = (-gap, source, target, Move(position, target))
            if best is None or candidate[:3] < best[:3]:
                best = candidate
    return None if best is None else best[3]
