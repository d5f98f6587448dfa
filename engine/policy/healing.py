"""How extents stand once what some lost disks had is made again elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from engine.ids import DiskId
from engine.policy.what_if import Holding


class Healing:
    """Adds up extents that outlive a loss. Not thread-safe.

    >>> six = Holding(needed=4, holders=frozenset(map(DiskId, range(6))), extents=9,
    ...               length_bytes=1, fragment_bytes=1)
    >>> healing = Healing(disks_left=5, narrows=False)
    >>> healing.count(six, frozenset({DiskId(0)}), placed=0)
    >>> healing.least_left, healing.short_extents
    (1, 9)
    >>> healing = Healing(disks_left=5, narrows=True)
    >>> healing.count(six, frozenset({DiskId(0)}), placed=0)
    >>> healing.least_left, healing.narrowed_extents
    (2, 9)
    """

    def __init__(self, *, disks_left: int, narrows: bool) -> None:
        """*disks_left* take fragments; *narrows*: extents may be re-encoded over fewer disks."""
        self._disks_left: Final = disks_left
        self._narrows: Final = narrows
        self.least_left: int | None = None
        """How many more losses every extent survives then; None when there is none."""
        self.narrowed_extents = 0
        """Those that keep their tolerance over fewer disks."""
        self.short_extents = 0
        """Those that go on lacking fragments: there is no disk or no room for them."""

    def count(
        self, holding: Holding, lost: Set[DiskId], *, placed: int, has_room: bool = True
    ) -> None:
        """Take in extents that can be read without *lost*, and get *placed* fragments each.

        *has_room* is false when disks for more were there and had no room.
        """
        every = holding.holders | holding.others
        left = len(holding.holders - lost) + placed - holding.needed
        if placed < len(every & lost):
            tolerance = len(every) - holding.needed
            # One fragment is needed of copies: they have no narrower form.
            able = holding.needed > 1 and self._disks_left > tolerance
            if self._narrows and has_room and able:
                self.narrowed_extents += holding.extents
                left = tolerance
            else:
                self.short_extents += holding.extents
        self.least_left = left if self.least_left is None else min(self.least_left, left)
