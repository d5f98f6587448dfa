"""Room for what is accepted, counted in whole extents (P6, O7).

What was measured on the disks is older than what was written since, so both
are kept apart: an extent counts from the moment its builder is taken until a
measurement that saw it on the disks.
"""

from __future__ import annotations

import threading

from engine.errors import NoSpaceError
from engine.limits import EXTENT_BYTES_MAX
from engine.policy.capacity import UserCapacity


class SpaceAccount:
    """How many more extents may be taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured = UserCapacity(free_bytes=0, total_bytes=0)
        self._taken = 0
        self._landed = 0
        self._landed_before = 0
        self.refusal = ""
        """Why nothing new is taken, whatever the disks have room for; else empty."""

    def measure(self, capacity: UserCapacity, *, landed_before: int) -> None:
        """Take over what the disks say now.

        *landed_before* is what ``landed`` returned before they were asked:
        extents that landed later may not be in *capacity* yet. Several threads
        measure at once, so both are taken over together, whoever ends last.
        """
        with self._lock:
            self._measured = capacity
            self._landed_before = landed_before

    @property
    def landed(self) -> int:
        """Extents that ever landed."""
        return self._landed

    def reserve(self) -> None:
        """Reserve room for one extent, or raise NoSpaceError."""
        with self._lock:
            if self.refusal:
                raise NoSpaceError(self.refusal)
            if self._free_extents() < 1:
                raise NoSpaceError("the pool is full: no room for another extent")
            self._taken += 1

    def release(self, *, landed: bool) -> None:
        """Give a reservation back; *landed* if the extent is on the disks now."""
        with self._lock:
            self._taken -= 1
            if landed:
                self._landed += 1

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
