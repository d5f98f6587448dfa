"""Extent records, their fragments, damage, and files that are to be deleted.

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import apsw
from blake3 import blake3

from engine.errors import DamagedDatabaseError, DeviceGoneError
from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId
from engine.metadata.rows import reported
from engine.metadata.store import MetadataStore
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import fragment_count, needed_count, parse_redundancy

ROWS_CACHED_MAX: Final = 8192


@dataclass(frozen=True, slots=True)
class DroppedFragment:
    """A fragment file that no row names any more."""

    extent_id: ExtentId
    index: int
    layout: LayoutId
    disk_id: DiskId


@dataclass(frozen=True, slots=True)
class Damage:
    """A fragment known to be bad although its disk is there."""

    extent_id: ExtentId
    index: int
    kind: str
    found_ns: int


def _check_hash(record: ExtentRecord) -> bytes:
    text = (
        f"{record.extent_id} {record.redundancy} {record.tier} {record.length_bytes}"
        f" {record.epoch} {record.generation} "
        + " ".join(
            f"{ref.index} {ref.disk_id} {ref.layout} {ref.header_hash.hex()}"
            for ref in record.fragments
        )
    )
    return blake3(text.encode()).digest(16)


class ExtentTable:
    """Extents by number, with a write-through cache of records."""

    def __init__(self, store: MetadataStore) -> None:
        self._connection = store.connection
        self._execute = store.writer.execute
        self._rows = store.rows
        self._executemany = store.writer.executemany
        self._cache: dict[ExtentId, ExtentRecord] = {}
        self._removed_disks: set[DiskId] = set()
        store.on_rollback.append(self._cache.clear)

    def get(self, extent_id: ExtentId) -> ExtentRecord | None:
        """Return the record, None when there is none."""
        record = self._cache.get(extent_id)
        if record is None:
            with reported(self._rows.note):
                record = load_extent(self._connection, extent_id)
            if record is not None:
                self._remember(record)
        return record

    def insert(self, record: ExtentRecord) -> None:
        """Add a new extent; its fragments are durable (C6)."""
        self._execute(
            "INSERT INTO extent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.extent_id,
                str(record.redundancy),
                needed_count(record.redundancy),
                fragment_count(record.redundancy),
                str(record.tier),
                record.length_bytes,
                record.epoch,
                record.generation,
                _check_hash(record),
            ),
        )
        self._insert_fragments(record)
        self._remember(record)

    def require_members(self, record: ExtentRecord) -> None:
        """Raise DeviceGoneError when a disk of *record* was taken out since it was chosen."""
        for ref in record.fragments:
            if ref.disk_id in self._removed_disks:
                raise DeviceGoneError(f"disk {ref.disk_id} is no member of the pool any more")

    def replace(self, record: ExtentRecord) -> None:
        """Give an extent other fragments; what it had before is dropped.

        The bytes of the extent and its segments stay (moving is not changing).

        Raises:
            DeviceGoneError: one of its disks was taken out of the pool since it
                was chosen; nothing is changed.
        """
        self.require_members(record)
        old = self.get(record.extent_id)
        assert old is not None
        kept = {(ref.index, ref.layout) for ref in record.fragments}
        self._drop_files(
            record.extent_id,
            [ref for ref in old.fragments if (ref.index, ref.layout) not in kept],
        )
        self._delete_rows(record.extent_id)
        for ref in record.fragments:
            if ref not in old.fragments:
                self._execute(
                    "DELETE FROM damage WHERE extent = ? AND position = ?",
                    (record.extent_id, ref.index),
                )
        self._execute(
            "DELETE FROM damage WHERE extent = ? AND position >= ?",
            (record.extent_id, len(record.fragments)),
        )
        self.insert(record)

    def drop(self, extent_id: ExtentId) -> None:
        """Remove an extent that no segment names; its files are deleted later (P5)."""
        record = self.get(extent_id)
        assert record is not None
        self._drop_files(extent_id, list(record.fragments))
        self._delete_rows(extent_id)
        self._execute("DELETE FROM damage WHERE extent = ?", (extent_id,))

    def refuse_disk(self, disk_id: DiskId) -> None:
        """Take no more fragments on a disk that leaves: copies may be under way to it.

        Ids are never used again, so this holds for good.
        """
        self._removed_disks.add(disk_id)

    def is_named(self, extent_id: ExtentId) -> bool:
        """Whether any segment names the extent."""
        query = "SELECT 1 FROM segment WHERE extent = ? LIMIT 1"
        return self._rows.read(query, (extent_id,)).fetchone() is not None

    def _delete_rows(self, extent_id: ExtentId) -> None:
        self._execute("DELETE FROM extent WHERE id = ?", (extent_id,))
        self._execute("DELETE FROM fragment WHERE extent = ?", (extent_id,))
        self._cache.pop(extent_id, None)

    def _insert_fragments(self, record: ExtentRecord) -> None:
        self._executemany(
            "INSERT INTO fragment VALUES (?, ?, ?, ?, ?)",
            [
                (record.extent_id, ref.index, ref.disk_id, ref.layout, ref.header_hash)
                for ref in record.fragments
            ],
        )

    def _drop_files(self, extent_id: ExtentId, refs: list[FragmentRef]) -> None:
        self._executemany(
            "INSERT INTO dropped VALUES (?, ?, ?, ?)",
            [(extent_id, ref.index, ref.layout, ref.disk_id) for ref in refs],
        )

    def _remember(self, record: ExtentRecord) -> None:
        if len(self._cache) >= ROWS_CACHED_MAX:
            for key in list(self._cache)[: ROWS_CACHED_MAX // 4]:
                del self._cache[key]
        self._cache[record.extent_id] = record

    # Damage

    def add_damage(self, damage: Damage) -> bool:
        """Remember a bad fragment; False when it is known already."""
        self._execute(
            "INSERT INTO damage VALUES (?, ?, ?, ?) ON CONFLICT (extent, position) DO NOTHING",
            (damage.extent_id, damage.index, damage.kind, damage.found_ns),
        )
        return bool(self._execute("SELECT changes()").get)

    def remove_damage(self, extent_id: ExtentId, index: int) -> None:
        """Forget it: the fragment was found intact after all."""
        self._execute("DELETE FROM damage WHERE extent = ? AND position = ?", (extent_id, index))

    def damages(self, limit: int) -> list[Damage]:
        """Return known bad fragments."""
        rows = self._rows.read(
            "SELECT extent, position, kind, found_ns FROM damage ORDER BY extent, position LIMIT ?",
            (limit,),
        )
        return [Damage(ExtentId(row[0]), row[1], row[2], row[3]) for row in rows]

    # Files to delete

    def dropped(self, disk_id: DiskId, limit: int) -> list[DroppedFragment]:
        """Return fragment files on a disk that no row names any more."""
        rows = self._rows.read(
            "SELECT extent, position, layout FROM dropped WHERE disk = ?"
            " ORDER BY extent, position, layout LIMIT ?",
            (disk_id, limit),
        )
        return [
            DroppedFragment(ExtentId(row[0]), row[1], LayoutId(row[2]), disk_id) for row in rows
        ]

    def forget_dropped(self, fragment: DroppedFragment) -> None:
        """The file is gone from its disk."""
        self._execute(
            "DELETE FROM dropped WHERE extent = ? AND position = ? AND layout = ?",
            (fragment.extent_id, fragment.index, fragment.layout),
        )


def load_extent(connection: apsw.Connection, extent_id: ExtentId) -> ExtentRecord | None:
    """Read one extent through any connection and check its checksum (P1).

    Raises:
        DamagedDatabaseError: the rows are not what was written.
    """
    row = connection.execute("SELECT * FROM extent WHERE id = ?", (extent_id,)).fetchone()
    if row is None:
        return None
    cursor = connection.execute(
        "SELECT position, disk, layout, header_hash FROM fragment"
        " WHERE extent = ? ORDER BY position",
        (extent_id,),
    )
    fragments = tuple(
        FragmentRef(index, DiskId(disk), LayoutId(layout), header_hash)
        for index, disk, layout, header_hash in cursor
    )
    try:
        record = ExtentRecord(
            extent_id=extent_id,
            redundancy=parse_redundancy(row[1]),
            tier=Tier(row[4]),
            length_bytes=row[5],
            epoch=Epoch(row[6]),
            generation=Generation(row[7]),
            fragments=fragments,
        )
    except ValueError as error:
        raise DamagedDatabaseError(str(error)) from error
    if _check_hash(record) != row[8]:
        raise DamagedDatabaseError(f"extent {extent_id} fails its checksum")
    return record
