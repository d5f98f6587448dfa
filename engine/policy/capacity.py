"""How much can still be written, with redundancy counted (DESIGN 6, Space).

Free space summed over disks is not what a pool can take: no two fragments of
an extent share a disk, so the largest disks run ahead of the others. The
number here is exact, and statfs, reservation and placement all use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.limits import (
    DISK_RESERVE_BYTES,
    DISK_RESERVE_RATIO,
    DISK_RESERVE_RATIO_MAX,
    EXTENT_BYTES_MAX,
)
from engine.model.redundancy import (
    Redundancy,
    fragment_count,
    narrowed,
    needed_count,
    slice_bytes,
)
from engine.policy.placement import DiskSpace, Purpose, serves


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCapacity:
    """User bytes that fit in full extents: still, and in an empty pool."""

    free_bytes: int
    total_bytes: int


def reserve_bytes(total_bytes: int) -> int:
    """Return what a disk of *total_bytes* keeps free for deletes and commits (P6).

    >>> reserve_bytes(100 * 10**9), reserve_bytes(10**9)
    (1000000000, 100000000)
    """
    wanted = max(DISK_RESERVE_BYTES, int(total_bytes * DISK_RESERVE_RATIO))
    return min(wanted, int(total_bytes * DISK_RESERVE_RATIO_MAX))


def writable_extents(disks: Iterable[DiskSpace], *, width: int, fragment_bytes: int) -> int:
    """Return how many extents of *width* fragments fit on the healthy disks.

    The largest E with ``sum(min(free_g, c_g * E)) >= width * E``, counted in
    whole fragments; c_g is how many disks share the group's free space. The
    left side minus the right is concave in E and 0 at 0, so bisection finds it.

    >>> from engine.ids import DiskId
    >>> from engine.model.disk import DiskState, Tier
    >>> disks = [
    ...     DiskSpace(disk_id=DiskId(i), tier=Tier.WARM, state=DiskState.HEALTHY,
    ...               free_bytes=free, total_bytes=free, group=f"g{i}")
    ...     for i, free in enumerate((100, 30, 20))
    ... ]
    >>> writable_extents(disks, width=2, fragment_bytes=10)
    5
    """
    groups: dict[str, tuple[int, int]] = {}
    for disk in disks:
        if serves(disk, Purpose.NEW_DATA):
            slots = max(0, disk.free_bytes) // fragment_bytes
            shared, members = groups.get(disk.group, (slots, 0))
            groups[disk.group] = (min(shared, slots), members + 1)
    shares = list(groups.values())
    low, high = 0, sum(free for free, _ in shares) // width
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(free, members * middle) for free, members in shares) >= width * middle:
            low = middle
        else:
            high = middle - 1
    return low


def user_capacity(
    disks: Iterable[DiskSpace], redundancy: Redundancy, *, fragment_bytes: int
) -> UserCapacity:
    """Return the user bytes that fit with *redundancy*; spares are kept out of it.

    *fragment_bytes* is the length on disk of a fragment of a full extent with
    *redundancy*, header and page table included. With too few healthy disks
    for the full width the narrower form is counted, as it would be written
    (P4): its fragments are larger in proportion. All zero when none fits.
    """
    healthy = [disk for disk in disks if serves(disk, Purpose.NEW_DATA)]
    written = narrowed(redundancy, len(healthy))
    if written is None:
        return UserCapacity(free_bytes=0, total_bytes=0)
    width = fragment_count(written)
    fragment_bytes = -(-fragment_bytes * needed_count(redundancy) // needed_count(written))
    empty = [
        replace(disk, free_bytes=disk.total_bytes - reserve_bytes(disk.total_bytes))
        for disk in healthy
    ]
    return UserCapacity(
        free_bytes=EXTENT_BYTES_MAX
        * writable_extents(healthy, width=width, fragment_bytes=fragment_bytes),
        total_bytes=EXTENT_BYTES_MAX
        * writable_extents(empty, width=width, fragment_bytes=fragment_bytes),
    )


def extent_units(redundancy: Redundancy, unit: Redundancy) -> int:
    """Return for how many full extents with *unit* one with *redundancy* counts.

    Rounded up, by what it takes of the pool and by what it takes of one disk,
    whichever is more: room for so many of the one is room for the other.

    >>> from engine.model.redundancy import ErasureCoding, Replication
    >>> extent_units(Replication(3), ErasureCoding(4, 2))
    4
    >>> extent_units(ErasureCoding(4, 2), Replication(3))
    1
    """
    taken, offered = (slice_bytes(one, EXTENT_BYTES_MAX) for one in (redundancy, unit))
    all_taken = taken * fragment_count(redundancy)
    all_offered = offered * fragment_count(unit)
    return max(-(-taken // offered), -(-all_taken // all_offered))
