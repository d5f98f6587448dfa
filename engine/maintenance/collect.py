"""Gives space back: empties maps, drops extents, deletes files. In this order,
and each only when nobody can need it any more (P5).

A file is deleted after the group that dropped it is acknowledged, for a crash
before would bring the row back, and after every read that began before has
ended, for it may hold the old record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.clock import Clock
from engine.device.lanes import Lane
from engine.device.protocol import Device
from engine.errors import DamagedDatabaseError, DeviceError, EngineStoppedError, NameAbsentError
from engine.extents.disks import DiskSource
from engine.ids import DiskId, ExtentId, Generation, LayoutId
from engine.limits import FILE_BYTES_MAX, STEP_ROWS_MAX
from engine.maintenance.listing import FragmentListing
from engine.maintenance.topology import Topology
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.metadata.extents_table import DroppedFragment
from engine.metadata.read_gate import ReadGate
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.model.extent import fragment_name
from engine.observe.events import EventLog, EventSeverity

SWEEP_S: Final = 600.0
"""Between two searches for extents without segments; a crash forgets the hints."""

LISTING_S: Final = 24 * 3600.0
"""Between two listings of all disks for files that nobody names."""

SWEEP_PIECE_EXTENTS: Final = 2000
DROPS_PER_STEP: Final = STEP_ROWS_MAX // 16
"""Dropping an extent changes some 16 rows with 4+2."""

CANDIDATES_WAITING_MAX: Final = 4096
"""Above so many, no more are looked for: a step finds faster than one drops."""

FILES_PER_CALL: Final = 32
RETRY_S: Final = 30.0
"""A disk that refused a deletion is left alone this long."""


_START: Final = (0, 0, 0)
"""In front of the key of every ``dropped`` row."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files of one disk to delete. ``mark`` is None until *generation* is safe."""

    files: tuple[DroppedFragment, ...]
    generation: Generation
    mark: int | None = None


class _DeleteFiles:
    """Runs in a lane: delete files, durably; those that are gone are fine."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names: Final = names

    def __call__(self, device: Device) -> None:
        for name in self._names:
            try:
                device.delete(name)
            except NameAbsentError:
                continue
        # Else a power cut would bring back files whose rows are gone.
        device.sync(self._names)


class Collect:
    """Reaps maps, drops extents, deletes files. ``step`` by one thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventLog,
        topology: Topology,
        tables: Tables,
        readers: ReaderPool,
        gate: ReadGate,
        disks: DiskSource,
        unreferenced: UnreferencedFiles,
    ) -> None:
        self._clock: Final = clock
        self._events: Final = events
        self._topology: Final = topology
        self._tables: Final = tables
        self._store: Final = tables.store
        self._readers: Final = readers
        self._gate: Final = gate
        self._disks: Final = disks
        self._unreferenced: Final = unreferenced
        self._listing: Final = FragmentListing(disks, readers)
        self._batches: dict[DiskId, _Batch] = {}
        self._cursors: dict[DiskId, tuple[int, int, int]] = {}
        self._look_from: dict[DiskId, Generation] = {}
        self._retry_s: dict[DiskId, float] = {}
        self._sweep_cursor: ExtentId | None = ExtentId(0)
        self._next_sweep_s = clock.monotonic_s()
        self._next_listing_s = clock.monotonic_s() + SWEEP_S
        self._is_listing = False

    def step(self) -> bool:
        """Do one piece of each kind that has any; False when nothing could be done."""
        if not self._store.has_room():
            return False  # The journals do not keep up: nothing of this is urgent (P7).
        try:
            did = self._reap()
            did |= self._drop()
            did |= self._sweep()
            did |= self._delete()
            return did | self._list() | self._unreferenced.step()
        except EngineStoppedError:
            return False

    def _reap(self) -> bool:
        """Empty a map that a delete or a cut detached, some rows at a time.

        Attributes that a deleted inode left behind come first.
        """
        file_map, names, garbage = self._tables.file_map, self._tables.names, self._tables.garbage
        with self._store.lock:
            self._store.require_running()
            inode_id = names.next_to_reap()
            if inode_id is not None:
                with self._store.operation():
                    names.reap(inode_id)
                return True
            if garbage.count > CANDIDATES_WAITING_MAX:
                return False
            waiting = file_map.next_to_reap()
            if waiting is None:
                return False
            map_id, start = waiting
            with self._store.operation():
                cleared = file_map.clear(map_id, start, FILE_BYTES_MAX, row_limit=STEP_ROWS_MAX)
                if cleared.complete:
                    file_map.reaped(map_id)
            garbage.suspect(cleared.extents)
        return True

    def _drop(self) -> bool:
        """Drop extents that lost their last segment."""
        garbage, extents = self._tables.garbage, self._tables.extents
        if not garbage.count:
            return False
        with self._store.lock:
            self._store.require_running()
            candidates = garbage.take(DROPS_PER_STEP)
            unnamed = [one for one in candidates if self._can_go(one)]
            # What stays may be worth compacting; what goes is not any more.
            garbage.note_shrunk(candidates)
            if unnamed:
                with self._store.operation():
                    for extent_id in unnamed:
                        extents.drop(extent_id)
        return bool(candidates)

    def _can_go(self, extent_id: ExtentId) -> bool:
        if self._tables.extents.is_named(extent_id):
            return False
        try:
            return self._tables.extents.get(extent_id) is not None
        except DamagedDatabaseError as error:
            # Which files it has cannot be trusted, so it stays as it is.
            self._events.record(EventSeverity.ERROR, "collect", str(error))
            return False

    def _sweep(self) -> bool:
        """Look for extents without segments that no hint tells of."""
        garbage = self._tables.garbage
        if garbage.count > CANDIDATES_WAITING_MAX:
            return False
        if self._sweep_cursor is None:
            if self._clock.monotonic_s() < self._next_sweep_s and not garbage.forgot:
                return False
            self._sweep_cursor = ExtentId(0)
            garbage.forgot = False
        with self._readers.read() as connection:
            rows = list(
                connection.execute(
                    "SELECT id, EXISTS (SELECT 1 FROM segment WHERE extent = id)"
                    " FROM extent WHERE id > ? ORDER BY id LIMIT ?",
                    (self._sweep_cursor, SWEEP_PIECE_EXTENTS),
                )
            )
        unnamed = frozenset(ExtentId(row[0]) for row in rows if not row[1])
        with self._store.lock:
            garbage.suspect(unnamed)
        self._sweep_cursor = ExtentId(rows[-1][0]) if rows else None
        if not rows:
            self._next_sweep_s = self._clock.monotonic_s() + SWEEP_S
        return bool(rows)

    # Files

    def _delete(self) -> bool:
        """Bring one batch of each present disk further."""
        did = False
        for disk in self._topology.disks():
            if disk.present and self._clock.monotonic_s() >= self._retry_s.get(disk.disk_id, 0.0):
                did |= self._delete_on(disk.disk_id)
        return did

    def _delete_on(self, disk_id: DiskId) -> bool:
        batch = self._batches.get(disk_id) or self._new_batch(disk_id)
        if batch is None:
            return False
        if batch.mark is None:
            if self._topology.acknowledged() < batch.generation:
                self._batches[disk_id] = batch
                return False
            # Reads that begin from now on find the new record.
            batch = _Batch(batch.files, batch.generation, self._gate.mark())
        self._batches[disk_id] = batch
        if batch.mark is None or not self._gate.passed(batch.mark):
            return False
        del self._batches[disk_id]
        names = [fragment_name(one.extent_id, one.layout, one.index) for one in batch.files]
        try:
            call = _DeleteFiles(names)
            self._disks.wait(self._disks.submit(disk_id, Lane.MAINTENANCE, call))
        except DeviceError as error:
            self._disks.report_failure(disk_id, error)
            self._retry_s[disk_id] = self._clock.monotonic_s() + RETRY_S
            return False
        with self._store.operation():
            for one in batch.files:
                self._tables.extents.forget_dropped(one)
        last = batch.files[-1]
        self._cursors[disk_id] = (last.extent_id, last.index, last.layout)
        return True

    def _new_batch(self, disk_id: DiskId) -> _Batch | None:
        """Return files to delete that committed rows name, if there may be any."""
        committed = self._store.template.generation
        if committed < self._look_from.get(disk_id, Generation(0)):
            return None
        cursor = self._cursors.get(disk_id, _START)
        # Without the write lock: rows of a missing disk may be many to step over.
        with self._readers.read() as connection:
            rows = list(
                connection.execute(
                    "SELECT extent, position, layout FROM dropped WHERE disk = ?"
                    " AND (extent, position, layout) > (?, ?, ?)"
                    " ORDER BY extent, position, layout LIMIT ?",
                    (disk_id, *cursor, FILES_PER_CALL),
                )
            )
        if not rows:
            # Rows removed since are still in what readers see: look again behind
            # the next commit, from the start.
            self._cursors.pop(disk_id, None)
            self._look_from[disk_id] = Generation(committed + 1)
            return None
        files = [
            DroppedFragment(ExtentId(row[0]), row[1], LayoutId(row[2]), disk_id) for row in rows
        ]
        # Taken behind the read, so no row is of a later group.
        return _Batch(tuple(files), self._store.template.generation)

    def _list(self) -> bool:
        """Once a day, look for files that nobody names."""
        if not self._is_listing:
            if self._clock.monotonic_s() < self._next_listing_s:
                return False
            self._listing.begin([d.disk_id for d in self._topology.disks() if d.readable])
            self._is_listing = True
        files = self._listing.next_files()
        if files is None:
            self._is_listing = False
            self._next_listing_s = self._clock.monotonic_s() + LISTING_S
            return False
        for file in files:
            self._unreferenced.offer(file)
        return True
