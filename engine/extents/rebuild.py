"""Writes fragments anew, or a whole extent in another form.

Both copy first and change nothing else: the caller commits the result, and
only then may anything old be deleted (P5). Repeating either is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from engine.device.lanes import Lane
from engine.extents.buffers import ExtentBuffer
from engine.extents.payloads import FragmentContent
from engine.extents.slices import Progress, SliceSource, no_progress
from engine.extents.writer import ExtentWriter
from engine.ids import DiskId, Epoch, Generation, LayoutId, PoolUuid
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import Redundancy


class ExtentRebuilder:
    """Rebuilds and re-encodes extents of one pool. Thread-safe."""

    def __init__(self, slices: SliceSource, writer: ExtentWriter) -> None:
        self._slices: Final = slices
        self._writer: Final = writer

    def rebuild_fragments(
        self,
        record: ExtentRecord,
        targets: Mapping[int, DiskId],
        *,
        epoch: Epoch,
        generation: Generation,
        pool_uuid: PoolUuid,
        new_layout: Callable[[], LayoutId],
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> tuple[FragmentRef, ...]:
        """Write the fragments *targets* names to the disks it gives, durably.

        A fragment that its present disk still gives is copied, any other is
        reconstructed. Each gets a layout of its own. Memory: one payload for
        each, and RECONSTRUCT_BYTES_MAX of each source.

        Raises:
            ExtentUnrecoverableError: fewer than k fragments are left of a page.
            DamagedPageError: what was reconstructed is not what was written.
            DeviceError: a target did not take its fragment; those written
                before it are unreferenced.
        """
        content = FragmentContent(
            pool_uuid=pool_uuid,
            extent_id=record.extent_id,
            redundancy=record.redundancy,
            length_bytes=record.length_bytes,
            epoch=epoch,
            generation=generation,
        )
        # Memory of its own, never the pool's: writers must not wait for it (P7).
        payloads = {index: ExtentBuffer(record.slice_bytes).view for index in targets}
        self._slices.fill(record, payloads, lane=lane, progress=progress)
        return tuple(
            self._writer.write_fragment(
                payloads[index],
                content=content,
                index=index,
                disk_id=disk_id,
                layout=new_layout(),
                lane=lane,
            )
            for index, disk_id in sorted(targets.items())
        )

    def load(
        self,
        record: ExtentRecord,
        indexes: Iterable[int],
        *,
        buffer: ExtentBuffer,
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> None:
        """Bring the data slices *indexes* to their place in *buffer*, proven.

        Offsets in *buffer* are then offsets in the extent; what is of other
        slices is undefined.

        Raises:
            ExtentUnrecoverableError: fewer than k fragments are left of a page.
            DamagedPageError: what was reconstructed is not what was written.
        """
        size = record.slice_bytes
        data = {index: buffer.view[index * size : (index + 1) * size] for index in indexes}
        self._slices.fill(record, data, lane=lane, progress=progress)

    def reencode(
        self,
        record: ExtentRecord,
        redundancy: Redundancy,
        *,
        buffer: ExtentBuffer,
        tier: Tier,
        epoch: Epoch,
        generation: Generation,
        pool_uuid: PoolUuid,
        new_layout: Callable[[], LayoutId],
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> ExtentRecord:
        """Write the extent with *redundancy* in *tier*; return its new record.

        The extent keeps its id and bytes. *buffer* has room for the data
        slices of both forms (DATA_ROOM_BYTES); its content is overwritten.

        Raises:
            ExtentUnrecoverableError: fewer than k fragments are left of a page.
            NoSpaceError: the disks there are cannot hold the tolerance.
        """
        every = range(record.needed_count)
        self.load(record, every, buffer=buffer, lane=lane, progress=progress)
        return self._writer.write(
            buffer,
            extent_id=record.extent_id,
            length_bytes=record.length_bytes,
            redundancy=redundancy,
            tier=tier,
            epoch=epoch,
            generation=generation,
            pool_uuid=pool_uuid,
            new_layout=new_layout,
            lane=lane,
        )


def lost_indexes(record: ExtentRecord, disk_ids: Sequence[DiskId]) -> tuple[int, ...]:
    """Return the indexes of the fragments that lie on *disk_ids*."""
    gone = frozenset(disk_ids)
    return tuple(ref.index for ref in record.fragments if ref.disk_id in gone)
