"""Room for what is accepted, counted in whole extents (P6, O7).

What was measured on the disks is older than what was written since, so both
are kept apart: an extent counts from the moment its builder is taken until a
measurement that saw it on the disks. All is counted in extents of the pool's
redundancy, the *units*; an extent of another one counts for as many as have
its room.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import NoSpaceError
from engine.limits import EXTENT_BYTES_MAX
from engine.model.redundancy import Redundancy
from engine.policy.capacity import UserCapacity, extent_units


@dataclass(frozen=True, slots=True)
class Measured:
    """The disks as they were measured, for redundancies besides the pool's."""

    unit: Redundancy
    extents_of: Callable[[Redundancy], int]
    """How many extents of some redundancy fitted."""


class SpaceAccount:
    """How many more extents may be taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured = UserCapacity(free_bytes=0, total_bytes=0)
        self._disks: Measured | None = None
        self._taken = 0
        self._landed = 0
        self._landed_before = 0
        self.refusal = ""
        """Why nothing new is taken, whatever the disks have room for; else empty."""

    def measure(
        self, capacity: UserCapacity, *, landed_before: int, disks: Measured | None = None
    ) -> None:
        """Take over what the disks say now; without *disks* all extents are units.

        *landed_before* is what ``landed`` returned before they were asked:
        extents that landed later may not be in *capacity* yet. Several threads
        measure at once, so both are taken over together, whoever ends last.
        """
        with self._lock:
            self._measured = capacity
            self._disks = disks
            self._landed_before = landed_before

    @property
    def is_promised(self) -> bool:
        """Whether room is reserved for anything that is not on the disks yet."""
        return self._taken > 0

    @property
    def landed(self) -> int:
        """Units that ever landed."""
        return self._landed

    def reserve(self, redundancy: Redundancy | None = None) -> int:
        """Reserve room for one extent, by default a unit; return its units.

        Raises:
            NoSpaceError: it does not fit; nothing is reserved.
        """
        with self._lock:
            if self.refusal:
                raise NoSpaceError(self.refusal)
            units = self._fitting_units(redundancy)
            if self._free_extents() < units:
                raise NoSpaceError("the pool is full: no room for another extent")
            self._taken += units
            return units

    def reserve_units(self, units: int) -> None:
        """Reserve room for so many units, or raise NoSpaceError and reserve nothing."""
        with self._lock:
            if self._free_extents() < units:
                raise NoSpaceError(f"no room for {units} more extents")
            self._taken += units

    def lend_units(self, units: int) -> None:
        """Reserve so many units that are not free, or raise NoSpaceError and reserve nothing.

        For what comes out of the disks' own reserves and gives back more than it takes.
        Never while anything is promised: both might be written to the same room (P6).
        """
        with self._lock:
            if self._taken:
                raise NoSpaceError(f"{self._taken} extents are promised to others")
            self._taken += units

    def _fitting_units(self, redundancy: Redundancy | None) -> int:
        """Return the units of an extent; NoSpaceError when no disks take its fragments."""
        disks = self._disks
        if redundancy is None or disks is None or redundancy == disks.unit:
            return 1
        # Free units alone do not say that one disk has room for one large
        # fragment, nor that there are disks enough (P6).
        outstanding = self._landed - self._landed_before + self._taken
        taken = outstanding * extent_units(disks.unit, redundancy)
        if disks.extents_of(redundancy) - taken < 1:
            raise NoSpaceError(f"no room for another extent with {redundancy}")
        return extent_units(redundancy, disks.unit)

    def release(self, *, landed: bool, units: int = 1) -> None:
        """Give a reservation back; *landed* if the extent is on the disks now."""
        with self._lock:
            self._taken -= units
            if landed:
                self._landed += units

    def _free_extents(self) -> int:
        measured = self._measured.free_bytes // EXTENT_BYTES_MAX
        return measured - (self._landed - self._landed_before) - self._taken

    @property
    def free_bytes(self) -> int:
        """User bytes that could still be accepted into new extents."""
        return 0 if self.refusal else max(0, self._free_extents()) * EXTENT_BYTES_MAX

    @property
    def total_bytes(self) -> int:
        """User bytes that would fit into an empty pool."""
        return self._measured.total_bytes
