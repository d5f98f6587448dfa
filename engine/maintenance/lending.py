"""Room for compaction in a full pool: one extent at a time, out of what the disks keep free.

Compaction gives back more than it takes, but not at once: what it moved leaves the
disks behind the acknowledgement and behind readers. So nothing more is lent until
all that was given up has left them, and at most one extent is ever missing from the
reserves of the disks (P6).
"""

from __future__ import annotations

from typing import Final

from engine.errors import NoSpaceError
from engine.extents.disks import DiskSource
from engine.ids import ExtentId
from engine.maintenance.room import Room
from engine.metadata.tables import Tables


class Lending:
    """Lends for one extent at a time. Maintenance thread only."""

    def __init__(self, room: Room, tables: Tables, disks: DiskSource) -> None:
        self._room: Final = room
        self._tables: Final = tables
        self._store: Final = tables.store
        self._disks: Final = disks
        self._borrower: ExtentId | None = None
        self._wanted = False
        self._vain_bytes: int | None = None
        """What the disks had free when a loan moved nothing; until there is more, no other."""

    def take(self, extent_id: ExtentId, file_bytes: int, count: int) -> int:
        """Lend room for what *extent_id* and others move into; return what to give back.

        Raises:
            NoSpaceError: not now; ``is_worth_another_try`` tells when.
        """
        if self._vain_bytes is not None and self._room.free_bytes() <= self._vain_bytes:
            raise NoSpaceError("what the disks keep free is not enough for it either")
        self._wanted = True
        if self._borrower is not None or not self._all_given_back():
            raise NoSpaceError("what was moved before has still to leave the disks")
        taken = self._room.lend(file_bytes, count)
        self._borrower = extent_id
        return taken

    def end(self, extent_id: ExtentId, *, moved: bool) -> None:
        """Note that *extent_id* was tried. One that moved nothing would do so again and again."""
        if extent_id != self._borrower:
            return
        self._borrower, self._wanted = None, moved
        self._vain_bytes = None if moved else self._room.free_bytes()

    def is_worth_another_try(self) -> bool:
        """Whether what could not be lent can be now; asks once."""
        if not self._wanted or self._borrower is not None or self._room.is_promised:
            return False
        if not self._all_given_back():
            return False
        self._wanted = False
        return True

    def _all_given_back(self) -> bool:
        """Whether nothing is left to be deleted from disks that are there."""
        with self._store.lock:
            self._store.require_running()
            if self._tables.garbage.count:
                return False
            present = [one.disk_id for one in self._disks.spaces()]
            return not any(self._tables.extents.dropped(one, 1) for one in present)
