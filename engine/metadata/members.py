"""Disks of the pool and its properties.

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import apsw

from engine.ids import DiskId, DiskUuid, Generation
from engine.metadata.store import MetadataStore
from engine.model.disk import DiskMarks, DiskRecord, DiskState, Tier

_MARK: Final = "disk.{}.{}"
"""Name of the property that keeps one mark of one disk."""

_NUMBER_GONE: Final = "disk.number_gone"
"""Name of the property that keeps the highest number in a name of a disk that left."""

_NUMBERED: Final = re.compile(r"d[0-9]{1,9}")

NO_MARKS: Final = DiskMarks()


class MemberTable:
    """What the pool consists of."""

    def __init__(self, store: MetadataStore) -> None:
        self._connection = store.connection
        self._execute = store.writer.execute
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

    def remove(self, disk_id: DiskId) -> None:
        """Take a disk out of the pool, with its marks; no fragment may be on it.

        Its id is never given out again (the root's high-water mark).
        """
        self.set_property(_NUMBER_GONE, str(self._highest_number()))
        self.set_marks(disk_id, NO_MARKS)
        self._execute("DELETE FROM disk WHERE id = ?", (disk_id,))

    def next_name(self) -> str:
        """Return the name for a new disk, one that no disk of this pool ever had."""
        return f"d{self._highest_number() + 1}"

    def _highest_number(self) -> int:
        numbers = [int(disk.name[1:]) for disk in self.disks() if _NUMBERED.fullmatch(disk.name)]
        return max([int(self.property(_NUMBER_GONE, "0")), *numbers])

    def has_fragments(self, disk_id: DiskId) -> bool:
        """Whether any extent has a fragment on the disk."""
        query = "SELECT 1 FROM fragment WHERE disk = ? LIMIT 1"
        return self._read(query, (disk_id,)).fetchone() is not None

    def forget_dropped(self, disk_id: DiskId, row_limit: int) -> int:
        """Forget up to *row_limit* files that were to be deleted from the disk.

        For one that leaves: nobody will delete them. Returns how many.
        """
        self._execute(
            "DELETE FROM dropped WHERE (extent, position, layout) IN (SELECT extent, position,"
            " layout FROM dropped WHERE disk = ? LIMIT ?)",
            (disk_id, row_limit),
        )
        return int(self._execute("SELECT changes()").get)

    def marks(self, disk_id: DiskId) -> DiskMarks:
        """Return what the operator decided about the disk."""

        def read(name: str) -> str:
            return self.property(_MARK.format(disk_id, name), "")

        replaced_by = read("replaced_by")
        return DiskMarks(
            spare=read("spare") == "yes",
            detached=read("detached") == "yes",
            replaced_by=DiskId(int(replaced_by)) if replaced_by else None,
            leaving_fragments=int(read("leaving_fragments") or 0),
            wished=DiskState(read("wished") or DiskState.HEALTHY),
            since_ns=int(read("since_ns") or 0),
            cause=read("cause"),
        )

    def set_marks(self, disk_id: DiskId, marks: DiskMarks) -> None:
        """Keep what the operator decided; what is as by default needs no row."""
        values = {
            "spare": "yes" if marks.spare else "",
            "detached": "yes" if marks.detached else "",
            "replaced_by": "" if marks.replaced_by is None else str(marks.replaced_by),
            "leaving_fragments": str(marks.leaving_fragments or ""),
            "wished": "" if marks.wished is DiskState.HEALTHY else str(marks.wished),
            "since_ns": str(marks.since_ns or ""),
            "cause": marks.cause,
        }
        for name, value in values.items():
            if value:
                self.set_property(_MARK.format(disk_id, name), value)
            else:
                self._execute("DELETE FROM property WHERE name = ?", (_MARK.format(disk_id, name),))

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


def count_fragments(connection: apsw.Connection, disk_id: DiskId) -> int:
    """Return how many fragments extents have on a disk; some 10 ms for a million."""
    found = connection.execute("SELECT count(*) FROM fragment WHERE disk = ?", (disk_id,)).get
    return int(found or 0)


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
