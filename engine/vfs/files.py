"""File data: what a range of a file is now, and how it changes.

A read gathers, under the write lock, what is pending or staged and which
extents hold the rest; the extents are read without the lock. A write copies
its bytes into the open builder under the lock.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import partial

from engine.clock import Clock
from engine.device.lanes import Lane
from engine.errors import (
    CorruptionError,
    FileTooLargeError,
    InvalidArgumentError,
    IsDirectoryError,
    NoSpaceError,
    RetryableError,
)
from engine.extents.reader import ExtentReader, StartedRead
from engine.ids import InodeId
from engine.limits import (
    EXTENT_BYTES_MAX,
    FILE_BYTES_MAX,
    GROUP_WAIT_S_MAX,
    STEP_ROWS_MAX,
)
from engine.metadata.read_gate import ReadGate
from engine.metadata.tables import Tables
from engine.model.inode import Inode, Segment, StagedRow
from engine.vfs.landing import Landing, LandingError
from engine.vfs.pending import Pending
from engine.vfs.read_plan import ExtentPart, ReadPlan
from engine.vfs.started_read import StartedFileRead
from engine.vfs.tree import Tree

BUFFER_WAIT_S_MAX = 30.0
"""A write waits this long for a buffer, then hears why there is none."""

RESOLVE_TRIES_MAX = 3
"""A read resolves its range again this often when its fragments moved."""


class TailLeftError(RetryableError):
    """What a large cut left behind the end must go before the file may grow."""


class Files:
    """Reads, writes and sizes of regular files."""

    def __init__(
        self,
        *,
        tables: Tables,
        tree: Tree,
        pending: Pending,
        landing: Landing,
        reader: ExtentReader,
        gate: ReadGate,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._store = tables.store
        self._tree = tree
        self._pending = pending
        self._landing = landing
        self._reader = reader
        self._gate = gate
        self._clock = clock
        self.make_room: Callable[[], bool] = lambda: False
        """Frees what was deleted and measures again; False if nothing came of it."""

    def regular(self, inode_id: InodeId) -> Inode:
        """Return the inode of a regular file. Under the lock."""
        inode = self._tree.inode(inode_id)
        if stat.S_ISDIR(inode.mode):
            raise IsDirectoryError(f"inode {inode_id} is a directory")
        if not stat.S_ISREG(inode.mode):
            raise InvalidArgumentError(f"inode {inode_id} is no regular file")
        return inode

    # Read

    def plan(self, inode_id: InodeId, offset: int, length: int) -> ReadPlan:
        """Resolve a range to memory, extents and holes. Takes the lock, no disk."""
        with self._store.lock:
            inode = self.regular(inode_id)
            file = self._pending.files.get(inode_id)
            if file is not None:
                file.require_whole()
            size = inode.size if file is None else file.size
            end = min(offset + length, size)
            if end <= offset:
                return ReadPlan(0, [], [])
            plan = ReadPlan(end - offset, [], [])
            gaps = [(offset, end)]
            if file is not None and file.layers:
                found, gaps = file.resolve(offset, end)
                for item, extent in found:
                    data = self._pending.bytes_of(extent, item.at, item.end - item.start)
                    plan.known.append((item.start - offset, data))
            for start, stop in gaps:
                self._plan_committed(plan, inode, start, stop, offset)
            return plan

    def _plan_committed(
        self, plan: ReadPlan, inode: Inode, start: int, stop: int, origin: int
    ) -> None:
        for piece in self._tables.file_map.pieces(inode.map_id, start, stop):
            low = max(piece.offset, start)
            match piece:
                case StagedRow(offset, data):
                    part = data[low - offset : stop - offset]
                    plan.known.append((low - origin, part))
                case Segment(offset, length, extent_id, extent_offset):
                    high = min(offset + length, stop)
                    record = self._tables.extents.get(extent_id)
                    if record is None:
                        raise CorruptionError(f"extent {extent_id} is named but not there")
                    at = extent_offset + low - offset
                    plan.parts.append(ExtentPart(low - origin, record, at, high - low))

    def _from_memory(self, plan: ReadPlan) -> bytes | memoryview | None:
        """Return the range if no disk is needed, else None."""
        fetched: list[bytes | memoryview] = []
        for part in plan.parts:
            data = self._reader.try_read(part.record, part.offset, part.length)
            if data is None:
                return None
            fetched.append(data)
        return plan.assemble(fetched)

    def start(
        self,
        inode_id: InodeId,
        offset: int,
        length: int,
        *,
        arrived: Callable[[], None],
        served: Callable[[int], None],
    ) -> bytes | memoryview | StartedFileRead | None:
        """Return the range if no disk is needed, or ask the one disk that has it.

        None when it takes more: ``read``. See ``FileSystem.start_read``;
        *served* hears how many bytes a read that was started returns.
        """
        ticket = self._gate.begin()
        is_under_way = False
        try:
            plan = self.plan(inode_id, offset, length)
            if len(plan.parts) != 1 or plan.parts[0].length != plan.length:
                return self._from_memory(plan)
            part = plan.parts[0]
            started = self._reader.start(
                part.record, part.offset, part.length, lane=Lane.FOREGROUND, arrived=arrived
            )
            if not isinstance(started, StartedRead):
                return started
            is_under_way = True
        finally:
            if not is_under_way:
                self._gate.end(ticket)
        finish = partial(self._finish, started, plan, ticket, inode_id, offset, length)
        return StartedFileRead(started, ticket, self._gate, finish, served)

    def _finish(
        self,
        started: StartedRead,
        plan: ReadPlan,
        ticket: int,
        inode_id: InodeId,
        offset: int,
        length: int,
    ) -> bytes | memoryview:
        try:
            return self._reader.finish(started, lane=Lane.FOREGROUND)
        except CorruptionError:
            if not self._moved(plan):
                raise
        finally:
            self._gate.end(ticket)
        return self.read(inode_id, offset, length)

    def read(self, inode_id: InodeId, offset: int, length: int) -> bytes | memoryview:
        """Return the range, from disks where needed.

        Raises:
            CorruptionError: bytes are lost; never other bytes (P1).
        """
        tries = 0
        while True:
            tries += 1
            with self._gate.enter():
                plan = self.plan(inode_id, offset, length)
                try:
                    return plan.assemble(
                        [
                            self._reader.read(
                                part.record, part.offset, part.length, lane=Lane.FOREGROUND
                            )
                            for part in plan.parts
                        ]
                    )
                except CorruptionError:
                    # Its fragments may have moved since the range was resolved.
                    if tries >= RESOLVE_TRIES_MAX or not self._moved(plan):
                        raise

    def _moved(self, plan: ReadPlan) -> bool:
        with self._store.lock:
            return any(
                self._tables.extents.get(part.record.extent_id) != part.record
                for part in plan.parts
            )

    def prefetch(self, inode_id: InodeId, offset: int, length: int) -> None:
        """Bring a range into the page cache; errors are left to the read itself."""
        with self._gate.enter():
            for part in self.plan(inode_id, offset, length).parts:
                self._reader.prefetch(part.record, part.offset, part.length, lane=Lane.FOREGROUND)

    # Write

    def try_write(self, inode_id: InodeId, offset: int, data: bytes | memoryview) -> bool:
        """Accept *data*, at most one extent long; False when ``write`` must wait for it.

        Raises:
            NoSpaceError: no room with the redundancy (P6); nothing was taken.
        """
        if offset + len(data) > FILE_BYTES_MAX:
            raise FileTooLargeError("beyond the largest file offset")
        with self._store.lock:
            self._store.require_running()
            inode = self.regular(inode_id)
            if not len(data):
                return True
            file = self._pending.file_of(inode_id, inode.size)
            try:
                if offset + len(data) > file.size and self._tail_offset(inode) is not None:
                    return False
                taken = self._pending.accept(file, offset, memoryview(data))
            finally:
                self._pending.settle(file, inode.size)
            return taken

    def write(self, inode_id: InodeId, offset: int, data: bytes | memoryview) -> None:
        """Accept *data*, waiting for buffers; what a cut left behind the end goes first.

        Raises:
            NoSpaceError: no room; what came before in *data* may be accepted.
            LandingError: the disks do not take data; see its text.
        """
        view = memoryview(data)
        for at in range(0, len(view), EXTENT_BYTES_MAX):
            piece = view[at : at + EXTENT_BYTES_MAX]
            deadline_s = self._clock.monotonic_s() + BUFFER_WAIT_S_MAX
            while not self._accepts(inode_id, offset + at, piece):
                if self.clear_tail(inode_id):
                    deadline_s = self._clock.monotonic_s() + BUFFER_WAIT_S_MAX
                    continue
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0:
                    raise LandingError(self._landing.reason())
                self._landing.wait_for_room(min(left_s, 1.0))

    def _accepts(self, inode_id: InodeId, offset: int, piece: memoryview) -> bool:
        """Try once; a full pool is given the chance to free what was deleted."""
        try:
            return self.try_write(inode_id, offset, piece)
        except NoSpaceError:
            if not self.make_room():
                raise
            return self.try_write(inode_id, offset, piece)

    # Size

    def resize(self, inode_id: InodeId, size: int) -> int:
        """Cut or extend a file, inside the caller's operation; return how long it was.

        A cut detaches what is many rows long; Collect removes it later.

        Raises:
            TailLeftError: such a rest is where the file would grow; see ``clear_tail``.
        """
        if size > FILE_BYTES_MAX or size < 0:
            raise FileTooLargeError("beyond the largest file offset")
        inode = self.regular(inode_id)
        file = self._pending.files.get(inode_id)
        current = inode.size if file is None else file.size
        if file is not None and size:
            file.require_whole()
        if file is not None:
            self._store.on_undo(self._pending.keep(inode_id))
        if size == 0 and current:
            map_id = self._store.new_map_id()
            self._tables.file_map.begin(map_id)
            self._tree.empty_map(inode)
            inode = inode._replace(size=0, map_id=map_id)
            self._pending.forget(inode_id)
        elif size < current:
            if file is not None:
                file.truncate(size)
            self._cut(inode, size)
            inode = inode._replace(size=min(inode.size, size))
        elif size > current:
            if self._tail_offset(inode) is not None:
                raise TailLeftError(f"inode {inode_id} was cut a moment ago")
            if file is not None and file.layers:
                file.size = size
            else:
                inode = inode._replace(size=size)
                if file is not None:
                    self._pending.forget(inode_id)
        self._tables.inodes.update(inode)
        self._pending.note_in_group(inode_id, size)
        return current

    def _cut(self, inode: Inode, size: int) -> None:
        cleared = self._tables.file_map.clear(
            inode.map_id, size, FILE_BYTES_MAX, row_limit=STEP_ROWS_MAX
        )
        self._tables.garbage.suspect(cleared.extents)
        if not cleared.complete:
            self._tables.file_map.detach(inode.map_id, size)

    def _tail_offset(self, inode: Inode) -> int | None:
        """Return where rows begin that a cut left behind the end, None if there are none."""
        file_map = self._tables.file_map
        return file_map.reap_offset(inode.map_id) if file_map.has_tail(inode.map_id) else None

    def clear_tail(self, inode_id: InodeId) -> bool:
        """Remove what a large cut left behind the end; False when there was nothing.

        Slow: many short steps, between which others get the lock (P8).

        Raises:
            EngineStoppedError: the journals do not keep up.
        """
        did = False
        while self._clear_some(inode_id):
            did = True
            self._store.wait_for_room(GROUP_WAIT_S_MAX)
        return did

    def _clear_some(self, inode_id: InodeId) -> bool:
        file_map = self._tables.file_map
        with self._store.lock:
            self._store.require_running()
            inode = self.regular(inode_id)
            start = self._tail_offset(inode)
            if start is None:
                return False
            with self._store.operation():
                cleared = file_map.clear(
                    inode.map_id, start, FILE_BYTES_MAX, row_limit=STEP_ROWS_MAX
                )
                if cleared.complete:
                    file_map.reaped(inode.map_id)
            self._tables.garbage.suspect(cleared.extents)
        return True
