"""Frozen builders become extents: written in parallel, landed in order (O3).

A builder whose write fails is tried again while its bytes stay in memory:
nothing accepted is dropped. Waiters hear the error after a bounded time. One
that cannot be written, for want of disks for its redundancy, holds up only
the files that have bytes in it (P4).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from engine.clock import Clock
from engine.device.lanes import Lane
from engine.errors import DamagedDatabaseError, EngineError, RetryableError
from engine.extents.writer import ExtentWriter
from engine.ids import InodeId
from engine.limits import BLOCK_BYTES, STEP_ROWS_MAX
from engine.metadata.tables import Tables
from engine.model.inode import Inode, Segment
from engine.vfs.overlay import Layer, PendingFile, PendingRange, without_newer_staged
from engine.vfs.pending import Pending, PendingExtent

WRITERS: Final = 4
"""Each more hides waits for flushes; measured on six directories, more than four gain nothing."""

RETRY_S: Final = 1.0
"""Between two tries of a builder that cannot be written now."""

LANDING_S_MAX: Final = 60.0
"""How long a waiter waits for builders; then it hears what went wrong."""


class LandingError(RetryableError):
    """Accepted data cannot be written now; it stays in memory and is tried again."""


def _told(error: Exception) -> EngineError:
    """Return *error* as waiters and the event log hear it."""
    if isinstance(error, EngineError):
        return error
    return LandingError(f"{type(error).__name__}: {error}")


class Landing:
    """Threads that write frozen builders and put them into the metadata."""

    def __init__(
        self,
        *,
        tables: Tables,
        pending: Pending,
        writer: ExtentWriter,
        clock: Clock,
        on_error: Callable[[EngineError], None],
    ) -> None:
        self._tables = tables
        self._store = tables.store
        self._pending = pending
        self._writer = writer
        self._clock = clock
        self._on_error = on_error
        self._landing_lock = threading.Lock()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, name=f"landing-{number}", daemon=True)
            for number in range(WRITERS)
        ]

    def start(self) -> None:
        """Start the writer threads."""
        for thread in self._threads:
            thread.start()

    def close(self, timeout_s: float) -> None:
        """Stop the threads; what did not land stays pending."""
        with self._store.lock:
            self._closing = True
            self._pending.changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)

    def wait_landed(self, sequence: int, timeout_s: float = LANDING_S_MAX) -> None:
        """Wait until every builder up to *sequence* has landed.

        Raises:
            LandingError: it did not in time; names why.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        pending = self._pending
        with self._store.lock:
            while pending.frozen and pending.frozen[0].sequence <= sequence:
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0 or self._closing or self._store.stopped:
                    raise LandingError(self._why(pending.frozen[0]))
                self._clock.wait(pending.changed, min(left_s, RETRY_S))

    def wait_file(self, file: PendingFile, sequence: int, timeout_s: float = LANDING_S_MAX) -> None:
        """Wait until what *file* has in builders up to *sequence* has landed.

        Raises:
            LandingError: it did not in time; names why.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        with self._store.lock:
            files = self._pending.files
            # A file that was removed or emptied meanwhile has nothing left to wait for.
            while files.get(file.inode_id) is file and file.layers:
                extent = file.layers[0].extent
                # What is in an open builder came behind the call: it froze the one before.
                if not extent.sequence or extent.sequence > sequence:
                    return
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0 or self._closing or self._store.stopped:
                    assert isinstance(extent, PendingExtent)
                    raise LandingError(self._why(extent))
                self._clock.wait(self._pending.changed, min(left_s, RETRY_S))

    def wait_for_room(self, timeout_s: float) -> None:
        """Wait until some builder changes its state, at most *timeout_s*."""
        with self._store.lock:
            self._clock.wait(self._pending.changed, timeout_s)

    def reason(self) -> str:
        """Return why the oldest builder has not landed, for people."""
        with self._store.lock:
            frozen = self._pending.frozen
            return self._why(frozen[0]) if frozen else "no buffer is free"

    def _why(self, extent: PendingExtent) -> str:
        if self._store.stopped:
            return self._store.stopped
        return str(extent.error) if extent.error else "the disks did not take the data in time"

    # Threads

    def _run(self) -> None:
        while True:
            with self._store.lock:
                extent = self._claim()
                if extent is None:
                    if self._closing:
                        return
                    self._clock.wait(self._pending.changed, RETRY_S)
                    continue
            try:
                self._write(extent)
                self._land_ready()
            except Exception as error:  # whatever it is, this thread must not die in silence
                # The group is lost (C8), or the metadata contradict themselves:
                # nothing may be built on them any more.
                self._store.stop(f"data cannot land: {error}; reopen the pool")
                self._on_error(_told(error))
                return

    def _claim(self) -> PendingExtent | None:
        if self._closing or self._store.stopped:
            return None
        # Those that failed come last, or they could keep every thread (P4).
        for extent in sorted(self._pending.frozen, key=lambda one: one.error is not None):
            if not extent.claimed:
                if extent.extent_id is None:
                    extent.extent_id = self._store.new_extent_id()
                    # Its files will be there before any row names them, for as long
                    # as an older builder cannot land: nobody may take them for
                    # leftovers (P5).
                    self._tables.garbage.begin_landing(extent.extent_id)
                extent.claimed = True
                return extent
        return None

    def _write(self, extent: PendingExtent) -> None:
        """Write one builder to the disks, or leave it for a later try."""
        with self._store.lock:
            wanted = extent.is_wanted
            generation, epoch = self._store.open_generation, self._store.epoch
        if not wanted:
            extent.written = True
            return
        assert extent.extent_id is not None
        builder = extent.builder
        try:
            extent.record = self._writer.write(
                builder.buffer,
                extent_id=extent.extent_id,
                length_bytes=builder.length,
                redundancy=builder.redundancy,
                tier=builder.tier,
                epoch=epoch,
                generation=generation,
                pool_uuid=self._store.template.pool_uuid,
                new_layout=self._store.new_layout_id,
                lane=Lane.FOREGROUND,
            )
            extent.written = True
            extent.error = None
        except Exception as error:  # a claimed builder must be tried again, or all behind it wait
            told = _told(error)
            self._on_error(told)
            with self._store.lock:
                extent.error = told
                self._clock.wait(self._pending.changed, RETRY_S)
                extent.claimed = False

    def _land_ready(self) -> None:
        """Land what is written and not on top of what is not (O3)."""
        with self._landing_lock:
            while True:
                with self._store.lock:
                    extent = None if self._store.stopped else self._pending.next_to_land()
                if extent is None:
                    return
                self._land(extent)

    def _land(self, extent: PendingExtent) -> None:
        """Put one written builder into the metadata, some files per operation."""
        assert extent.extent_id is not None
        if extent.record is not None:
            with self._store.operation():
                self._tables.extents.insert(extent.record)
        waiting = list(extent.layers.items())
        while waiting:
            batch = self._next_files(waiting)
            try:
                self._land_files(extent, batch)
            except DamagedDatabaseError:
                for one in batch:
                    self._land_or_give_up(extent, one)
            waiting = waiting[len(batch) :]
        with self._store.lock:
            self._tables.garbage.end_landing(extent.extent_id)
            self._pending.frozen.remove(extent)
            self._pending.release(extent, landed=extent.record is not None)

    @staticmethod
    def _next_files(waiting: list[tuple[InodeId, Layer]]) -> list[tuple[InodeId, Layer]]:
        """Return the first files of *waiting*: as many as one step may change.

        Their bytes count, too: each block of them may replace a row.
        """
        rows = length = 0
        batch: list[tuple[InodeId, Layer]] = []
        for inode_id, layer in waiting:
            rows += 1 + len(layer.ranges)
            length += layer.bytes
            if batch and (rows > STEP_ROWS_MAX // 2 or length > STEP_ROWS_MAX * BLOCK_BYTES):
                break
            batch.append((inode_id, layer))
        return batch

    def _land_files(self, extent: PendingExtent, batch: list[tuple[InodeId, Layer]]) -> None:
        """Land the files of *batch* in one operation."""
        with self._store.lock:
            with self._store.operation():
                for inode_id, layer in batch:
                    self._land_file(extent, inode_id, layer)
            for inode_id, layer in batch:
                self._retire(inode_id, layer)

    def _land_or_give_up(self, extent: PendingExtent, one: tuple[InodeId, Layer]) -> None:
        """Land one file; if its rows are damaged, it fails and all others go on (P4)."""
        try:
            self._land_files(extent, [one])
        except DamagedDatabaseError as error:
            reason = f"data of inode {one[0]} could not be kept: {error}"
            with self._store.lock:
                self._pending.give_up(one[0], reason)
            self._on_error(DamagedDatabaseError(reason))

    def _land_file(self, extent: PendingExtent, inode_id: InodeId, layer: Layer) -> None:
        """Apply one file's ranges with the size they imply; inside an operation."""
        file = self._pending.files.get(inode_id)
        inode = self._tables.inodes.get(inode_id)
        if file is None or inode is None or layer not in file.layers:
            return
        end = 0
        if layer.ranges:
            end = layer.ranges[-1].end
            self._land_ranges(extent, inode, without_newer_staged(layer.ranges, file.layers[1:]))
        # The last layer brings growth by truncation with it too, also when all
        # its bytes were cut off before (O4).
        last = len(file.layers) == 1
        size = file.size if last else max(inode.size, end)
        if size != inode.size:
            self._tables.inodes.resize(inode, size)

    def _land_ranges(self, extent: PendingExtent, inode: Inode, ranges: list[PendingRange]) -> None:
        assert extent.record is not None
        file_map, garbage = self._tables.file_map, self._tables.garbage
        for item in ranges:
            cleared = file_map.clear(inode.map_id, item.start, item.end, item.end - item.start + 1)
            garbage.suspect(cleared.extents)
            file_map.put_segment(
                inode.map_id,
                Segment(item.start, item.end - item.start, extent.record.extent_id, item.at),
            )

    def _retire(self, inode_id: InodeId, layer: Layer) -> None:
        """Forget a layer that landed; under the write lock."""
        file = self._pending.files.get(inode_id)
        if file is None or not file.layers or file.layers[0] is not layer:
            return
        del file.layers[0]
        # What fsync staged is in the metadata already: to land it changes no byte.
        if any(not item.staged for item in layer.ranges):
            self._pending.note_in_group(inode_id, file.size)
        if not file.layers:
            inode = self._tables.inodes.get(inode_id)
            if inode is None or inode.size == file.size:
                del self._pending.files[inode_id]
