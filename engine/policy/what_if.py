"""What it would mean if some disks were gone now. Pure.

Extents that lie on the same disks with the same numbers fare alike, so they
are looked at together, as a ``Holding``.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

from engine.ids import DiskId


class Fate(StrEnum):
    """What becomes of an extent, worst first."""

    LOST = "lost"
    """Fewer intact fragments are left than it takes to read it."""
    EXPOSED = "exposed"
    """It can be read, and no further loss is survived."""
    DEGRADED = "degraded"
    """It survives a further loss, though not as many as before."""
    UNAFFECTED = "unaffected"
    """None of its intact fragments is on these disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Extents of one shape. ``holders`` are the disks with an intact fragment each.

    ``others`` are disks that have a fragment which does not count now: it is
    damaged, or the disk is away. ``length_bytes`` are user bytes of all
    extents, ``fragment_bytes`` those of one fragment of each of them.
    """

    needed: int
    holders: frozenset[DiskId]
    extents: int
    length_bytes: int
    fragment_bytes: int
    others: frozenset[DiskId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many extents with so many user bytes."""

    extents: int = 0
    length_bytes: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(
            extents=self.extents + other.extents,
            length_bytes=self.length_bytes + other.length_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How all extents fare. ``least_left`` is how many more losses every extent
    that is not lost survives afterwards; None when there is none."""

    lost: Share = Share()
    exposed: Share = Share()
    degraded: Share = Share()
    unaffected: Share = Share()
    rebuild_fragments: int = 0
    rebuild_bytes: int = 0
    """Fragments to make again elsewhere, and their bytes."""
    least_left: int | None = None

    def share(self, fate: Fate) -> Share:
        """Return the extents of one fate."""
        match fate:
            case Fate.LOST:
                return self.lost
            case Fate.EXPOSED:
                return self.exposed
            case Fate.DEGRADED:
                return self.degraded
            case Fate.UNAFFECTED:
                return self.unaffected


def fate_of(holding: Holding, lost: Set[DiskId]) -> Fate:
    """Return what becomes of these extents when the disks *lost* go.

    >>> six = Holding(needed=4, holders=frozenset(map(DiskId, range(6))), extents=1,
    ...               length_bytes=1, fragment_bytes=1)
    >>> [str(fate_of(six, frozenset(map(DiskId, gone)))) for gone in ([], [0], [0, 1], [0, 1, 2])]
    ['unaffected', 'degraded', 'exposed', 'lost']
    """
    left = len(holding.holders - lost)
    if left < holding.needed:
        return Fate.LOST
    if left == len(holding.holders):
        return Fate.UNAFFECTED
    return Fate.EXPOSED if left == holding.needed else Fate.DEGRADED


def assess(holdings: Iterable[Holding], lost: Set[DiskId]) -> Assessment:
    """Return what the loss of *lost* means for all *holdings*; they are read once."""
    shares = dict.fromkeys(Fate, Share())
    fragments = size = 0
    least: int | None = None
    for holding in holdings:
        fate = fate_of(holding, lost)
        shares[fate] += Share(extents=holding.extents, length_bytes=holding.length_bytes)
        if fate is Fate.LOST:
            continue
        gone = len(holding.holders & lost)
        fragments += gone * holding.extents
        size += gone * holding.fragment_bytes
        left = len(holding.holders) - gone - holding.needed
        least = left if least is None else min(least, left)
    return Assessment(
        lost=shares[Fate.LOST],
        exposed=shares[Fate.EXPOSED],
        degraded=shares[Fate.DEGRADED],
        unaffected=shares[Fate.UNAFFECTED],
        rebuild_fragments=fragments,
        rebuild_bytes=size,
        least_left=least,
    )


def journals_writable(*, holding: int, meeting: int, acknowledging: int, carriers: int) -> bool:
    """Whether changes would still be taken when only *holding* of J are left.

    *meeting* and *acknowledging* are the counts of the present J;
    *carriers* are all disks left that could carry journals. J follows the disks
    that are there, which takes *meeting* of the old ones and *acknowledging* of
    the new ones.

    >>> journals_writable(holding=3, meeting=3, acknowledging=3, carriers=4)
    True
    >>> journals_writable(holding=2, meeting=3, acknowledging=3, carriers=5)
    False
    """
    return holding >= meeting and carriers >= acknowledging
