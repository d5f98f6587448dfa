"""Which extents a scrub of a part of the pool goes through, found piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from engine.errors import UsageError
from engine.ids import ROOT_INODE, DiskId, ExtentId
from engine.maintenance.scrub_ages import DAY_S, fragment_pieces
from engine.maintenance.scrub_records import ScrubRecords
from engine.maintenance.scrub_target import ScrubTarget, TargetKind
from engine.metadata.wal import ReaderPool
from engine.units import NS_PER_S

PIECE_ROWS: Final = 2000
"""Rows of one read transaction: a few milliseconds."""

# As slice_bytes has it: the share of one fragment, in whole blocks of 4 KiB.
_SLICE: Final = "(((length + needed - 1) / needed + 4095) / 4096 * 4096)"


def count_all(connection: apsw.Connection, above: int, limit: int) -> tuple[int, int, int] | None:
    """Return (last id, fragments, bytes) of the next extents, None behind the last."""
    row = connection.execute(
        f"SELECT max(id), sum(width), sum(width * {_SLICE})"
        " FROM (SELECT id, width, needed, length FROM extent WHERE id > ? ORDER BY id LIMIT ?)",
        (above, limit),
    ).fetchone()
    return None if row is None or row[0] is None else (int(row[0]), int(row[1]), int(row[2]))


def count_some(
    connection: apsw.Connection, extents: Sequence[ExtentId], disk_id: DiskId | None
) -> tuple[int, int]:
    """Return (fragments, bytes) of *extents*, of all or of one disk."""
    row = connection.execute(
        f"SELECT count(*), sum({_SLICE}) FROM fragment JOIN extent ON extent.id = fragment.extent"
        " WHERE fragment.extent IN (SELECT value FROM json_each(?1))"
        " AND (?2 IS NULL OR fragment.disk = ?2)",
        (json.dumps(extents), disk_id),
    ).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1] or 0))


def find_inode(connection: apsw.Connection, path: str) -> int | None:
    """Return the inode that *path* leads to from the root; links are not followed."""
    inode = int(ROOT_INODE)
    for name in path.split("/"):
        if name in ("", "."):
            continue
        row = connection.execute(
            "SELECT inode FROM dentry WHERE parent = ? AND name = ?",
            (inode, name.encode("utf-8", "surrogateescape")),
        ).fetchone()
        if row is None:
            return None
        inode = int(row[0])
    return inode


class TargetWalk:
    """Finds the extents of targets. One thread at a time."""

    def __init__(self, readers: ReaderPool, records: ScrubRecords) -> None:
        self._readers: Final = readers
        self._records: Final = records

    def require(self, target: ScrubTarget) -> None:
        """Raise UsageError unless what *target* names is there."""
        if target.kind is TargetKind.DIRECTORY:
            with self._readers.read() as connection:
                if find_inode(connection, target.name) is None:
                    raise UsageError(f"there is no {target.name} in the pool")

    def extents(
        self,
        target: ScrubTarget,
        *,
        disk_id: DiskId | None,
        before: Sequence[ExtentId],
        now_ns: int,
    ) -> Iterator[list[ExtentId]]:
        """Yield the extents of *target* in pieces; some may come twice.

        *disk_id* is the disk a DISK target names; *before* are the extents that
        the last scrub found wanting.
        """
        match target.kind:
            case TargetKind.DISK:
                yield from self._ids(
                    "SELECT DISTINCT extent FROM fragment WHERE extent > ?1 AND disk = ?3"
                    " ORDER BY extent LIMIT ?2",
                    disk_id,
                )
            case TargetKind.BAD:
                yield list(before)
                yield from self._ids(
                    "SELECT DISTINCT extent FROM damage WHERE extent > ?1 AND ?3 IS NULL"
                    " ORDER BY extent LIMIT ?2",
                    None,
                )
            case TargetKind.DIRECTORY:
                yield from self._below(target.name)
            case TargetKind.OLDER:
                yield from self._older(now_ns // NS_PER_S - target.days * DAY_S)
            case TargetKind.ALL:
                raise ValueError("all extents need no list")

    def _ids(self, query: str, disk_id: DiskId | None) -> Iterator[list[ExtentId]]:
        cursor = 0
        while True:
            with self._readers.read() as connection:
                rows = list(connection.execute(query, (cursor, PIECE_ROWS, disk_id)))
            if not rows:
                return
            cursor = rows[-1][0]
            yield [ExtentId(row[0]) for row in rows]

    def _older(self, cutoff_s: int) -> Iterator[list[ExtentId]]:
        for piece in fragment_pieces(self._readers):
            proofs = self._records.proofs(piece[0].extent_id, piece[-1].extent_id)
            stale = {one.extent_id for one in piece if one.verified_s(proofs) <= cutoff_s}
            yield sorted(stale)

    def _below(self, path: str) -> Iterator[list[ExtentId]]:
        """Walk the tree below *path*. Memory is one number a directory that waits."""
        with self._readers.read() as connection:
            top = find_inode(connection, path)
        if top is None:
            return  # Deleted since the scrub was asked for.
        yield from self._of_inodes([top])
        waiting = [top]
        while waiting:
            parent, name = waiting.pop(), b""
            while True:
                with self._readers.read() as connection:
                    rows = list(
                        connection.execute(
                            "SELECT name, inode, EXISTS (SELECT 1 FROM inode WHERE id = d.inode"
                            " AND mode & 61440 = 16384) FROM dentry AS d"
                            " WHERE parent = ? AND name > ? ORDER BY name LIMIT ?",
                            (parent, name, PIECE_ROWS),
                        )
                    )
                if not rows:
                    break
                name = rows[-1][0]
                waiting += [inode for _, inode, is_folder in rows if is_folder]
                yield from self._of_inodes([row[1] for row in rows if not row[2]])

    def _of_inodes(self, inodes: Sequence[int]) -> Iterator[list[ExtentId]]:
        """Yield the extents in which *inodes* have bytes."""
        with self._readers.read() as connection:
            rows = connection.execute(
                "SELECT map FROM inode WHERE map != 0 AND id IN (SELECT value FROM json_each(?))",
                (json.dumps(inodes),),
            )
            maps = [row[0] for row in rows]
        for map_id in maps:
            offset = -1
            while True:
                with self._readers.read() as connection:
                    rows_of_map = list(
                        connection.execute(
                            "SELECT offset, extent FROM segment WHERE map = ? AND offset > ?"
                            " ORDER BY offset LIMIT ?",
                            (map_id, offset, PIECE_ROWS),
                        )
                    )
                if not rows_of_map:
                    break
                offset = rows_of_map[-1][0]
                yield sorted({ExtentId(row[1]) for row in rows_of_map})
