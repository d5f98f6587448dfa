"""Every extent with the disks it is on, in pieces, and the files that are in some.

A walk over all extents costs some 20 us each, in read transactions of some
30 ms; nothing of it is kept (P8), and nobody waits for it but who asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import apsw

from engine.format.fragment import payload_offset
from engine.ids import DiskId
from engine.maintenance.paths import PathFinder
from engine.maintenance.topology import DiskStatus
from engine.metadata.wal import ReaderPool
from engine.policy.what_if import Holding
from engine.units import KIB, align_up

PIECE_EXTENTS: Final = 1000

MAPS_MAX: Final = 200_000
"""Files that are told apart; of more, the count is a lower bound (P8)."""

FILES_NAMED_MAX: Final = 100
"""Files that are named: a few screens."""

_SLICE_ALIGNMENT: Final = 4 * KIB

_PIECE: Final = (
    "SELECT id, needed, length,"
    " (SELECT group_concat(disk, ',' ORDER BY disk) FROM fragment WHERE extent = e.id)"
    " FROM extent e WHERE id > ? ORDER BY id LIMIT ?"
)
_DAMAGE: Final = (
    "SELECT d.extent, f.disk FROM damage d"
    " JOIN fragment f ON f.extent = d.extent AND f.position = d.position"
    " WHERE d.extent > ? AND d.extent <= ?"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """Extents of one shape within a piece. ``fragment_file_bytes``: of one fragment."""

    holding: Holding
    fragment_file_bytes: int
    extent_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What extents have in common that fare alike."""

    needed: int
    slice_bytes: int
    disks: str
    bad: frozenset[DiskId]


class Census:
    """Walks over all committed extents. Any thread."""

    def __init__(self, readers: ReaderPool, disks: Iterable[DiskStatus]) -> None:
        """*disks* says which fragments count as there."""
        self._readers: Final = readers
        self._readable: Final = frozenset(disk.disk_id for disk in disks if disk.readable)

    def walk(self) -> Iterator[Counted]:
        """Yield all extents, those alike within a piece together."""
        first = 0
        while True:
            with self._readers.read() as connection:
                rows = list(connection.execute(_PIECE, (first, PIECE_EXTENTS)))
                damaged = _damaged(connection, first, rows[-1][0]) if rows else {}
            if not rows:
                return
            first = rows[-1][0]
            yield from self._counted(rows, damaged)

    def _counted(
        self, rows: list[tuple[int, int, int, str | None]], damaged: dict[int, set[DiskId]]
    ) -> Iterator[Counted]:
        alike: dict[_Shape, list[tuple[int, int]]] = {}
        for extent_id, needed, length, disks in rows:
            shape = _Shape(
                needed,
                align_up(-(-length // needed), _SLICE_ALIGNMENT),
                disks or "",
                frozenset(damaged.get(extent_id, ())),
            )
            alike.setdefault(shape, []).append((extent_id, length))
        for shape, extents in alike.items():
            every = frozenset(DiskId(int(disk)) for disk in shape.disks.split(",") if disk)
            holders = (every & self._readable) - shape.bad
            yield Counted(
                Holding(
                    needed=shape.needed,
                    holders=holders,
                    others=every - holders,
                    extents=len(extents),
                    length_bytes=sum(length for _, length in extents),
                    fragment_bytes=shape.slice_bytes * len(extents),
                ),
                payload_offset(shape.slice_bytes) + shape.slice_bytes,
                tuple(extent_id for extent_id, _ in extents),
            )


def _damaged(connection: apsw.Connection, first: int, last: int) -> dict[int, set[DiskId]]:
    """Return the disks with bad fragments of each extent behind *first* up to *last*."""
    found: dict[int, set[DiskId]] = {}
    for extent_id, disk in connection.execute(_DAMAGE, (first, last)):
        found.setdefault(extent_id, set()).add(DiskId(disk))
    return found


class FilesIn:
    """Collects the files that have bytes in some extents. One thread."""

    def __init__(self, readers: ReaderPool) -> None:
        self._readers: Final = readers
        self._maps: set[int] = set()

    def add(self, extents: tuple[int, ...]) -> None:
        """Take in the files of *extents*."""
        for start in range(0, len(extents), PIECE_EXTENTS):
            with self._readers.read() as connection:
                for extent_id in extents[start : start + PIECE_EXTENTS]:
                    if len(self._maps) >= MAPS_MAX:
                        return
                    rows = connection.execute(
                        "SELECT DISTINCT map FROM segment WHERE extent = ?", (extent_id,)
                    )
                    self._maps.update(row[0] for row in rows)

    def files(self) -> set[int]:
        """Return the inodes found. Walks the table of inodes, if there is any reason to."""
        if not self._maps:
            return set()
        return {inode for inode, _ in PathFinder(self._readers).files_of(self._maps)}

    def paths(self, files: set[int]) -> tuple[str, ...]:
        """Return paths of up to FILES_NAMED_MAX of *files*, sorted."""
        if not files:
            return ()
        named = set(sorted(files)[:FILES_NAMED_MAX])
        return tuple(sorted(PathFinder(self._readers).names(named).values()))
