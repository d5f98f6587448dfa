"""Where the fragments of a disk go that is being replaced: to the disk in its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from engine.ids import DiskId
from engine.policy.placement import DiskSpace, Purpose, serves


def choose_successors(
    candidates: Iterable[DiskSpace],
    moving: Mapping[int, DiskId],
    *,
    holders: Set[DiskId],
    fragment_bytes: int,
) -> dict[int, DiskId]:
    """Return the disk for each fragment that can follow its disk's replacement.

    *moving* tells of each fragment, by index, which disk it is on; *holders* are
    the disks that have a fragment of the same extent. What is not in the answer
    goes wherever placement likes: its disk is not being replaced, or the new
    one is full, not healthy, or holds a fragment of this extent already.

    >>> from engine.model.disk import DiskState, Tier
    >>> new = DiskSpace(disk_id=DiskId(7), tier=Tier.HOT, state=DiskState.HEALTHY, free_bytes=10,
    ...                 total_bytes=10, group="g", replaces=frozenset({DiskId(2)}))
    >>> choose_successors([new], {0: DiskId(2), 1: DiskId(3)}, holders=set(), fragment_bytes=10)
    {0: 7}
    """
    new_home = {
        old: space
        for space in candidates
        for old in space.replaces
        if serves(space, Purpose.HEALING) and space.disk_id not in holders
    }
    chosen: dict[int, DiskId] = {}
    for index, disk_id in sorted(moving.items()):
        space = new_home.get(disk_id)
        if (
            space is not None
            and space.free_bytes >= fragment_bytes
            and space.disk_id not in chosen.values()
        ):
            chosen[index] = space.disk_id
    return chosen
