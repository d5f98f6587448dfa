"""Which disks get the fragments of an extent, and how wide it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from engine.errors import NoSpaceError, PolicyError
from engine.ids import DiskId
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import Redundancy, fragment_count, narrowed, tolerance

_TIER_ORDER: Final = {Tier.HOT: 0, Tier.WARM: 1, Tier.COLD: 2}
_U64: Final = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """What placement knows of a disk.

    ``free_bytes`` is what may still be written: the reserve is already taken
    off. Disks of one ``group`` lie on one device and share that number.
    """

    disk_id: DiskId
    tier: Tier
    state: DiskState
    free_bytes: int
    total_bytes: int
    group: str
    reserve_bytes: int = 0
    """What is kept free besides, for deletes and commits."""
    spare: bool = False
    """It takes fragments only to heal."""
    replaces: Set[DiskId] = frozenset()
    """Disks whose fragments are to come here, as long as there is room."""


class Purpose(Enum):
    """What a fragment is placed for."""

    NEW_DATA = auto()
    """Spares take none of it (H7)."""
    HEALING = auto()
    """Spares take what no ordinary disk can."""
    COMPACTION = auto()
    """As new data, and up to half of the reserves: it gives back more than it takes (P6)."""


def choose_disks(
    candidates: Iterable[DiskSpace],
    count: int,
    *,
    tier: Tier,
    fragment_bytes: int,
    exclude: Set[DiskId] = frozenset(),
    purpose: Purpose = Purpose.NEW_DATA,
    seed: int,
) -> tuple[DiskId, ...]:
    """Return *count* distinct healthy disks with room for *fragment_bytes* each.

    Groups come first: as long as there is a device without a fragment of this
    extent, no device gets a second one, since losing a device loses all its
    disks. Then the wanted tier, then the tiers nearest to it. Among equals the
    chance is proportional to free space (weighted sampling without
    replacement, Efraimidis and Spirakis 2006), drawn from *seed* and the
    disk's id, so one disk more or less moves few decisions.

    *exclude* are disks that hold fragments of the extent or failed to take
    one; their groups count as used.

    Raises:
        NoSpaceError: fewer than *count* disks can take a fragment.

    >>> disks = [
    ...     DiskSpace(disk_id=DiskId(i), tier=Tier.WARM, state=DiskState.HEALTHY,
    ...               free_bytes=100, total_bytes=100, group=f"g{i}")
    ...     for i in (1, 2, 3)
    ... ]
    >>> sorted(choose_disks(disks, 3, tier=Tier.HOT, fragment_bytes=9, seed=1))
    [1, 2, 3]
    """
    known = list(candidates)
    used: dict[str, int] = {}
    for disk in known:
        if disk.disk_id in exclude:
            used[disk.group] = used.get(disk.group, 0) + 1
    usable = [disk for disk in known if serves(disk, purpose) and disk.disk_id not in exclude]
    usable.sort(key=lambda disk: (disk.spare, _preference(disk, tier, seed)))
    ranked: list[tuple[int, DiskSpace]] = []
    planned: dict[str, int] = {}
    for disk in usable:
        share = planned.get(disk.group, 0) + 1
        lent_bytes = disk.reserve_bytes // 2 if purpose is Purpose.COMPACTION else 0
        if disk.free_bytes + lent_bytes < share * fragment_bytes:
            continue
        planned[disk.group] = share
        ranked.append((used.get(disk.group, 0) + share, disk))
    if len(ranked) < count:
        raise NoSpaceError(f"{count} healthy disks with room are needed, {len(ranked)} are there")
    ranked.sort(key=lambda pair: pair[0])  # Stable: the preference stays within a rank.
    return tuple(disk.disk_id for _, disk in ranked[:count])


def serves(disk: DiskSpace, purpose: Purpose) -> bool:
    """Whether *disk* may be given a fragment for *purpose*, room aside."""
    return disk.state is DiskState.HEALTHY and (purpose is Purpose.HEALING or not disk.spare)


def _preference(disk: DiskSpace, tier: Tier, seed: int) -> tuple[int, float, int]:
    """Return the sort key of *disk*, best first: tier distance, drawn time, id."""
    distance = abs(_TIER_ORDER[disk.tier] - _TIER_ORDER[tier])
    drawn = (_mix(_mix(seed) ^ disk.disk_id) + 1) / (_U64 + 1)
    return (distance, -math.log(drawn) / max(1, disk.free_bytes), disk.disk_id)


def _mix(value: int) -> int:
    """Return a well spread 64-bit number (the finalizer of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) % _U64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % _U64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % _U64
    return value ^ (value >> 31)


def choose_redundancy(wanted: Redundancy, healthy_count: int) -> Redundancy:
    """Return what to write with *healthy_count* disks: *wanted*, or narrower (P4).

    The tolerance is never lowered.

    Raises:
        NoSpaceError: not even the narrowest form fits.

    >>> from engine.model.redundancy import ErasureCoding
    >>> choose_redundancy(ErasureCoding(4, 2), 5)
    ErasureCoding(data=3, parity=2)
    """
    chosen = narrowed(wanted, healthy_count)
    if chosen is None:
        raise NoSpaceError(
            f"{wanted} needs {minimum_disks(wanted)} healthy disks, {healthy_count} are there"
        )
    return chosen


def minimum_disks(redundancy: Redundancy) -> int:
    """Return how many disks hold the tolerance in the narrowest form.

    >>> from engine.model.redundancy import ErasureCoding, Replication
    >>> minimum_disks(ErasureCoding(4, 2)), minimum_disks(Replication(3))
    (3, 3)
    """
    return tolerance(redundancy) + 1


def check_policy(redundancy: Redundancy, disk_count: int) -> None:
    """Refuse a redundancy whose full width the topology cannot hold (P6).

    Raises:
        PolicyError: there are fewer disks than fragments.
    """
    needed = fragment_count(redundancy)
    if disk_count < needed:
        raise PolicyError(
            f"{redundancy} puts {needed} fragments on {needed} disks, but the pool has"
            f" {disk_count}; add {needed - disk_count} or choose a narrower redundancy"
        )
