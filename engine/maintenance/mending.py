"""Closes the difference of one extent: copy, commit, then let Collect delete (P5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from engine.device.lanes import Lane
from engine.errors import NoSpaceError
from engine.extents.buffers import DATA_ROOM_BYTES, SpareBuffers
from engine.extents.disks import DiskSource
from engine.extents.rebuild import ExtentRebuilder
from engine.extents.writer import ExtentWriter, fragment_file_bytes
from engine.ids import DiskId, ExtentId
from engine.maintenance.desired import Action, Desired, PoolFacts
from engine.maintenance.scan import Decide, Difference, damaged_indexes
from engine.metadata.tables import Tables
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import Redundancy, fragment_count, slice_bytes
from engine.policy.ordering import WorkKind
from engine.policy.placement import Purpose, choose_disks
from engine.policy.succession import choose_successors

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done. ``committed`` is False when the record changed meanwhile."""

    committed: bool
    fragments: int
    written_bytes: int


def bytes_to_write(record: ExtentRecord, desired: Desired) -> int:
    """Return the payload bytes that *desired* has to write."""
    if desired.redundancy is not None:
        compacts = desired.action is Action.COMPACT
        length_bytes = desired.live_bytes if compacts else record.length_bytes
        size = slice_bytes(desired.redundancy, length_bytes)
        return size * fragment_count(desired.redundancy)
    return record.slice_bytes * len(desired.indexes)


class Mender:
    """Looks at one extent, and mends it. ``mend`` by several threads at once."""

    def __init__(
        self,
        *,
        tables: Tables,
        disks: DiskSource,
        rebuilder: ExtentRebuilder,
        writer: ExtentWriter,
        buffers: SpareBuffers,
    ) -> None:
        self._tables: Final = tables
        self._store: Final = tables.store
        self._disks: Final = disks
        self._rebuilder: Final = rebuilder
        self._writer: Final = writer
        self._buffers: Final = buffers

    def look(self, extent_id: ExtentId, facts: PoolFacts, decide: Decide) -> Difference | None:
        """Return how the extent differs now, None when it is gone or nobody names it.

        Raises:
            EngineStoppedError: the store is closed.
            DamagedDatabaseError: its record fails its checksum.
        """
        with self._store.lock:
            self._store.require_running()
            record = self._tables.extents.get(extent_id)
            if record is None or not self._is_wanted(extent_id):
                return None
            damaged = damaged_indexes(self._store.connection, extent_id)
        # Outside of the lock: what files want may have to be looked up.
        return Difference(record, decide(record, facts, damaged))

    def _is_wanted(self, extent_id: ExtentId) -> bool:
        tables = self._tables
        return tables.garbage.is_landing(extent_id) or tables.extents.is_named(extent_id)

    def mend(self, difference: Difference, progress: Progress) -> Mended:
        """Copy, then commit if the record is still the one that was copied.

        *progress* hears payload bytes done and may raise to interrupt: nothing
        but unreferenced files is left behind.

        Raises:
            ExtentUnrecoverableError: fewer than k fragments are left of a page.
            DamagedPageError: what was reconstructed is not what was written.
            NoSpaceError: no disk has room.
            DeviceError: a disk did not take a fragment.
            EngineStoppedError: the store is closed.
        """
        record, desired = difference.record, difference.desired
        if desired.action is Action.REBUILD:
            renewed = self._rebuilt(record, desired, progress)
        else:
            assert desired.redundancy is not None
            renewed = self._recoded(record, desired.redundancy, desired.kind, progress)
        new = [ref for ref in renewed.fragments if ref not in record.fragments]
        with self._store.lock:
            # A different record, or none, owes nothing to this copy.
            committed = self._tables.extents.get(record.extent_id) == record
            if committed:
                with self._store.operation():
                    self._tables.extents.replace(renewed)
        if not committed:
            self._writer.forget(new, record.extent_id, Lane.MAINTENANCE)
        return Mended(committed, len(new), renewed.slice_bytes * len(new))

    def _rebuilt(self, record: ExtentRecord, desired: Desired, progress: Progress) -> ExtentRecord:
        store = self._store
        targets = (
            self._targets(record, desired.indexes)
            if desired.target is None
            else {desired.indexes[0]: desired.target}
        )
        refs = self._rebuilder.rebuild_fragments(
            record,
            targets,
            epoch=store.epoch,
            generation=store.open_generation,
            pool_uuid=store.template.pool_uuid,
            new_layout=store.new_layout_id,
            lane=Lane.MAINTENANCE,
            progress=progress,
        )
        return replace(record, fragments=_with_fragments(record, refs))

    def _targets(self, record: ExtentRecord, indexes: tuple[int, ...]) -> dict[int, DiskId]:
        """Return a disk for each index: its own if that is healthy, else another.

        Where the fragment's disk is being replaced, that is the new one first.

        Raises:
            NoSpaceError: fewer other disks than needed have room.
        """
        spaces = self._disks.spaces()
        holders = {ref.disk_id for ref in record.fragments}
        fragment_bytes = fragment_file_bytes(record.redundancy, record.length_bytes)
        healthy = {space.disk_id for space in spaces if space.state is DiskState.HEALTHY}
        targets = {
            index: record.fragments[index].disk_id
            for index in indexes
            if record.fragments[index].disk_id in healthy
        }
        targets |= choose_successors(
            spaces,
            {i: record.fragments[i].disk_id for i in indexes if i not in targets},
            holders=holders,
            fragment_bytes=fragment_bytes,
        )
        elsewhere = [index for index in indexes if index not in targets]
        if elsewhere:
            chosen = choose_disks(
                spaces,
                len(elsewhere),
                tier=record.tier,
                fragment_bytes=fragment_bytes,
                exclude=holders | set(targets.values()),
                purpose=Purpose.HEALING,
                seed=record.extent_id,
            )
            targets |= dict(zip(elsewhere, chosen, strict=True))
        return targets

    def _recoded(
        self, record: ExtentRecord, redundancy: Redundancy, kind: WorkKind, progress: Progress
    ) -> ExtentRecord:
        store = self._store
        buffer = self._buffers.take(DATA_ROOM_BYTES)
        try:
            renewed = self._rebuilder.reencode(
                record,
                redundancy,
                buffer=buffer,
                tier=record.tier,
                epoch=store.epoch,
                generation=store.open_generation,
                pool_uuid=store.template.pool_uuid,
                new_layout=store.new_layout_id,
                lane=Lane.MAINTENANCE,
                progress=progress,
            )
        finally:
            self._buffers.give_back(buffer)
        # A writer makes do with less; then this would change nothing, again and again.
        if kind is not WorkKind.NARROW and renewed.redundancy != redundancy:
            self._writer.forget(renewed.fragments, record.extent_id, Lane.MAINTENANCE)
            raise NoSpaceError(f"no room for {redundancy} now")
        return renewed


def _with_fragments(record: ExtentRecord, refs: tuple[FragmentRef, ...]) -> tuple[FragmentRef, ...]:
    renewed = {ref.index: ref for ref in refs}
    return tuple(renewed.get(ref.index, ref) for ref in record.fragments)
