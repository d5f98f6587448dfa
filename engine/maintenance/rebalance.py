"""Spreads fragments evenly over the disks, after one was added.

Fill is counted in bytes of fragments that the metadata name, not by what a
file system says: directories of one device share its free space. Moves that
are planned count as done, so no more of them are planned than are needed.
"""

from __future__ import annotations

from typing import Final

from engine.extents.disks import DiskSource
from engine.ids import DiskId, ExtentId
from engine.limits import BLOCK_BYTES, RECONCILE_ITEMS_MAX
from engine.metadata.wal import ReaderPool
from engine.model.extent import ExtentRecord
from engine.policy.balance import DiskFill, Move, choose_move
from engine.policy.placement import Purpose, serves

COUNTED_EXTENTS: Final = 5000
"""Extents counted in one read transaction."""


class Rebalance:
    """Chooses moves while ``active``. Maintenance thread only."""

    def __init__(self, readers: ReaderPool, disks: DiskSource) -> None:
        self._readers: Final = readers
        self._disks: Final = disks
        self._fills: dict[DiskId, DiskFill] = {}
        self._planned: dict[ExtentId, tuple[DiskId, DiskId, int]] = {}
        self.active = False

    def begin(self) -> None:
        """Count what lies where, once; a scan of all extents follows.

        Committed groups are counted, so what was moved a moment ago would be
        counted where it was: from here on moves are followed instead.
        """
        for extent_id in list(self._planned):
            self.forget(extent_id)
        if self.active:
            return
        query = (
            # As ``slice_bytes`` has it: whole blocks.
            "SELECT f.disk, sum(((e.length + e.needed - 1) / e.needed + ?3 - 1) / ?3 * ?3)"
            " FROM fragment f JOIN extent e ON e.id = f.extent"
            " WHERE e.id > ?1 AND e.id <= ?2 GROUP BY f.disk"
        )
        used: dict[int, int] = {}
        at = last = 0
        with self._readers.read() as connection:
            row = connection.execute("SELECT max(id) FROM extent").fetchone()
            last = row[0] or 0 if row else 0
        while at < last:
            with self._readers.read() as connection:
                for disk, size in connection.execute(
                    query, (at, at + COUNTED_EXTENTS, BLOCK_BYTES)
                ):
                    used[disk] = used.get(disk, 0) + size
            at += COUNTED_EXTENTS
        spaces = self._disks.spaces()
        members: dict[str, int] = {}
        for space in spaces:
            members[space.group] = members.get(space.group, 0) + 1
        self._fills = {
            space.disk_id: DiskFill(
                used_bytes=used.get(space.disk_id, 0),
                size_bytes=used.get(space.disk_id, 0)
                + max(0, space.free_bytes) // members[space.group],
                group=space.group,
                takes=serves(space, Purpose.NEW_DATA),
            )
            for space in spaces
        }
        self.active = True

    def end(self) -> None:
        """Plan no more."""
        self.active = False
        self._planned.clear()

    def move_for(self, record: ExtentRecord) -> Move | None:
        """Return the move that is worth it for this extent, and plan it."""
        self.forget(record.extent_id)
        if len(self._planned) >= RECONCILE_ITEMS_MAX:
            return None
        size = record.slice_bytes
        holders = [ref.disk_id for ref in record.fragments]
        move = choose_move(holders, self._fills, fragment_bytes=size)
        if move is not None:
            source = holders[move.position]
            self._planned[record.extent_id] = (source, move.target, size)
            self._shift(source, move.target, size)
        return move

    def forget(self, extent_id: ExtentId) -> None:
        """Take a planned move back."""
        planned = self._planned.pop(extent_id, None)
        if planned is not None:
            source, target, size = planned
            self._shift(target, source, size)

    def moved(self, extent_id: ExtentId) -> None:
        """A planned move was made."""
        self._planned.pop(extent_id, None)

    def _shift(self, source: DiskId, target: DiskId, size: int) -> None:
        self._fills[source] = self._fills[source].with_bytes(-size)
        self._fills[target] = self._fills[target].with_bytes(size)
