"""Where fragments would go that have to leave some disks, as placement would do. Pure.

Placement draws by free space; a forecast gives every disk its share of the
draws. It may say of a pool that is full to the brim that something does not
fit which would just have fitted, never the reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from engine.ids import DiskId
from engine.policy.placement import DiskSpace, Purpose, serves


class Forecast:
    """Adds up what each disk would be given. Not thread-safe."""

    def __init__(self, spaces: Iterable[DiskSpace], *, leaving: Set[DiskId]) -> None:
        """*spaces* are all disks that are there; those *leaving* take nothing."""
        self._targets = [
            space
            for space in spaces
            if serves(space, Purpose.HEALING) and space.disk_id not in leaving
        ]
        # Disks of one device share what is free on it.
        self._free = {space.group: max(0, space.free_bytes) for space in self._targets}
        self.bytes_to: dict[DiskId, int] = {}
        self.homeless_fragments = 0
        """Fragments for which there is no disk that has none of their extent."""
        self.homeless_bytes = 0
        """Bytes for which there is a disk, but no room."""

    @property
    def targets(self) -> tuple[DiskSpace, ...]:
        """The disks that may be given fragments."""
        return tuple(self._targets)

    def place(
        self,
        extents: int,
        *,
        moving: int,
        fragment_bytes: int,
        holders: Set[DiskId],
        successor: DiskId | None = None,
    ) -> int:
        """Find a place for *moving* fragments of each of *extents* alike extents.

        *fragment_bytes* is one fragment's length, *holders* are disks that keep
        one. What can go to *successor* goes there. Returns how many of *moving*
        every one of the extents is sure to get.
        """
        able = [space for space in self._targets if space.disk_id not in holders]
        homed = min(moving, len(able))
        self.homeless_fragments += (moving - homed) * extents
        left = homed * extents
        taken: dict[DiskId, int] = {}
        ranks = (
            [space for space in able if space.disk_id == successor],
            [space for space in able if space.disk_id != successor and not space.spare],
            [space for space in able if space.disk_id != successor and space.spare],
        )
        for rank in ranks:
            left = self._spread(left, extents, fragment_bytes, rank, taken)
        self.homeless_bytes += left * fragment_bytes
        # Which extents go short is not decided here: it may be all of one's.
        return homed - min(homed, left)

    def _spread(
        self,
        count: int,
        extents: int,
        fragment_bytes: int,
        rank: list[DiskSpace],
        taken: dict[DiskId, int],
    ) -> int:
        """Give *count* fragments to *rank* by free space; return how many are left.

        No disk takes more than one of each extent.
        """
        while count:
            room = {
                space.disk_id: min(
                    extents - taken.get(space.disk_id, 0),
                    self._free[space.group] // fragment_bytes,
                )
                for space in rank
            }
            willing = [space for space in rank if room[space.disk_id] > 0]
            if not willing:
                return count
            willing.sort(key=lambda space: (self.bytes_to.get(space.disk_id, 0), space.disk_id))
            whole = sum(self._free[space.group] for space in willing)
            asked = count
            for space in willing:
                share = max(1, asked * self._free[space.group] // whole)
                given = min(
                    share, count, room[space.disk_id], self._free[space.group] // fragment_bytes
                )
                taken[space.disk_id] = taken.get(space.disk_id, 0) + given
                self._free[space.group] -= given * fragment_bytes
                self.bytes_to[space.disk_id] = (
                    self.bytes_to.get(space.disk_id, 0) + given * fragment_bytes
                )
                count -= given
        return 0

    def used_ratio_after(self, disk: DiskSpace) -> float:
        """Return how full *disk* would be, its reserve counted as used."""
        if not disk.total_bytes:
            return 1.0
        return min(1.0, 1.0 - self._free.get(disk.group, disk.free_bytes) / disk.total_bytes)
