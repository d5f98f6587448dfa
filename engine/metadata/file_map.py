"""Where the bytes of a file are: segments and staged rows, which never overlap.

Every method runs under the write lock; changes run inside an operation. Of
either kind one row at most covers a point: the last that begins at or before it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeAlias

from engine.errors import DamagedDatabaseError
from engine.format.staged import StagedDelete, StagedPut
from engine.ids import ExtentId, MapId
from engine.limits import STAGED_BYTES_MAX, STAGED_ROW_BYTES_MAX
from engine.metadata.store import MetadataStore
from engine.model.inode import Segment, StagedRow

MAPS_COUNTED_MAX: Final = 32_768
SEGMENTS_KNOWN_MAX: Final = 32_768

Piece: TypeAlias = Segment | StagedRow

_FROM: Final = (
    "coalesce((SELECT offset FROM {} WHERE map = ?1 AND offset <= ?2"
    " ORDER BY offset DESC LIMIT 1), ?2)"
)
"""Where the rows begin that reach behind ?2. Not as far before it as a row may be
long: scattered writes leave a thousand rows there."""

_SEGMENTS: Final = (
    "SELECT offset, length, extent, extent_offset FROM segment"
    f" WHERE map = ?1 AND offset >= {_FROM.format('segment')} AND offset < ?3"
    " AND offset + length > ?2 ORDER BY offset LIMIT ?4"
)
_STAGED: Final = (
    "SELECT offset, data FROM staged"
    f" WHERE map = ?1 AND offset >= {_FROM.format('staged')} AND offset < ?3"
    " AND offset + length(data) > ?2 ORDER BY offset"
)
_ALL_ROWS: Final = -1
"""For a LIMIT that is none."""

_offset_of: Final = attrgetter("offset")


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a removal touched: extents that may have lost their last segment."""

    extents: frozenset[ExtentId]
    complete: bool


class FileMap:
    """Segments and staged rows by map."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._execute = store.writer.execute
        self._read = store.rows.read
        self._stored: dict[MapId, int] = {}
        self._known: dict[MapId, list[Segment]] = {}
        """Segments found before, in order: what a stream or random reads ask for again."""
        self._known_count = 0
        self._tails: set[MapId] = set()
        self._tails_known = True
        self.staged_bytes = 0
        """Bytes in all staged rows; as if full when they cannot be counted."""
        self._recount()
        store.on_rollback.append(self._recount)

    def _recount(self) -> None:
        self._stored.clear()
        self._forget_known()
        # Damage here is not everybody's: each file looks for itself, and hears of
        # its own rows only.
        try:
            query = "SELECT coalesce(sum(length(data)), 0) FROM staged"
            self.staged_bytes = int(self._read(query).get)
        except DamagedDatabaseError:
            self.staged_bytes = STAGED_BYTES_MAX
        try:
            rows = self._read("SELECT map FROM reap WHERE from_offset > 0")
            self._tails = {MapId(row[0]) for row in rows}
            self._tails_known = True
        except DamagedDatabaseError:
            self._tails_known = False

    # Look

    def segments(self, map_id: MapId, start: int, end: int) -> list[Segment]:
        """Return the segments that overlap [start, end), in order."""
        # The same ones are asked for again and again; each query lets go of the
        # interpreter and has to win it back.
        known = self._known.get(map_id)
        if known is not None:
            at = bisect_right(known, start, key=_offset_of) - 1
            if at >= 0 and end <= known[at].offset + known[at].length:
                return [known[at]]
        found = self._overlapping(map_id, start, end, _ALL_ROWS)
        for segment in found:
            self._remember(map_id, segment)
        return found

    def _remember(self, map_id: MapId, segment: Segment) -> None:
        if self._known_count >= SEGMENTS_KNOWN_MAX:
            self._forget_known()
        known = self._known.setdefault(map_id, [])
        at = bisect_right(known, segment.offset, key=_offset_of)
        if not at or known[at - 1].offset != segment.offset:
            known.insert(at, segment)
            self._known_count += 1

    def _forget(self, map_id: MapId) -> None:
        """Forget what is known of a map that changes."""
        self._known_count -= len(self._known.pop(map_id, ()))

    def _forget_known(self) -> None:
        self._known.clear()
        self._known_count = 0

    def staged(self, map_id: MapId, start: int, end: int) -> list[StagedRow]:
        """Return the staged rows that overlap [start, end), in order."""
        rows = self._read(_STAGED, (map_id, start, end))
        return [StagedRow(offset, data) for offset, data in rows]

    def pieces(self, map_id: MapId, start: int, end: int) -> list[Piece]:
        """Return both, in order of their offset."""
        segments: list[Piece] = list(self.segments(map_id, start, end))
        staged = self.staged(map_id, start, end) if self.staged_bytes else []
        if not staged:
            return segments
        return sorted([*segments, *staged], key=lambda piece: piece.offset)

    def stored_bytes(self, map_id: MapId) -> int:
        """Return how many bytes of the map hold data; counted once, then kept."""
        stored = self._stored.get(map_id)
        if stored is None:
            query = (
                "SELECT (SELECT coalesce(sum(length), 0) FROM segment WHERE map = ?1)"
                " + (SELECT coalesce(sum(length(data)), 0) FROM staged WHERE map = ?1)"
            )
            stored = int(self._read(query, (map_id,)).get)
            self._note_stored(map_id, stored)
        return stored

    def begin(self, map_id: MapId) -> None:
        """Note that a map is new: nothing is in it, so nothing need be looked for."""
        self._note_stored(map_id, 0)

    def _note_stored(self, map_id: MapId, stored: int) -> None:
        if len(self._stored) >= MAPS_COUNTED_MAX:
            self._stored.clear()
        self._stored[map_id] = stored

    def _count(self, map_id: MapId, change: int) -> None:
        if map_id in self._stored:
            self._stored[map_id] += change

    # Change

    def put_segment(self, map_id: MapId, segment: Segment) -> None:
        """Add a segment; its range was cleared before."""
        self._execute(
            "INSERT INTO segment VALUES (?, ?, ?, ?, ?)",
            (map_id, segment.offset, segment.length, segment.extent_id, segment.extent_offset),
        )
        self._count(map_id, segment.length)
        self._remember(map_id, segment)

    def move_segment(self, map_id: MapId, segment: Segment, extent_id: ExtentId, at: int) -> bool:
        """Let *segment* be at *at* of another extent, which has the same bytes there.

        Only if it is still exactly *segment*: what was overwritten, cut or
        removed meanwhile stays as it is, and False is returned.
        """
        self._execute(
            "UPDATE segment SET extent = ?, extent_offset = ?"
            " WHERE map = ? AND offset = ? AND length = ? AND extent = ? AND extent_offset = ?",
            (
                extent_id,
                at,
                map_id,
                segment.offset,
                segment.length,
                segment.extent_id,
                segment.extent_offset,
            ),
        )
        self._forget(map_id)
        return bool(self._execute("SELECT changes()").get)

    def put_staged(self, map_id: MapId, offset: int, data: bytes) -> None:
        """Add staged rows for *data*, cut at 64 KiB; its range was cleared before."""
        for at in range(0, len(data), STAGED_ROW_BYTES_MAX):
            row = data[at : at + STAGED_ROW_BYTES_MAX]
            self._insert_staged(map_id, offset + at, row)

    def clear(self, map_id: MapId, start: int, end: int, row_limit: int) -> Cleared:
        """Remove what is in [start, end), trimming what reaches out of it.

        Stops behind *row_limit* rows; ``complete`` says whether all is gone.
        """
        if self._stored.get(map_id) == 0:
            return Cleared(frozenset(), complete=True)
        extents: set[ExtentId] = set()
        count = 0
        for segment in self._overlapping(map_id, start, end, row_limit):
            self._cut_segment(map_id, segment, start, end)
            extents.add(segment.extent_id)
            count += 1
        if self.staged_bytes:
            for row in self.staged(map_id, start, end):
                self._cut_staged(map_id, row, start, end)
                count += 1
        return Cleared(frozenset(extents), complete=count < row_limit)

    def _overlapping(self, map_id: MapId, start: int, end: int, limit: int) -> list[Segment]:
        known = self._known.get(map_id)
        if known is not None and len(known) == 1 and known[0].length == self._stored.get(map_id):
            # It is all there is.
            only = known[0]
            return [only] if only.offset < end and only.offset + only.length > start else []
        rows = self._read(_SEGMENTS, (map_id, start, end, limit))
        return [Segment(row[0], row[1], ExtentId(row[2]), row[3]) for row in rows]

    def _cut_segment(self, map_id: MapId, segment: Segment, start: int, end: int) -> None:
        segment_end = segment.offset + segment.length
        kept = max(0, start - segment.offset)
        self._count(map_id, kept - segment.length)
        self._forget(map_id)
        if kept:
            self._execute(
                "UPDATE segment SET length = ? WHERE map = ? AND offset = ?",
                (kept, map_id, segment.offset),
            )
        else:
            self._execute(
                "DELETE FROM segment WHERE map = ? AND offset = ?", (map_id, segment.offset)
            )
        if segment_end > end:
            skipped = end - segment.offset
            rest = Segment(
                end, segment_end - end, segment.extent_id, segment.extent_offset + skipped
            )
            self.put_segment(map_id, rest)

    def _cut_staged(self, map_id: MapId, row: StagedRow, start: int, end: int) -> None:
        self._delete_staged(map_id, row)
        if row.offset < start:
            self._insert_staged(map_id, row.offset, row.data[: start - row.offset])
        if row.offset + len(row.data) > end:
            self._insert_staged(map_id, end, row.data[end - row.offset :])

    def _insert_staged(self, map_id: MapId, offset: int, data: bytes) -> None:
        self._execute("INSERT INTO staged VALUES (?, ?, ?)", (map_id, offset, data))
        self._store.note_staged(StagedPut(map_id, offset, data))
        self.staged_bytes += len(data)
        self._count(map_id, len(data))

    def _delete_staged(self, map_id: MapId, row: StagedRow) -> None:
        self._execute("DELETE FROM staged WHERE map = ? AND offset = ?", (map_id, row.offset))
        self._store.note_staged(StagedDelete(map_id, row.offset))
        self.staged_bytes -= len(row.data)
        self._count(map_id, -len(row.data))

    # Reaping: maps, or tails of them, that are emptied later in steps

    def detach(self, map_id: MapId, from_offset: int) -> None:
        """Let Collect empty the map from *from_offset* on."""
        self._execute(
            "INSERT INTO reap VALUES (?, ?) ON CONFLICT (map)"
            " DO UPDATE SET from_offset = min(from_offset, excluded.from_offset)",
            (map_id, from_offset),
        )
        if from_offset:
            self._tails.add(map_id)

    def has_tail(self, map_id: MapId) -> bool:
        """Whether a cut of a live file left rows behind its end."""
        return map_id in self._tails or not self._tails_known

    def reap_offset(self, map_id: MapId) -> int | None:
        """Return from where on the map is still to be emptied, None if nowhere."""
        row = self._read("SELECT from_offset FROM reap WHERE map = ?", (map_id,)).fetchone()
        return None if row is None else int(row[0])

    def next_to_reap(self) -> tuple[MapId, int] | None:
        """Return a map that waits to be emptied, and from where on."""
        query = "SELECT map, from_offset FROM reap WHERE map > 0 ORDER BY map LIMIT 1"
        row = self._read(query).fetchone()
        return None if row is None else (MapId(row[0]), int(row[1]))

    def reaped(self, map_id: MapId) -> None:
        """Forget a map that was emptied."""
        self._execute("DELETE FROM reap WHERE map = ?", (map_id,))
        self._tails.discard(map_id)

    def staged_maps(self) -> list[MapId]:
        """Return the maps that have staged rows."""
        return [MapId(row[0]) for row in self._read("SELECT DISTINCT map FROM staged")]
