"""Finds the extents that differ from what policy wants, in pieces.

Reads committed groups through reader connections, a piece within
READER_S_MAX, so that neither the write lock nor the WAL notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import apsw

from engine.errors import DamagedDatabaseError
from engine.ids import ExtentId
from engine.maintenance.desired import Action, Desired, PoolFacts
from engine.metadata.extents_table import load_extent
from engine.metadata.wal import ReaderPool
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord

PIECE_EXTENTS: Final = 128
"""Extents looked at in one read transaction: some 5 ms when all differ."""


SOUND_PIECE_EXTENTS: Final = 1024
"""The same while all disks are sound: a few microseconds for an extent."""

Decide: TypeAlias = Callable[[ExtentRecord, PoolFacts, frozenset[int]], Desired]
"""(record, facts, its damaged indexes) to what is to be done with it."""


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

    def __init__(self, readers: ReaderPool, decide: Decide) -> None:
        self._readers: Final = readers
        self._decide: Final = decide
        self._cursor = ExtentId(0)

    def restart(self) -> None:
        """Begin again with the lowest extent."""
        self._cursor = ExtentId(0)

    def next_piece(self, facts: PoolFacts, *, every: bool) -> Piece:
        """Look at the next extents; ``complete`` says that there are no more.

        Passes over those that the metadata alone show to be as they should,
        but not when *every* one is to be looked at.
        """
        found: list[tuple[ExtentRecord, frozenset[int]]] = []
        damaged: list[str] = []
        with self._readers.read() as connection:
            ids, last = self._candidates(connection, facts, every=every)
            for extent_id in ids:
                try:
                    record = load_extent(connection, extent_id)
                except DamagedDatabaseError as error:
                    damaged.append(str(error))
                    continue
                if record is not None:
                    found.append((record, damaged_indexes(connection, extent_id)))
        if last is not None:
            self._cursor = last
        # Outside of the read: policies of files are asked under the write lock.
        decided = [Difference(record, self._decide(record, facts, bad)) for record, bad in found]
        differences = [one for one in decided if one.desired.action is not Action.KEEP]
        return Piece(tuple(differences), tuple(damaged), complete=last is None)

    def _candidates(
        self, connection: apsw.Connection, facts: PoolFacts, *, every: bool
    ) -> tuple[list[ExtentId], ExtentId | None]:
        """Return extents worth loading, and the last one this piece covers."""
        if every or facts.policy_version:
            rows = connection.execute(
                "SELECT id FROM extent WHERE id > ? ORDER BY id LIMIT ?",
                (self._cursor, PIECE_EXTENTS),
            )
            ids = [ExtentId(row[0]) for row in rows]
            return ids, ids[-1] if ids else None
        sound = [
            int(disk_id)
            for disk_id, disk in facts.disks.items()
            if disk.readable and disk.state is not DiskState.DRAINING
        ]
        query = (
            "SELECT id, redundancy <> ?2 OR EXISTS (SELECT 1 FROM damage WHERE extent = id)"
            " OR EXISTS (SELECT 1 FROM fragment WHERE extent = id"
            f" AND disk NOT IN ({', '.join(map(str, sound)) or 'NULL'}))"
            " FROM extent WHERE id > ?1 ORDER BY id LIMIT ?3"
        )
        if len(sound) == len(facts.disks):
            query = (
                "SELECT id, redundancy <> ?2 OR EXISTS (SELECT 1 FROM damage WHERE extent = id)"
                " FROM extent WHERE id > ?1 ORDER BY id LIMIT ?3"
            )
        limit = PIECE_EXTENTS if len(sound) < len(facts.disks) else SOUND_PIECE_EXTENTS
        rows_of = connection.execute(query, (self._cursor, str(facts.wanted), limit))
        looked = list(rows_of)
        # NOT IN (NULL) is never true: with no sound disk every extent differs.
        found = [ExtentId(row[0]) for row in looked if row[1] or not sound]
        return found, ExtentId(looked[-1][0]) if looked else None


def damaged_indexes(connection: apsw.Connection, extent_id: ExtentId) -> frozenset[int]:
    """Return the indexes of an extent's fragments that are known to be bad."""
    rows = connection.execute("SELECT position FROM damage WHERE extent = ?", (extent_id,))
    return frozenset(row[0] for row in rows)
