"""Disks of the pool and its properties.

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

from uuid import UUID

import apsw

from engine.ids import DiskId, DiskUuid, Generation
from engine.metadata.store import MetadataStore
from engine.model.disk import DiskRecord, DiskState, Tier


class MemberTable:
    """What the pool consists of."""

    def __init__(self, store: MetadataStore) -> None:
        self._connection = store.connection
        self._execute = store.connection.execute
        self._read = store.rows.read

    def disks(self) -> list[DiskRecord]:
        """Return every disk, in the order they were added."""
        return load_disks(self._connection)

    def insert(self, disk: DiskRecord) -> None:
        """Add a disk."""
        self._execute(
            "INSERT INTO disk VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                disk.disk_id,
                disk.uuid.bytes,
                disk.name,
                disk.path,
                str(disk.tier),
                str(disk.state),
                disk.added_generation,
            ),
        )

    def set_state(self, disk_id: DiskId, state: DiskState) -> None:
        """Change a disk's health state."""
        self._execute("UPDATE disk SET state = ? WHERE id = ?", (str(state), disk_id))

    def set_path(self, disk_id: DiskId, path: str) -> None:
        """Remember where a disk was last seen."""
        self._execute("UPDATE disk SET path = ? WHERE id = ?", (path, disk_id))

    def property(self, name: str, default: str) -> str:
        """Return a pool property."""
        row = self._read("SELECT value FROM property WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def set_property(self, name: str, value: str) -> None:
        """Set a pool property."""
        self._execute(
            "INSERT INTO property VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


def load_disks(connection: apsw.Connection) -> list[DiskRecord]:
    """Read every disk through any connection."""
    return [
        DiskRecord(
            disk_id=DiskId(row[0]),
            uuid=DiskUuid(UUID(bytes=row[1])),
            name=row[2],
            path=row[3],
            tier=Tier(row[4]),
            state=DiskState(row[5]),
            added_generation=Generation(row[6]),
        )
        for row in connection.execute("SELECT * FROM disk ORDER BY id")
    ]
