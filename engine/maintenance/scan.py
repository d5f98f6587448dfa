"""Finds the extents that differ from what policy wants, in pieces.

Reads committed groups through reader connections, a piece within
READER_S_MAX, so that neither the write lock nor the WAL notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import apsw

from engine.errors import DamagedDatabaseError
from engine.ids import ExtentId
from engine.maintenance.desired import Action, Desired, PoolFacts, desired_for
from engine.metadata.extents_table import load_extent
from engine.metadata.wal import ReaderPool
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord
from engine.model.redundancy import fragment_count

PIECE_EXTENTS: Final = 128
"""Extents looked at in one read transaction: some 5 ms when all differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An extent that is not as policy wants it."""

    record: ExtentRecord
    desired: Desired


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece of a scan found. ``damaged``: sentences on broken records."""

    differences: tuple[Difference, ...]
    damaged: tuple[str, ...]
    complete: bool


class ExtentScan:
    """One pass over all extents, continued piece by piece. One thread at a time."""

    def __init__(self, readers: ReaderPool, *, mends: Callable[[ExtentId], bool]) -> None:
        """*mends* says whether an extent's known damage may be mended now."""
        self._readers: Final = readers
        self._mends: Final = mends
        self._cursor = ExtentId(0)

    def restart(self) -> None:
        """Begin again with the lowest extent."""
        self._cursor = ExtentId(0)

    def next_piece(self, facts: PoolFacts) -> Piece:
        """Look at the next extents; ``complete`` says that there are no more."""
        differences: list[Difference] = []
        damaged: list[str] = []
        with self._readers.read() as connection:
            ids, last = self._candidates(connection, facts)
            for extent_id in ids:
                try:
                    record = load_extent(connection, extent_id)
                except DamagedDatabaseError as error:
                    damaged.append(str(error))
                    continue
                if record is None:
                    continue
                bad = damaged_indexes(connection, extent_id)
                mend = bad if self._mends(extent_id) else frozenset()
                desired = desired_for(record, facts, damaged=bad, mend=mend)
                if desired.action is not Action.KEEP:
                    differences.append(Difference(record, desired))
        if last is not None:
            self._cursor = last
        return Piece(tuple(differences), tuple(damaged), complete=last is None)

    def _candidates(
        self, connection: apsw.Connection, facts: PoolFacts
    ) -> tuple[list[ExtentId], ExtentId | None]:
        """Return extents worth loading, and the last one this piece covers."""
        sound = [
            int(disk_id)
            for disk_id, disk in facts.disks.items()
            if disk.readable and disk.state is not DiskState.DRAINING
        ]
        if len(sound) == len(facts.disks) and not facts.widen_ready:
            damaged = connection.execute(
                "SELECT DISTINCT extent FROM damage WHERE extent > ? ORDER BY extent LIMIT ?",
                (self._cursor, PIECE_EXTENTS),
            )
            ids = [ExtentId(row[0]) for row in damaged]
            return ids, ids[-1] if ids else None
        query = (
            "SELECT id, width < ?2 OR EXISTS (SELECT 1 FROM damage WHERE extent = id)"
            " OR EXISTS (SELECT 1 FROM fragment WHERE extent = id"
            f" AND disk NOT IN ({', '.join(map(str, sound)) or 'NULL'}))"
            " FROM extent WHERE id > ?1 ORDER BY id LIMIT ?3"
        )
        width = fragment_count(facts.wanted) if facts.widen_ready else 0
        rows = list(connection.execute(query, (self._cursor, width, PIECE_EXTENTS)))
        # NOT IN (NULL) is never true: with no sound disk every extent differs.
        found = [ExtentId(row[0]) for row in rows if row[1] or not sound]
        return found, ExtentId(rows[-1][0]) if rows else None


def damaged_indexes(connection: apsw.Connection, extent_id: ExtentId) -> frozenset[int]:
    """Return the indexes of an extent's fragments that are known to be bad."""
    rows = connection.execute("SELECT position FROM damage WHERE extent = ?", (extent_id,))
    return frozenset(row[0] for row in rows)
