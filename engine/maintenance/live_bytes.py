"""How many bytes of each extent files still name: counted from the file maps, in pieces.

Nothing of it is stored. Reads committed groups through reader connections, so
an answer may be a group old: good enough to choose by, never to act upon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from engine.ids import ExtentId
from engine.metadata.wal import ReaderPool
from engine.policy.compaction import ExtentShare

PIECE_SEGMENTS: Final = 4096
"""Segments summed up in one read transaction: some 5 ms."""

MEASURED_EXTENTS: Final = 8
"""Extents measured one by one in one read transaction, each up to PIECE_SEGMENTS."""

_START: Final = (0, 0, -1)

_PIECE: Final = (
    "SELECT extent, map, offset, length FROM segment"
    " WHERE (extent, map, offset) > (?, ?, ?) ORDER BY extent, map, offset LIMIT ?"
)
_LENGTHS: Final = "SELECT id, length FROM extent WHERE id >= ? AND id <= ?"


class LiveScan:
    """One pass over all segments by extent, piece by piece. One thread at a time."""

    def __init__(self, readers: ReaderPool) -> None:
        self._readers: Final = readers
        self._cursor: tuple[int, int, int] | None = None
        self._extent = 0
        self._live_bytes = 0

    @property
    def running(self) -> bool:
        """Whether a pass has begun and not ended."""
        return self._cursor is not None

    def restart(self) -> None:
        """Begin a new pass."""
        self._cursor, self._extent, self._live_bytes = _START, 0, 0

    def stop(self) -> None:
        """End the pass; what it has not met is not told."""
        self._cursor = None

    def next_piece(self) -> list[ExtentShare]:
        """Return the extents whose last segment is in the next piece, by id.

        Extents without any segment are not among them. Behind the last piece
        the pass is not ``running`` any more.
        """
        assert self._cursor is not None
        with self._readers.read() as connection:
            rows = list(connection.execute(_PIECE, (*self._cursor, PIECE_SEGMENTS)))
            sums: dict[int, int] = {self._extent: self._live_bytes} if self._extent else {}
            for extent, _map, _offset, length in rows:
                sums[extent] = sums.get(extent, 0) + length
            if len(rows) == PIECE_SEGMENTS:
                # The last extent may go on in the next piece.
                extent, map_id, offset, _length = rows[-1]
                self._cursor = (extent, map_id, offset)
                self._extent, self._live_bytes = extent, sums.pop(extent)
            else:
                self._cursor = None
            return _shares(connection, sums)


def measure(readers: ReaderPool, extents: Sequence[ExtentId]) -> Iterator[ExtentShare]:
    """Yield the shares of *extents*, of those that exist and are named.

    One with PIECE_SEGMENTS segments or more is left to the next pass.
    """
    for first in range(0, len(extents), MEASURED_EXTENTS):
        with readers.read() as connection:
            found = [
                share
                for extent_id in extents[first : first + MEASURED_EXTENTS]
                for share in _measured(connection, extent_id)
            ]
        yield from found


def _measured(connection: apsw.Connection, extent_id: ExtentId) -> list[ExtentShare]:
    query = "SELECT length FROM segment WHERE extent = ? LIMIT ?"
    lengths = [row[0] for row in connection.execute(query, (extent_id, PIECE_SEGMENTS))]
    if not lengths or len(lengths) == PIECE_SEGMENTS:
        return []
    return _shares(connection, {int(extent_id): sum(lengths)})


def _shares(connection: apsw.Connection, live_bytes: dict[int, int]) -> list[ExtentShare]:
    """Return the shares of extents by their live bytes; one that is gone has none."""
    if not live_bytes:
        return []
    rows = connection.execute(_LENGTHS, (min(live_bytes), max(live_bytes)))
    return [
        ExtentShare(extent_id=ExtentId(row[0]), length_bytes=row[1], live_bytes=live_bytes[row[0]])
        for row in rows
        if row[0] in live_bytes
    ]
