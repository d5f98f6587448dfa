"""Where the bytes of a file are, and how safe: ``where`` and ``user.dynamicfs.*``.

From what the metadata and the probes know; no disk is asked. The write lock is
taken for a piece at a time, so a file that changes meanwhile is told as its
pieces were.
"""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from engine.errors import AttributeTooLargeError, StaleHandleError
from engine.ids import DiskId, ExtentId, InodeId
from engine.limits import XATTR_VALUE_BYTES_MAX
from engine.metadata.tables import Tables
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord, FragmentRef, fragment_name
from engine.model.inode import Inode, Segment
from engine.model.redundancy import tolerance
from engine.policy.exposure import exposure_of
from engine.status.answers import ExtentPlaceView, FragmentPlaceView, WhereView
from engine.status.transport import encode
from engine.vfs.pending import Pending
from engine.vfs.policy import FilePolicies

PIECE_SEGMENTS: Final = 64
"""Segments looked up while the write lock is held once: about a millisecond."""

EXTENTS_SHOWN: Final = 256
"""Pieces of a file that are told one by one; all are counted."""

XATTR_SEGMENTS_MAX: Final = 2048
"""Attributes are answered on the thread that serves the kernel, so only up to here."""


@dataclass(frozen=True, slots=True)
class KnownDisk:
    """A disk as fragments on it are judged."""

    name: str
    present: bool
    state: DiskState


@dataclass(frozen=True, slots=True)
class _Place:
    """A segment with its extent, and the fragments of it that are known to be bad."""

    segment: Segment
    record: ExtentRecord
    damaged: Mapping[int, str]


@dataclass(slots=True)
class _Sum:
    """What was seen of a file so far."""

    exposure: int | None = None
    degraded: bool = False
    segments: int = 0
    extents: set[ExtentId] = field(default_factory=set)
    disks: Counter[str] = field(default_factory=Counter)
    shown: list[ExtentPlaceView] = field(default_factory=list)


class Whereabouts:
    """Tells where files are. Any thread, never under the write lock."""

    def __init__(
        self,
        *,
        tables: Tables,
        pending: Pending,
        policies: FilePolicies,
        disks: Callable[[], Mapping[DiskId, KnownDisk]],
        verified_ns: Callable[[ExtentId], int] = lambda _extent_id: 0,
    ) -> None:
        """*verified_ns* says when a scrub last proved an extent whole; 0 is never."""
        self._tables = tables
        self._store = tables.store
        self._pending = pending
        self._policies = policies
        self._disks = disks
        self.verified_ns = verified_ns

    def of(
        self,
        inode_id: InodeId,
        path: str,
        *,
        shown_max: int = EXTENTS_SHOWN,
        segments_max: int | None = None,
    ) -> WhereView:
        """Return where a file or directory is; a directory has no extents.

        At most *shown_max* pieces are told one by one.

        Raises:
            StaleHandleError: the inode is gone.
            AttributeTooLargeError: it has more than *segments_max* pieces.
        """
        with self._store.lock:
            inode = self._inode(inode_id)
            decision = self._policies.decide(inode_id)
            file = self._pending.files.get(inode_id)
            size = inode.size if file is None else file.size
            pending_bytes = self._pending_bytes(inode, size)
            policy_from = self._policy_from(inode_id, decision.source)
        total = _Sum()
        disks = self._disks()
        for place in self._places(inode.map_id):
            total.segments += 1
            if segments_max is not None and total.segments > segments_max:
                raise AttributeTooLargeError(
                    f"inode {inode_id} has over {segments_max} pieces; ask `dynamicfs where`"
                )
            self._add(total, place, disks, shown_max)
        exposure = tolerance(decision.redundancy) if total.exposure is None else total.exposure
        return WhereView(
            path=path,
            inode=inode_id,
            size=size,
            redundancy=str(decision.redundancy),
            policy_from=policy_from,
            exposure=exposure,
            health=health_word(exposure, degraded=total.degraded, stored=bool(total.extents)),
            pending_bytes=pending_bytes,
            extent_count=len(total.extents),
            disks=tuple(sorted(total.disks.items())),
            extents=tuple(total.shown),
        )

    def describe(self, inode_id: InodeId, name: str) -> bytes | None:
        """Return a read-only attribute of a regular file; None of anything else.

        Raises:
            AttributeTooLargeError: the file has too many pieces to look at here.
        """
        with self._store.lock:
            if not stat.S_ISREG(self._inode(inode_id).mode):
                return None
        shown = EXTENTS_SHOWN if name == "where" else 0
        view = self.of(inode_id, "", shown_max=shown, segments_max=XATTR_SEGMENTS_MAX)
        match name:
            case "exposure":
                text = str(view.exposure)
            case "health":
                text = view.health
            case "disks":
                text = " ".join(f"{disk}:{count}" for disk, count in view.disks)
            case "extents":
                text = str(view.extent_count)
            case "policy":
                text = f"{view.redundancy} from {view.policy_from}"
            case "where":
                text = _short_json(view)
            case _:
                return None
        return text.encode("utf-8", "surrogateescape")

    def path_of(self, inode_id: InodeId) -> str:
        """Return a path of an inode, empty when none is known. Under the lock."""
        parts: list[bytes] = []
        at = inode_id
        while (inode := self._tables.inodes.get(at)) is not None and inode.parent != at:
            row = self._store.rows.read(
                "SELECT name FROM dentry WHERE parent = ? AND inode = ? LIMIT 1", (inode.parent, at)
            ).fetchone()
            if row is None:
                return ""
            parts.append(bytes(row[0]))
            at = inode.parent
        return "/" + b"/".join(reversed(parts)).decode("utf-8", "surrogateescape")

    def _inode(self, inode_id: InodeId) -> Inode:
        inode = self._tables.inodes.get(inode_id)
        if inode is None:
            raise StaleHandleError(f"inode {inode_id} is gone")
        return inode

    def _policy_from(self, inode_id: InodeId, source: InodeId | None) -> str:
        if source is None:
            return "pool"
        if source != inode_id:
            return f"directory {self.path_of(source)}"
        is_directory = stat.S_ISDIR(self._inode(inode_id).mode)
        return f"directory {self.path_of(source)}" if is_directory else "file"

    def _pending_bytes(self, inode: Inode, size: int) -> int:
        """Return accepted bytes that no extent has: in builders, or staged alone."""
        file = self._pending.files.get(inode.inode_id)
        found, gaps = ([], [(0, size)]) if file is None else file.resolve(0, size)
        count = sum(item.end - item.start for item, _ in found)
        if self._tables.file_map.staged_bytes:
            for start, end in gaps:
                for row in self._tables.file_map.staged(inode.map_id, start, end):
                    stop = min(row.offset + len(row.data), end)
                    count += stop - max(row.offset, start)
        return count

    def _places(self, map_id: int) -> Iterator[_Place]:
        cursor = -1
        while map_id:
            with self._store.lock:
                places = self._next_places(map_id, cursor)
            if not places:
                return
            cursor = places[-1].segment.offset
            yield from places

    def _next_places(self, map_id: int, cursor: int) -> Sequence[_Place]:
        rows = self._store.rows.read(
            "SELECT offset, length, extent, extent_offset FROM segment"
            " WHERE map = ? AND offset > ? ORDER BY offset LIMIT ?",
            (map_id, cursor, PIECE_SEGMENTS),
        )
        places: list[_Place] = []
        for offset, length, extent, at in list(rows):
            record = self._tables.extents.get(ExtentId(extent))
            if record is None:
                continue  # The metadata contradict themselves; a check tells.
            damaged = self._store.rows.read(
                "SELECT position, kind FROM damage WHERE extent = ?", (extent,)
            )
            segment = Segment(offset, length, ExtentId(extent), at)
            places.append(_Place(segment, record, dict(damaged)))
        return places

    def _add(
        self, total: _Sum, place: _Place, disks: Mapping[DiskId, KnownDisk], shown_max: int
    ) -> None:
        record = place.record
        fragments = [_fragment(record, ref, place.damaged, disks) for ref in record.fragments]
        intact = sum(one.state in _COUNTED for one in fragments)
        exposure = exposure_of(record.redundancy, intact)
        if record.extent_id not in total.extents:
            total.extents.add(record.extent_id)
            total.disks.update(one.disk for one in fragments)
            total.degraded |= intact < len(fragments)
            total.exposure = exposure if total.exposure is None else min(total.exposure, exposure)
        if len(total.shown) < shown_max:
            total.shown.append(
                ExtentPlaceView(
                    offset=place.segment.offset,
                    length=place.segment.length,
                    extent_id=record.extent_id,
                    extent_offset=place.segment.extent_offset,
                    redundancy=str(record.redundancy),
                    tier=str(record.tier),
                    exposure=exposure,
                    verified_ns=self.verified_ns(record.extent_id),
                    fragments=tuple(fragments),
                )
            )


_COUNTED: Final = ("intact", "draining")
"""States of fragments that a read can use."""


def _fragment(
    record: ExtentRecord,
    ref: FragmentRef,
    damaged: Mapping[int, str],
    disks: Mapping[DiskId, KnownDisk],
) -> FragmentPlaceView:
    disk = disks.get(ref.disk_id)
    if disk is None or not disk.present or disk.state is DiskState.FAILED:
        state = "missing"
    elif ref.index in damaged:
        state = damaged[ref.index]
    else:
        state = "draining" if disk.state is DiskState.DRAINING else "intact"
    return FragmentPlaceView(
        index=ref.index,
        disk=f"disk {ref.disk_id}" if disk is None else disk.name,
        state=state,
        name=fragment_name(record.extent_id, ref.layout, ref.index),
    )


def health_word(exposure: int, *, degraded: bool, stored: bool) -> str:
    """Return the state of a file in one word.

    >>> health_word(2, degraded=False, stored=True), health_word(0, degraded=True, stored=True)
    ('whole', 'exposed')
    """
    if exposure < 0:
        return "lost"
    if not stored:
        return "whole"
    if exposure == 0:
        return "exposed"
    return "degraded" if degraded else "whole"


def _short_json(view: WhereView) -> str:
    """Return *view* as JSON, with as many extents as an attribute's value has room for."""
    shown = len(view.extents)
    while True:
        text = json.dumps(encode(replace(view, extents=view.extents[:shown])))
        if len(text) <= XATTR_VALUE_BYTES_MAX or not shown:
            return text
        shown //= 2
