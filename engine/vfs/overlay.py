"""Accepted bytes that are not in the metadata yet (ARCHITECTURE 5, O1-O6).

Pure bookkeeping: no locks, no I/O. The write lock protects all of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import DamagedDatabaseError
from engine.ids import InodeId
from engine.limits import FILE_BYTES_MAX


class Sequenced(Protocol):
    """The builder a layer's bytes are in; see ``engine.vfs.pending``."""

    @property
    def sequence(self) -> int:
        """Order in which builders froze; 0 while open."""


@dataclass(frozen=True, slots=True)
class PendingRange:
    """File bytes [start, end) are at *at* of the builder."""

    start: int
    end: int
    at: int
    staged: bool = False
    """fsync put these bytes into the metadata already (O5)."""


@dataclass(slots=True)
class Layer:
    """What one file has in one builder: sorted ranges that do not overlap."""

    extent: Sequenced
    ranges: list[PendingRange] = field(default_factory=list)
    settled: list[PendingRange] = field(default_factory=list)
    """What fsync ever put into the metadata from here, overwritten since or not."""
    fresh_start: int = 0
    fresh_end: int = FILE_BYTES_MAX
    """All that fsync has yet to put there is within: it need not look elsewhere."""
    bytes: int = field(init=False)
    """How many bytes are noted; every look at the file's attributes asks."""

    def __post_init__(self) -> None:
        self.bytes = sum(item.end - item.start for item in self.ranges)

    def add(self, start: int, end: int, at: int) -> None:
        """Note newer bytes; what they cover is forgotten."""
        self._note_fresh(start, end)
        ranges = self.ranges
        self.bytes += end - start
        if not ranges or ranges[-1].end <= start:
            last = ranges[-1] if ranges else None
            if (
                last is not None
                and not last.staged
                and last.end == start
                and last.at + (last.end - last.start) == at
            ):
                ranges[-1] = PendingRange(last.start, end, last.at)
            else:
                ranges.append(PendingRange(start, end, at))
            return
        self.remove(start, end)
        first = bisect_left(ranges, start, key=_start)
        ranges.insert(first, PendingRange(start, end, at))

    def remove(self, start: int, end: int) -> None:
        """Forget [start, end), splitting what reaches out of it."""
        ranges = self.ranges
        first = self._first_overlap(start)
        last = bisect_left(ranges, end, key=_start)
        if first >= last:
            return
        self.bytes -= sum(item.end - item.start for item in ranges[first:last])
        kept: list[PendingRange] = []
        head, tail = ranges[first], ranges[last - 1]
        if head.start < start:
            kept.append(PendingRange(head.start, start, head.at, head.staged))
        if tail.end > end:
            kept.append(PendingRange(end, tail.end, tail.at + end - tail.start, tail.staged))
        ranges[first:last] = kept
        self.bytes += sum(item.end - item.start for item in kept)

    def clear(self) -> None:
        """Forget all of it."""
        self.ranges.clear()
        self.bytes = 0

    def overlapping(self, start: int, end: int) -> list[PendingRange]:
        """Return what [start, end) has here, clipped to it."""
        ranges = self.ranges
        found = []
        for position in range(self._first_overlap(start), len(ranges)):
            item = ranges[position]
            if item.start >= end:
                break
            low, high = max(item.start, start), min(item.end, end)
            found.append(PendingRange(low, high, item.at + low - item.start, item.staged))
        return found

    def position_of(self, start: int, end: int) -> int | None:
        """Return where the builder has [start, end) in one piece, None if it has not."""
        index = self._first_overlap(start)
        if index == len(self.ranges):
            return None
        item = self.ranges[index]
        if item.start <= start and end <= item.end:
            return item.at + start - item.start
        return None

    def mark(self, start: int, end: int, *, staged: bool) -> None:
        """Set the staged flag of exactly [start, end), which is here whole."""
        if not staged:
            self._note_fresh(start, end)
        parts = self.overlapping(start, end)
        if all(part.staged == staged for part in parts):
            return
        self.remove(start, end)
        at = bisect_left(self.ranges, start, key=_start)
        self.ranges[at:at] = [PendingRange(p.start, p.end, p.at, staged) for p in parts]
        self.bytes += end - start

    def unstaged(self) -> list[int]:
        """Return the positions of what fsync has yet to put into the metadata.

        Looks at no others: a file that is written here and there has hundreds
        of ranges, and each fsync comes through here.
        """
        ranges = self.ranges
        first = self._first_overlap(self.fresh_start)
        last = bisect_left(ranges, self.fresh_end, key=_start)
        return [position for position in range(first, last) if not ranges[position].staged]

    def mark_staged(self) -> None:
        """fsync put every range into the metadata; neighbours become one (P8)."""
        settled = Layer(self.extent, self.settled)
        ranges = self.ranges
        fresh = self.unstaged()
        self.fresh_start, self.fresh_end = FILE_BYTES_MAX, 0
        for position in fresh:
            settled.add(ranges[position].start, ranges[position].end, ranges[position].start)
        # From behind, so that joining moves nothing that is still to be visited; what
        # is joined with the one before is visited again as part of that.
        for position in reversed(fresh):
            item = ranges[position]
            ranges[position] = PendingRange(item.start, item.end, item.at, staged=True)
            self._join(position + 1)
            self._join(position)

    def restore(self, ranges: list[PendingRange]) -> None:
        """Have *ranges* again, which were here before."""
        self.ranges[:] = ranges
        self.bytes = sum(item.end - item.start for item in ranges)
        self.fresh_start, self.fresh_end = 0, FILE_BYTES_MAX

    def _note_fresh(self, start: int, end: int) -> None:
        self.fresh_start = min(self.fresh_start, start)
        self.fresh_end = max(self.fresh_end, end)

    def _join(self, position: int) -> None:
        """Make one staged range of this and the one before if they adjoin."""
        if not 0 < position < len(self.ranges):
            return
        last, item = self.ranges[position - 1 : position + 1]
        if (last.end, last.at + last.end - last.start) == (item.start, item.at):
            whole = PendingRange(last.start, item.end, last.at, staged=True)
            self.ranges[position - 1 : position + 1] = [whole]

    def _first_overlap(self, start: int) -> int:
        """Return the position of the first range that ends behind *start*."""
        return bisect_right(self.ranges, start, key=_end)


def _start(item: PendingRange) -> int:
    return item.start


def _end(item: PendingRange) -> int:
    return item.end


@dataclass(slots=True)
class PendingFile:
    """The overlay of one inode: its layers, oldest first, and its size now."""

    inode_id: InodeId
    size: int
    layers: list[Layer] = field(default_factory=list)
    lost: str = ""
    """Why bytes that were accepted could not be kept; then nothing here is true."""

    def require_whole(self) -> None:
        """Raise DamagedDatabaseError when accepted bytes were lost (P1)."""
        if self.lost:
            raise DamagedDatabaseError(self.lost)

    def layer_of(self, extent: Sequenced) -> Layer:
        """Return the newest layer if it is of *extent*, else a new one on top."""
        if self.layers and self.layers[-1].extent is extent:
            return self.layers[-1]
        layer = Layer(extent)
        self.layers.append(layer)
        return layer

    def truncate(self, size: int) -> None:
        """Cut every layer (O4)."""
        for layer in self.layers:
            if layer.ranges and layer.ranges[-1].end > size:
                layer.remove(size, layer.ranges[-1].end)
        self.size = size

    def resolve(
        self, start: int, end: int
    ) -> tuple[list[tuple[PendingRange, Sequenced]], list[tuple[int, int]]]:
        """Return the newest pending bytes of [start, end), and the gaps below them."""
        found: list[tuple[PendingRange, Sequenced]] = []
        gaps = [(start, end)]
        for layer in reversed(self.layers):
            if not gaps:
                break
            remaining: list[tuple[int, int]] = []
            for low, high in gaps:
                at = low
                for item in layer.overlapping(low, high):
                    if item.start > at:
                        remaining.append((at, item.start))
                    found.append((item, layer.extent))
                    at = item.end
                if at < high:
                    remaining.append((at, high))
            gaps = remaining
        return found, gaps

    @property
    def bytes(self) -> int:
        """Pending bytes in all layers, hidden ones included."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def unstaged_bytes(self) -> int:
        """Pending bytes that fsync would have to stage."""
        return sum(
            layer.ranges[position].end - layer.ranges[position].start
            for layer in self.layers
            for position in layer.unstaged()
        )


def without_newer_staged(ranges: list[PendingRange], newer: list[Layer]) -> list[PendingRange]:
    """Return *ranges* less what newer layers have staged already.

    A layer that lands must not put its older bytes over what fsync made
    durable from a newer one, also when that was overwritten in its open
    builder since: a crash before that one lands would bring back bytes from
    before the fsync (O5, P2).
    """
    scratch = Layer(_NO_EXTENT, list(ranges))
    for layer in newer:
        for item in layer.settled:
            scratch.remove(item.start, item.end)
    return scratch.ranges


class _NoExtent:
    sequence = -1


_NO_EXTENT = _NoExtent()
