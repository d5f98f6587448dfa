"""Open and frozen builders, and the overlay over the committed files (O1-O7).

One builder is open for each placement in use. What a file has in an open
builder is its newest layer: before it gets bytes in another one, that one is
frozen, so a file's layers land in the order they were made (O3).

Everything here is protected by the write lock; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.clock import Clock
from engine.errors import EngineError
from engine.extents.buffers import BufferPool, ExtentBuffer
from engine.extents.builder import ExtentBuilder
from engine.ids import ExtentId, InodeId
from engine.limits import EXTENT_BYTES_MAX
from engine.metadata.write_lock import WriteLock
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord
from engine.model.redundancy import Redundancy
from engine.vfs.overlay import Layer, PendingFile, Sequenced
from engine.vfs.space import SpaceAccount

RANGES_PER_EXTENT_MAX = 8192
"""A builder is frozen at this many notes, so that tiny writes stay bounded (P8)."""

OPEN_BUILDERS_MAX: Final = 4
"""Placements with an open builder (P8); the others' buffers are there to land."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How new data is stored now."""

    redundancy: Redundancy
    tier: Tier


@dataclass(slots=True, eq=False)
class PendingExtent:
    """A builder with the files that have bytes in it."""

    builder: ExtentBuilder
    placement: Placement
    """How it will be stored."""
    units: int = 1
    """What is reserved for it."""
    sequence: int = 0
    """Order in which builders froze, and land for each file (O3); 0 while open."""
    layers: dict[InodeId, Layer] = field(default_factory=dict)
    extent_id: ExtentId | None = None
    notes: int = 0
    claimed: bool = False
    record: ExtentRecord | None = None
    written: bool = False
    error: EngineError | None = None

    @property
    def is_noted_full(self) -> bool:
        """Whether it takes no more notes, though bytes may have room."""
        return self.notes >= RANGES_PER_EXTENT_MAX

    @property
    def is_wanted(self) -> bool:
        """Whether any range is still current (O6)."""
        return any(layer.ranges for layer in self.layers.values())


class Pending:
    """All data that is accepted but not committed."""

    def __init__(
        self,
        *,
        buffers: BufferPool,
        space: SpaceAccount,
        placement: Callable[[InodeId], Placement],
        clock: Clock,
        lock: WriteLock,
    ) -> None:
        """*placement* says how new data of an inode is stored now."""
        self._buffers = buffers
        self._space = space
        self._placement = placement
        self._clock = clock
        self._opened_count = 0
        self._frozen_count = 0
        self.files: dict[InodeId, PendingFile] = {}
        self.open: dict[Placement, PendingExtent] = {}
        """At most OPEN_BUILDERS_MAX, in the order they were opened."""
        self.frozen: list[PendingExtent] = []
        """Oldest first; those of one file land in this order (O3)."""
        self._in_group: dict[InodeId, int] = {}
        """Files, with their size, whose bytes the open group changes."""
        self.changed = lock.condition()
        """Notified when a builder froze, landed or failed."""

    # Look

    def visible_size(self, inode_id: InodeId, committed: int) -> int:
        """Return the size programs see."""
        file = self.files.get(inode_id)
        return committed if file is None else file.size

    @property
    def dirty_bytes(self) -> int:
        """Bytes in builders that have not landed."""
        return sum(one.builder.length for one in (*self.frozen, *self.open.values()))

    @property
    def open_room_bytes(self) -> int:
        """Bytes that the open builders still take."""
        return sum(one.builder.room for one in self.open.values())

    def bytes_of(self, extent: Sequenced, at: int, length: int) -> bytes:
        """Return pending bytes of a layer's builder."""
        assert isinstance(extent, PendingExtent)
        return extent.builder.read(at, length)

    # Accept

    def accept(self, file: PendingFile, offset: int, data: memoryview) -> bool:
        """Take *data* (at most one extent long) for *file*; False when no buffer is free.

        Nothing is taken when this returns False or raises.

        Raises:
            NoSpaceError: no room for another extent (P6).
        """
        end = offset + len(data)
        placement = self._placement(file.inode_id)
        extent = self._open_for(file, placement)
        if extent is None or not self._overwrite(file, extent, offset, end, data):
            room = 0 if extent is None or extent.is_noted_full else extent.builder.room
            following: PendingExtent | None = None
            if len(data) > room:
                following = self._take_next(placement)
                if following is None:
                    return False
            head, rest = data[:room], data[room:]
            if extent is not None and len(head):
                self._append(file, extent, offset, head)
            if following is not None:
                self._open_next(placement, following)
                self._append(file, following, offset + len(head), rest)
                extent = following
        file.size = max(file.size, end)
        if extent is not None and extent.builder.room == 0:
            self._freeze(extent)
        return True

    def _open_for(self, file: PendingFile, placement: Placement) -> PendingExtent | None:
        """Return the open builder of *placement*, the only one *file* is in then.

        Its policy may have changed since it was written: what it has in a
        builder of another placement is older, and must freeze first (O3).
        """
        newest = file.layers[-1].extent if file.layers else None
        if isinstance(newest, PendingExtent) and not newest.sequence:
            # One file after the other asks for the same: most often it is the very object.
            if newest.placement is placement or newest.placement == placement:
                return newest
            self._freeze(newest)
        return self.open.get(placement)

    def _overwrite(
        self, file: PendingFile, extent: PendingExtent, start: int, end: int, data: memoryview
    ) -> bool:
        """Replace bytes that are still in the open builder, in one piece."""
        if not file.layers or file.layers[-1].extent is not extent or extent.is_noted_full:
            return False
        layer = file.layers[-1]
        at = layer.position_of(start, end)
        if at is None:
            return False
        extent.builder.overwrite(at, data)
        before = len(layer.ranges)
        layer.mark(start, end, staged=False)
        extent.notes += len(layer.ranges) - before
        return True

    def _append(
        self, file: PendingFile, extent: PendingExtent, offset: int, data: memoryview
    ) -> None:
        at = extent.builder.append(data)
        layer = file.layer_of(extent)
        extent.layers[file.inode_id] = layer
        layer.add(offset, offset + len(data), at)
        extent.notes += 1

    def _take_next(self, placement: Placement) -> PendingExtent | None:
        units = self._space.reserve(placement.redundancy)
        buffer: ExtentBuffer | None = None
        try:
            buffer = self._buffers.try_take()
        finally:
            if buffer is None:
                self._space.release(landed=False, units=units)
        if buffer is None:
            return None
        self._opened_count += 1
        builder = ExtentBuilder(
            buffer,
            sequence=self._opened_count,
            redundancy=placement.redundancy,
            tier=placement.tier,
            opened_s=self._clock.monotonic_s(),
        )
        return PendingExtent(builder, placement, units)

    def _open_next(self, placement: Placement, following: PendingExtent) -> None:
        """Make *following* the open builder of *placement*; the one before freezes."""
        before = self.open.get(placement)
        if before is not None:
            self._freeze(before)
        elif len(self.open) >= OPEN_BUILDERS_MAX:
            self._freeze(next(iter(self.open.values())))
        self.open[placement] = following

    # Freeze and let go

    def freeze_open(self) -> None:
        """End all open builders; they will land."""
        for extent in list(self.open.values()):
            self._freeze(extent)

    def _freeze(self, extent: PendingExtent) -> None:
        del self.open[extent.placement]
        self._frozen_count += 1
        extent.sequence = self._frozen_count
        extent.builder.freeze()
        self.frozen.append(extent)
        self.changed.notify_all()

    def freeze_older_than(self, seconds: float) -> None:
        """Freeze the open builders whose first byte is this old."""
        now_s = self._clock.monotonic_s()
        for extent in list(self.open.values()):
            if extent.builder.length and now_s - extent.builder.opened_s >= seconds:
                self._freeze(extent)

    def next_to_land(self) -> PendingExtent | None:
        """Return the oldest written builder with nothing unlanded below its layers.

        Builders in front of it are of other files, and could not be written so
        far: for want of disks for one redundancy no other waits (P4).
        """
        for extent in self.frozen:
            if not extent.written and extent.error is None:
                return None
            if extent.written and all(
                self._is_oldest(inode_id, layer) for inode_id, layer in extent.layers.items()
            ):
                return extent
        return None

    def _is_oldest(self, inode_id: InodeId, layer: Layer) -> bool:
        """Whether nothing of the file waits below *layer*, or the layer is moot."""
        file = self.files.get(inode_id)
        return file is None or layer not in file.layers or file.layers[0] is layer

    def release(self, extent: PendingExtent, *, landed: bool) -> None:
        """Give buffer and reservation of a builder back; it left ``frozen``."""
        extent.builder.release(self._buffers)
        self._space.release(landed=landed, units=extent.units)
        self.changed.notify_all()

    # Files

    def file_of(self, inode_id: InodeId, committed_size: int) -> PendingFile:
        """Return the overlay of an inode, made when there is none.

        Raises:
            DamagedDatabaseError: accepted bytes of it were lost.
        """
        file = self.files.get(inode_id)
        if file is None:
            file = PendingFile(inode_id, committed_size)
            self.files[inode_id] = file
        file.require_whole()
        return file

    def give_up(self, inode_id: InodeId, reason: str) -> None:
        """Drop what is pending for a file whose rows are damaged; it fails from now on.

        Later layers go with it: on top of what is missing they would make a
        file that never was (O3).
        """
        file = self.files.get(inode_id)
        if file is None:
            return
        for layer in file.layers:
            layer.clear()
        file.layers.clear()
        file.lost = reason

    def note_in_group(self, inode_id: InodeId, size: int) -> None:
        """The open group changes the bytes of a file, so they can be lost with it."""
        self._in_group[inode_id] = size

    def group_committed(self) -> None:
        """What the open group had cannot be lost with it any more."""
        self._in_group.clear()

    def group_lost(self, reason: str) -> None:
        """Let every file fail whose bytes the group changed.

        Committed rows below what is pending would make a file that never was (P1,
        C8). All others are what they were, with what is pending for them.
        """
        for inode_id, size in self._in_group.items():
            self.files.setdefault(inode_id, PendingFile(inode_id, size))
            self.give_up(inode_id, reason)

    def require_whole(self) -> None:
        """Raise DamagedDatabaseError when accepted bytes of any file were lost."""
        for file in self.files.values():
            file.require_whole()

    def settle(self, file: PendingFile, committed_size: int) -> None:
        """Forget the overlay when nothing in it is pending any more."""
        if not file.layers and file.size == committed_size:
            self.files.pop(file.inode_id, None)

    def keep(self, inode_id: InodeId) -> Callable[[], None]:
        """Return what brings the overlay of an inode back to what it is now.

        For an operation that may yet be undone after it cut or forgot it.
        """
        file = self.files.get(inode_id)
        if file is None:
            return lambda: None
        size, layers = file.size, [(layer, layer.ranges[:]) for layer in file.layers]

        def restore() -> None:
            file.size = size
            for layer, ranges in layers:
                layer.restore(ranges)
            self.files[inode_id] = file

        return restore

    def forget(self, inode_id: InodeId) -> None:
        """Drop everything pending for an inode (it is gone, or empty now)."""
        file = self.files.pop(inode_id, None)
        if file is None:
            return
        if file.layers:
            # Committed bytes that were overwritten must not show if this is undone.
            self.note_in_group(inode_id, file.size)
        for layer in file.layers:
            layer.clear()

    def newest_sequence(self, file: PendingFile) -> int:
        """Freeze what *file* has in the open builder; return its newest sequence."""
        if not file.layers:
            return 0
        newest = file.layers[-1].extent
        if isinstance(newest, PendingExtent) and not newest.sequence:
            self._freeze(newest)
        return newest.sequence

    def seal_all(self) -> int:
        """Freeze the open builders; return the newest sequence there is."""
        self.freeze_open()
        return self.frozen[-1].sequence if self.frozen else 0


assert RANGES_PER_EXTENT_MAX <= EXTENT_BYTES_MAX
