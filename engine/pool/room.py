"""Room for maintenance in the account that writers are promised theirs from (P6)."""

from __future__ import annotations

from typing import Final

from engine.errors import NoSpaceError
from engine.extents.writer import fragment_file_bytes
from engine.limits import EXTENT_BYTES_MAX
from engine.model.redundancy import fragment_count
from engine.pool.assembly import Engine
from engine.units import format_bytes

MEASURE_UNITS: Final = 32
"""Units written after which the disks are measured again: a fragment counts as a
whole extent until then, so that much the pool looks fuller than it is."""


class PoolRoom:
    """``engine.maintenance.room.Room`` over one engine. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._unmeasured = 0

    def take(self, file_bytes: int, count: int) -> int:
        """Reserve room for *count* fragment files; return the units taken.

        A fragment of a full extent, taken from one disk, costs the pool at most
        one extent. Where no extent of the pool's redundancy fits at all, nothing
        is promised to anybody, and placement alone decides.

        Raises:
            NoSpaceError: it is promised to others; says how much is needed.
        """
        space = self._engine.space
        if not space.total_bytes:
            return 0
        units = self._units(file_bytes, count)
        try:
            space.reserve_units(units)
        except NoSpaceError:
            self._measure()
            try:
                space.reserve_units(units)
            except NoSpaceError as error:
                needed = format_bytes(units * self._unit_bytes())
                raise NoSpaceError(f"needs {needed} of room, beyond what is reserved") from error
        return units

    @property
    def is_promised(self) -> bool:
        """Whether room is reserved for anybody."""
        return self._engine.space.is_promised

    def lend(self, file_bytes: int, count: int) -> int:
        """Reserve units that are not free; see ``Room.lend``."""
        units = self._units(file_bytes, count)
        self._engine.space.lend_units(units)
        return units

    def _unit_bytes(self) -> int:
        return fragment_file_bytes(self._engine.properties.redundancy, EXTENT_BYTES_MAX)

    def _units(self, file_bytes: int, count: int) -> int:
        unit_bytes = self._unit_bytes()
        units = count * -(-file_bytes // unit_bytes)
        if count >= (width := fragment_count(self._engine.properties.redundancy)):
            # A whole extent: as ``extent_units`` counts one.
            units = max(units // count, -(-count * file_bytes // (width * unit_bytes)))
        return units

    def give_back(self, taken: int, *, written: bool) -> None:
        """End a reservation; *written* if the files are on the disks now."""
        if not taken:
            return
        self._engine.space.release(landed=written, units=taken)
        self._unmeasured += taken
        if self._unmeasured >= MEASURE_UNITS:
            self._measure()

    def _measure(self) -> None:
        self._unmeasured = 0
        self._engine.measure_space()

    def free_bytes(self) -> int:
        """Return what all disks have free together."""
        return sum(space.free_bytes for space in self._engine.base.disks.spaces())
