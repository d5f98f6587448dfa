"""Moves what lives in half-dead extents into a new one: copy, commit, delete (P5).

The new extent is durable before any row names it (C6). Then each segment is
switched under the write lock, if it is still exactly the one that was copied:
an overwrite, a cut or an unlink that came meanwhile wins, and its part of the
copy dies unread. Extents keep their bytes for ever, so an equal row means equal
bytes. The old extents lose their segments and go as any other does, with
Collect: behind the acknowledgement, and behind readers of the old map.

A crash leaves files that no row names, or an extent without segments, or some
segments switched and some not: Collect finds the first two, a pass the third.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from engine.device.lanes import Lane
from engine.errors import CorruptionError, DeviceError, NoSpaceError
from engine.extents.buffers import ExtentBuffer, SpareBuffers, room_for
from engine.extents.reader import slice_ranges
from engine.extents.rebuild import ExtentRebuilder
from engine.extents.writer import ExtentWriter
from engine.ids import ExtentId, MapId
from engine.limits import EXTENT_BYTES_MAX, STEP_ROWS_MAX
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.model.extent import ExtentRecord
from engine.model.inode import Segment
from engine.policy.compaction import PRESSED_PERCENT, ExtentShare, is_worth_compacting
from engine.policy.placement import Purpose

SEGMENTS_MAX: Final = 8192
"""Segments moved by one copy; an extent with more is moved in several."""

ROWS_PER_STEP: Final = STEP_ROWS_MAX // 4
"""Segments switched in one hold of the write lock: a row and its index entry each."""

_SEGMENTS: Final = (
    "SELECT map, offset, length, extent_offset FROM segment WHERE extent = ?"
    " ORDER BY map, offset LIMIT ?"
)

ExtentProgress = Callable[[ExtentId, int], None]
"""Hears how many more payload bytes of an extent were read; may raise to interrupt."""


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment to move, and the map it is in."""

    map_id: MapId
    segment: Segment


@dataclass(frozen=True, slots=True)
class _Copied:
    """A segment whose bytes are at *at* of the new extent."""

    live: LiveSegment
    at: int


@dataclass(slots=True)
class _Read:
    """What was brought into the buffer so far, and what was not."""

    copied: list[_Copied] = field(default_factory=list)
    failed: dict[ExtentId, str] = field(default_factory=dict)
    unfitting: set[ExtentId] = field(default_factory=set)
    length_bytes: int = 0

    def append(self, live: LiveSegment, source: ExtentBuffer, target: ExtentBuffer) -> None:
        """Copy the bytes of one segment behind the others."""
        begin, length = live.segment.extent_offset, live.segment.length
        end = self.length_bytes + length
        target.view[self.length_bytes : end] = source.view[begin : begin + length]
        self.copied.append(_Copied(live, self.length_bytes))
        self.length_bytes = end


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What was done. ``moved``: bytes that were switched, by the extent they left."""

    moved: Mapping[ExtentId, int] = field(default_factory=dict)
    failed: Mapping[ExtentId, str] = field(default_factory=dict)
    """Extents that could not be read, and why; the others of the copy went on."""
    unfitting: frozenset[ExtentId] = frozenset()
    """Extents for which there was no room beside the others in the new one."""
    written_bytes: int = 0
    """Payload bytes on the disks, redundancy included."""


class Compactor:
    """Copies and switches. ``compact`` by several threads at once, of different extents."""

    def __init__(
        self,
        *,
        tables: Tables,
        readers: ReaderPool,
        rebuilder: ExtentRebuilder,
        writer: ExtentWriter,
        buffers: SpareBuffers,
        percent: Callable[[], int],
    ) -> None:
        """*percent* is the pool's property: the live share below which extents are compacted."""
        self._tables: Final = tables
        self._store: Final = tables.store
        self._readers: Final = readers
        self._rebuilder: Final = rebuilder
        self._writer: Final = writer
        self._buffers: Final = buffers
        self._percent: Final = percent

    def compact(
        self,
        records: Sequence[ExtentRecord],
        progress: ExtentProgress,
        *,
        # Nothing is healed by it: spares stay free for what is (H7).
        purpose: Purpose = Purpose.NEW_DATA,
    ) -> Compacted:
        """Move what lives in *records*, of one redundancy and tier, into one new extent.

        What does not fit into it, or is not worth it any more, stays where it is.

        Raises:
            NoSpaceError: the full width has no room.
            DeviceError: a disk left while it was written.
            EngineStoppedError: the store is closed.
        """
        first = records[0]
        assert all((one.redundancy, one.tier) == (first.redundancy, first.tier) for one in records)
        target = self._buffers.take(room_for(first.redundancy))
        try:
            read = self._read(records, target, progress)
            if not read.copied:
                return Compacted(failed=read.failed, unfitting=frozenset(read.unfitting))
            record, moved = self._write_and_switch(first, target, read, purpose)
        finally:
            self._buffers.give_back(target)
        return Compacted(
            moved=moved,
            failed=read.failed,
            unfitting=frozenset(read.unfitting),
            written_bytes=record.slice_bytes * len(record.fragments),
        )

    # Copy

    def _read(
        self, records: Sequence[ExtentRecord], target: ExtentBuffer, progress: ExtentProgress
    ) -> _Read:
        """Bring the live bytes of *records* into *target*, one extent behind the other."""
        read = _Read()
        source = self._buffers.take(room_for(records[0].redundancy))
        try:
            for record in records:
                segments = self._segments_of(record)
                size = sum(one.segment.length for one in segments)
                fits = read.length_bytes + size <= EXTENT_BYTES_MAX
                if not fits or (read.copied and len(read.copied) + len(segments) > SEGMENTS_MAX):
                    read.unfitting.add(record.extent_id)
                    continue
                try:
                    self._load(record, segments, source, partial(progress, record.extent_id))
                except (CorruptionError, DeviceError) as error:
                    read.failed[record.extent_id] = str(error)
                    continue
                for live in segments:
                    read.append(live, source, target)
        finally:
            self._buffers.give_back(source)
        return read

    def _segments_of(self, record: ExtentRecord) -> list[LiveSegment]:
        """Return live segments, bounded; none if the extent is not half dead after all."""
        with self._store.lock:
            if self._tables.garbage.is_landing(record.extent_id):
                return []
        with self._readers.read() as connection:
            rows = list(connection.execute(_SEGMENTS, (record.extent_id, SEGMENTS_MAX)))
        found = [
            LiveSegment(MapId(row[0]), Segment(row[1], row[2], record.extent_id, row[3]))
            for row in rows
        ]
        share = ExtentShare(
            extent_id=record.extent_id,
            length_bytes=record.length_bytes,
            live_bytes=sum(one.segment.length for one in found),
        )
        # The look that chose it may be older than the last of its segments.
        percent = max(self._percent(), PRESSED_PERCENT)
        return found if is_worth_compacting(share, percent) else []

    def _load(
        self,
        record: ExtentRecord,
        segments: Iterable[LiveSegment],
        source: ExtentBuffer,
        progress: Callable[[int], None],
    ) -> None:
        indexes = {
            part.index
            for one in segments
            for part in slice_ranges(record, one.segment.extent_offset, one.segment.length)
        }
        self._rebuilder.load(record, indexes, buffer=source, progress=progress)

    # Commit

    def _write_and_switch(
        self, like: ExtentRecord, target: ExtentBuffer, read: _Read, purpose: Purpose
    ) -> tuple[ExtentRecord, dict[ExtentId, int]]:
        store, garbage = self._store, self._tables.garbage
        with store.lock:
            store.require_running()
            extent_id = store.new_extent_id()
            # Nobody may take it for a leftover while it has no segments yet.
            garbage.begin_landing(extent_id)
        try:
            record = self._write(like, extent_id, target, read.length_bytes, purpose)
            self._insert(record)
            moved = self._switch(extent_id, read.copied)
        finally:
            with store.lock:
                garbage.end_landing(extent_id)
                garbage.suspect(frozenset(one.live.segment.extent_id for one in read.copied))
        return record, moved

    def _write(
        self,
        like: ExtentRecord,
        extent_id: ExtentId,
        target: ExtentBuffer,
        length_bytes: int,
        purpose: Purpose,
    ) -> ExtentRecord:
        store = self._store
        record = self._writer.write(
            target,
            extent_id=extent_id,
            length_bytes=length_bytes,
            redundancy=like.redundancy,
            tier=like.tier,
            epoch=store.epoch,
            generation=store.open_generation,
            pool_uuid=store.template.pool_uuid,
            new_layout=store.new_layout_id,
            lane=Lane.MAINTENANCE,
            purpose=purpose,
        )
        if record.redundancy != like.redundancy:
            # A writer makes do with less width; that would take room, not give it.
            self._writer.forget(record.fragments, extent_id, Lane.MAINTENANCE)
            raise NoSpaceError(f"no room for {like.redundancy} now")
        return record

    def _insert(self, record: ExtentRecord) -> None:
        extents = self._tables.extents
        try:
            with self._store.operation():
                extents.require_members(record)
                extents.insert(record)
        except DeviceError:
            self._writer.forget(record.fragments, record.extent_id, Lane.MAINTENANCE)
            raise

    def _switch(self, extent_id: ExtentId, copied: Sequence[_Copied]) -> dict[ExtentId, int]:
        """Let the maps name *extent_id*, some rows at a time; return what was moved."""
        moved: dict[ExtentId, int] = {}
        for first in range(0, len(copied), ROWS_PER_STEP):
            with self._store.operation():
                # An equal row means equal bytes (K1); any other wins over the copy.
                for one in copied[first : first + ROWS_PER_STEP]:
                    segment = one.live.segment
                    if self._tables.file_map.move_segment(
                        one.live.map_id, segment, extent_id, one.at
                    ):
                        left = segment.extent_id
                        moved[left] = moved.get(left, 0) + segment.length
        return moved
