"""fsync: what it acknowledges is there after any crash (P2, O5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.ids import Generation, InodeId
from engine.limits import STAGED_BYTES_MAX, STAGED_FSYNC_BYTES_MAX
from engine.metadata.tables import Tables
from engine.vfs.interface import RenameFlags
from engine.vfs.landing import LANDING_S_MAX, Landing
from engine.vfs.overlay import PendingFile
from engine.vfs.pending import Pending, PendingExtent

ACKNOWLEDGE_S_MAX: Final = 60.0
"""How long fsync waits for the journals; then it fails and says so."""


class Syncer:
    """Makes pending data and open groups safe. Waits; never under the lock."""

    def __init__(
        self,
        *,
        tables: Tables,
        pending: Pending,
        landing: Landing,
        commits: Callable[[Generation, float], None],
    ) -> None:
        """*commits* makes a generation safe, waiting at most some seconds."""
        self._tables = tables
        self._store = tables.store
        self._pending = pending
        self._landing = landing
        self._commits = commits

    def sync_file(self, inode_id: InodeId) -> None:
        """Make a file's data and attributes safe; any other kind of inode too.

        Raises:
            LandingError, QuorumError, EngineStoppedError: it is not safe.
        """
        generation = self.settle_file(inode_id)
        self._commits(generation, ACKNOWLEDGE_S_MAX)

    def sync_all(self, landing_s_max: float = LANDING_S_MAX) -> None:
        """Make everything accepted so far safe; wait at most so long for the disks.

        Raises:
            LandingError, QuorumError, EngineStoppedError: it is not safe.
        """
        with self._store.lock:
            sequence = self._pending.seal_all()
        self._landing.wait_landed(sequence, landing_s_max)
        with self._store.lock:
            generation = self._store.open_generation
        self._commits(generation, ACKNOWLEDGE_S_MAX)
        with self._store.lock:
            self._pending.require_whole()

    def settle_file(self, inode_id: InodeId) -> Generation:
        """Bring what a file has pending into the open group; return its number."""
        with self._store.lock:
            self._store.require_running()
            if self.stage_if_small(inode_id):
                return self._store.open_generation
            file = self._pending.files[inode_id]
            sequence = self._pending.newest_sequence(file)
        self._landing.wait_file(file, sequence)
        with self._store.lock:
            file.require_whole()
            return self._store.open_generation

    def stage_if_small(self, inode_id: InodeId) -> bool:
        """Stage a file's pending ranges in one operation; False if they are large.

        Under the write lock.
        """
        file = self._pending.files.get(inode_id)
        if file is None:
            return True
        file.require_whole()
        count = file.unstaged_bytes
        staged = self._tables.file_map.staged_bytes
        if count > STAGED_FSYNC_BYTES_MAX or staged + count > STAGED_BYTES_MAX:
            return False
        if count or self._size_differs(file):
            with self._store.operation():
                self._stage(file)
            self._mark_staged(file)
            self._pending.note_in_group(inode_id, file.size)
        return True

    def carried(
        self,
        parent: InodeId,
        name: bytes,
        new_parent: InodeId,
        new_name: bytes,
        flags: RenameFlags,
    ) -> tuple[InodeId, ...]:
        """Return whose data goes along with a rename over an existing name.

        Else a crash could leave neither the old nor the new file (P2); of an
        exchange each is the new file of the other's name. Under the write lock.
        """
        source = self._tables.names.find(parent, name)
        target = self._tables.names.find(new_parent, new_name)
        if source is None or target is None:
            return ()
        both = (source.inode_id, target.inode_id)
        return both if flags & RenameFlags.EXCHANGE else both[:1]

    def move_staged(self, inode_id: InodeId) -> None:
        """Send a file's staged rows on their way into an extent (R8).

        Its bytes go into builders as a layer that is staged already, so nothing
        is staged twice and the landing replaces the rows. Waits for buffers.
        """
        with self._store.lock:
            inode = self._tables.inodes.get(inode_id)
            if inode is None:
                return
            rows = self._tables.file_map.staged(inode.map_id, 0, inode.size)
            file = self._pending.file_of(inode_id, inode.size)
            if file.layers:
                return
            for row in rows:
                data = memoryview(row.data)[: inode.size - row.offset]
                if not self._pending.accept(file, row.offset, data):
                    break
            self._mark_staged(file)
            self._pending.settle(file, inode.size)

    def _size_differs(self, file: PendingFile) -> bool:
        inode = self._tables.inodes.get(file.inode_id)
        return inode is not None and inode.size != file.size

    def _stage(self, file: PendingFile) -> None:
        """Apply every unstaged range, oldest layer first; inside an operation."""
        inode = self._tables.inodes.get(file.inode_id)
        if inode is None:
            return
        file_map = self._tables.file_map
        for layer in file.layers:
            assert isinstance(layer.extent, PendingExtent)
            for position in layer.unstaged():
                item = layer.ranges[position]
                data = layer.extent.builder.read(item.at, item.end - item.start)
                cleared = file_map.clear(
                    inode.map_id, item.start, item.end, item.end - item.start + 1
                )
                self._tables.garbage.suspect(cleared.extents)
                file_map.put_staged(inode.map_id, item.start, data)
        if inode.size != file.size:
            self._tables.inodes.update(inode._replace(size=file.size))

    def _mark_staged(self, file: PendingFile) -> None:
        for layer in file.layers:
            layer.mark_staged()
