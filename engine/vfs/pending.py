"""Open and frozen builders, and the overlay over the committed files (O1-O7).

Everything here is protected by the write lock; nothing here waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.clock import Clock
from engine.errors import EngineError
from engine.extents.buffers import BufferPool, ExtentBuffer
from engine.extents.builder import ExtentBuilder
from engine.ids import ExtentId, InodeId
from engine.limits import EXTENT_BYTES_MAX
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord
from engine.model.redundancy import Redundancy
from engine.vfs.overlay import Layer, PendingFile, Sequenced
from engine.vfs.space import SpaceAccount

RANGES_PER_EXTENT_MAX = 8192
"""A builder is frozen at this many notes, so that tiny writes stay bounded (P8)."""


@dataclass(slots=True, eq=False)
class PendingExtent:
    """A builder with the files that have bytes in it."""

    builder: ExtentBuilder
    layers: dict[InodeId, Layer] = field(default_factory=dict)
    extent_id: ExtentId | None = None
    notes: int = 0
    claimed: bool = False
    record: ExtentRecord | None = None
    written: bool = False
    error: EngineError | None = None

    @property
    def sequence(self) -> int:
        """Order in which builders were opened."""
        return self.builder.sequence

    @property
    def is_wanted(self) -> bool:
        """Whether any range is still current (O6)."""
        return any(layer.ranges for layer in self.layers.values())


@dataclass(frozen=True, slots=True)
class Placement:
    """How new data is stored now."""

    redundancy: Redundancy
    tier: Tier


class Pending:
    """All data that is accepted but not committed."""

    def __init__(
        self,
        *,
        buffers: BufferPool,
        space: SpaceAccount,
        placement: Callable[[], Placement],
        clock: Clock,
        lock: threading.RLock,
    ) -> None:
        self._buffers = buffers
        self._space = space
        self._placement = placement
        self._clock = clock
        self._sequence = 0
        self.files: dict[InodeId, PendingFile] = {}
        self.open: PendingExtent | None = None
        self.frozen: list[PendingExtent] = []
        """Oldest first; they land in this order (O3)."""
        self.changed = threading.Condition(lock)
        """Notified when a builder froze, landed or failed."""

    # Look

    def visible_size(self, inode_id: InodeId, committed: int) -> int:
        """Return the size programs see."""
        file = self.files.get(inode_id)
        return committed if file is None else file.size

    @property
    def dirty_bytes(self) -> int:
        """Bytes in builders that have not landed."""
        extents = [*self.frozen, self.open] if self.open else self.frozen
        return sum(one.builder.length for one in extents)

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
        if not self._overwrite(file, offset, end, data):
            room = self._room()
            following: PendingExtent | None = None
            if len(data) > room:
                following = self._take_next()
                if following is None:
                    return False
            head, rest = data[:room], data[room:]
            if len(head):
                self._append(file, offset, head)
            if following is not None:
                self.freeze_open()
                self.open = following
                self._append(file, offset + len(head), rest)
        file.size = max(file.size, end)
        if self.open is not None and self.open.builder.room == 0:
            self.freeze_open()
        return True

    def _room(self) -> int:
        if self.open is None or self.open.notes >= RANGES_PER_EXTENT_MAX:
            return 0
        return self.open.builder.room

    def _overwrite(self, file: PendingFile, start: int, end: int, data: memoryview) -> bool:
        """Replace bytes that are still in the open builder, in one piece."""
        if not file.layers or file.layers[-1].extent is not self.open or self.open is None:
            return False
        if self.open.notes >= RANGES_PER_EXTENT_MAX:
            return False
        layer = file.layers[-1]
        at = layer.position_of(start, end)
        if at is None:
            return False
        self.open.builder.overwrite(at, data)
        before = len(layer.ranges)
        layer.mark(start, end, staged=False)
        self.open.notes += len(layer.ranges) - before
        return True

    def _append(self, file: PendingFile, offset: int, data: memoryview) -> None:
        extent = self.open
        assert extent is not None
        at = extent.builder.append(data)
        layer = file.layer_of(extent)
        extent.layers[file.inode_id] = layer
        layer.add(offset, offset + len(data), at)
        extent.notes += 1

    def _take_next(self) -> PendingExtent | None:
        placement = self._placement()
        self._space.reserve()
        buffer: ExtentBuffer | None = None
        try:
            buffer = self._buffers.try_take(placement.redundancy)
        finally:
            if buffer is None:
                self._space.release(landed=False)
        if buffer is None:
            return None
        self._sequence += 1
        builder = ExtentBuilder(
            buffer,
            sequence=self._sequence,
            redundancy=placement.redundancy,
            tier=placement.tier,
            opened_s=self._clock.monotonic_s(),
        )
        return PendingExtent(builder)

    # Freeze and let go

    def freeze_open(self) -> None:
        """End the open builder, if there is one; it will land."""
        extent = self.open
        if extent is None:
            return
        self.open = None
        extent.builder.freeze()
        self.frozen.append(extent)
        self.changed.notify_all()

    def freeze_older_than(self, seconds: float) -> None:
        """Freeze the open builder when its first byte is this old."""
        extent = self.open
        if extent is None or not extent.builder.length:
            return
        if self._clock.monotonic_s() - extent.builder.opened_s >= seconds:
            self.freeze_open()

    def release(self, extent: PendingExtent, *, landed: bool) -> None:
        """Give buffer and reservation of a builder back; it left ``frozen``."""
        extent.builder.release(self._buffers)
        self._space.release(landed=landed)
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
            layer.ranges.clear()
        file.layers.clear()
        file.lost = reason

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
                layer.ranges[:] = ranges
            self.files[inode_id] = file

        return restore

    def forget(self, inode_id: InodeId) -> None:
        """Drop everything pending for an inode (it is gone, or empty now)."""
        file = self.files.pop(inode_id, None)
        if file is None:
            return
        for layer in file.layers:
            layer.ranges.clear()

    def newest_sequence(self, file: PendingFile) -> int:
        """Freeze what *file* has in the open builder; return its newest sequence."""
        if not file.layers:
            return 0
        newest = file.layers[-1].extent
        if newest is self.open:
            self.freeze_open()
        return newest.sequence

    def seal_all(self) -> int:
        """Freeze the open builder; return the newest sequence there is."""
        self.freeze_open()
        return self.frozen[-1].sequence if self.frozen else 0


assert RANGES_PER_EXTENT_MAX <= EXTENT_BYTES_MAX
