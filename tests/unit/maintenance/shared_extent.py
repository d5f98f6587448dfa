"""Extents that many files share, some of them deleted: what compaction is for."""

from __future__ import annotations

import stat
from collections.abc import Sequence

from engine.ids import ROOT_INODE, ExtentId, MapId
from engine.model.extent import ExtentRecord
from engine.model.inode import Segment
from engine.model.redundancy import Redundancy
from tests.unit.maintenance.small_pool import RS, SmallPool, inode, pattern

PART = 100_000
"""Bytes of each file; extents of ten files are below a slice's rounding."""


class SharedFiles:
    """Files by their map, with what they must hold: the oracle is a dict."""

    def __init__(self, pool: SmallPool) -> None:
        self.pool = pool
        self.content: dict[MapId, bytes] = {}

    def write(
        self, count: int, *, part: int = PART, seed: int = 0, redundancy: Redundancy = RS
    ) -> ExtentRecord:
        """Add one extent that *count* new files share, *part* bytes each."""
        pool = self.pool
        data = pattern(count * part + seed)[seed:]
        record = pool.extents.write(data, redundancy)
        with pool.store.operation():
            pool.tables.extents.insert(record)
            for number in range(count):
                map_id, inode_id = pool.store.new_map_id(), pool.store.new_inode_id()
                pool.tables.inodes.insert(
                    inode(inode_id, stat.S_IFREG | 0o644, size=part, map_id=map_id)
                )
                pool.tables.names.insert(ROOT_INODE, f"s{inode_id}".encode(), inode_id)
                at = number * part
                pool.tables.file_map.put_segment(map_id, Segment(0, part, record.extent_id, at))
                self.content[map_id] = data[at : at + part]
        pool.commit()
        return record

    def remove(self, extent_id: ExtentId, count: int) -> None:
        """Empty the maps of the first *count* files in an extent."""
        rows = self.pool.store.connection.execute(
            "SELECT DISTINCT map FROM segment WHERE extent = ? ORDER BY map", (extent_id,)
        )
        for map_id in [MapId(row[0]) for row in rows][:count]:
            self.cut(map_id, 0)

    def cut(self, map_id: MapId, size: int) -> None:
        """Truncate a file."""
        pool = self.pool
        with pool.store.operation():
            cleared = pool.tables.file_map.clear(map_id, size, 1 << 40, 1000)
            pool.tables.garbage.suspect(cleared.extents)
        self.content[map_id] = self.content[map_id][:size]

    def settle(self) -> None:
        """Commit, and let Collect see what lost something."""
        self.pool.acknowledge()
        self.pool.collect_all()

    def whole(self) -> bool:
        """Whether every file reads back as the oracle has it, through its map."""
        return all(self.read(one) == data for one, data in self.content.items())

    def read(self, map_id: MapId) -> bytes:
        data = bytearray()
        for segment in self.segments(map_id):
            bytes_of = self.pool.read(self.pool.record(segment.extent_id))
            data += bytes_of[segment.extent_offset : segment.extent_offset + segment.length]
        return bytes(data)

    def segments(self, map_id: MapId) -> Sequence[Segment]:
        return self.pool.tables.file_map.segments(map_id, 0, 1 << 40)

    def extents(self) -> set[ExtentId]:
        """Return the extents that these files name."""
        return {one.extent_id for map_id in self.content for one in self.segments(map_id)}

    def records(self) -> set[ExtentId]:
        """Return the extents there are."""
        rows = self.pool.store.connection.execute("SELECT id FROM extent")
        return {ExtentId(row[0]) for row in rows}
