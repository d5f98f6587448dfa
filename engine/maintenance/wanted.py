"""What an extent should be stored as: the strongest policy of the files in it.

Nothing leads from an extent up to the directories that decide, so the files
that have a policy are walked and their extents noted in a scratch database,
which SQLite spills to disk: memory stays bounded (P8). Extents without such a
file follow the pool. Notes may be older than the newest change; where rows
were added meanwhile the pool's policy counts, too, and an extent that is newer
than the notes is left as strong as it was written: nothing is weakened on the
word of an old note.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import apsw

from engine.ids import ExtentId, InodeId
from engine.metadata.policies import REDUNDANCY_NAME, decode_policy
from engine.metadata.wal import ReaderPool
from engine.model.redundancy import (
    Redundancy,
    Replication,
    needed_count,
    parse_redundancy,
    tolerance,
)

PIECE_ROWS: Final = 2000
"""Rows of one read transaction: some 10 ms."""

_POLICIES: Final = (
    "SELECT x.inode, x.value, i.mode, i.map FROM xattr x JOIN inode i ON i.id = x.inode"
    " WHERE x.inode > ? AND x.name = ? ORDER BY x.inode LIMIT ?"
)
_CHILDREN: Final = (
    "SELECT d.name, i.id, i.mode, i.map, i.parent,"
    " (SELECT value FROM xattr x WHERE x.inode = i.id AND x.name = ?3)"
    " FROM dentry d JOIN inode i ON i.id = d.inode"
    " WHERE d.parent = ?1 AND d.name > ?2 ORDER BY d.name LIMIT ?4"
)
_EXTENTS: Final = (
    "SELECT extent, offset FROM segment WHERE map = ? AND offset > ? ORDER BY offset LIMIT ?"
)

_NOTES: Final = "SELECT extent, policy, segments FROM note WHERE extent >= ? AND extent < ?"
_SEGMENTS: Final = (
    "SELECT extent, count(*) FROM segment WHERE extent >= ? AND extent < ? GROUP BY extent"
)


def strength(redundancy: Redundancy) -> tuple[int, int, int]:
    """Return what orders policies: losses survived, then the fewer needed to read.

    >>> from engine.model.redundancy import ErasureCoding
    >>> strength(ErasureCoding(4, 2)) < strength(Replication(3)) < strength(ErasureCoding(8, 3))
    True
    """
    return (
        tolerance(redundancy),
        -needed_count(redundancy),
        int(isinstance(redundancy, Replication)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A policy as if it had been set; ``redundancy`` None as if the inode had none."""

    inode_id: InodeId
    redundancy: Redundancy | None


class WantedRedundancy:
    """Answers for one extent at a time. ``refresh`` by one thread; the rest by any."""

    def __init__(
        self,
        readers: ReaderPool,
        *,
        default: Callable[[], Redundancy],
        assumed: Assumed | None = None,
    ) -> None:
        """*default* is the pool's policy."""
        self._readers: Final = readers
        self._assumed: Final = assumed
        self._default: Final = default
        self._lock: Final = threading.Lock()
        self._policies: list[Redundancy] = []
        self._notes = _new_notes()
        self._newest = 0
        """Extents behind this were written after the notes were begun."""

    def of(self, extent_id: ExtentId) -> Redundancy:
        """Return what the extent should be stored as, by the newest notes."""
        default = self._default()
        with self._lock:
            row = self._notes.execute(
                "SELECT policy, segments FROM note WHERE extent = ?", (extent_id,)
            ).fetchone()
            newest = self._newest
            noted = default if row is None else self._policies[_number(row[0])]
        if row is None:
            return default if extent_id <= newest else self._unknown(extent_id, default)
        with self._readers.read() as connection:
            query = "SELECT count(*) FROM segment WHERE extent = ?"
            segments = int(connection.execute(query, (extent_id,)).get)
        return noted if segments <= _number(row[1]) else max(noted, default, key=strength)

    def of_each(self, extents: range) -> Callable[[ExtentId], Redundancy]:
        """Return the answers for *extents*, all looked up at once, by the newest notes.

        Those that are newer than the notes follow the pool in them.
        """
        default, bounds = self._default(), (extents.start, extents.stop)
        with self._lock:
            rows = list(self._notes.execute(_NOTES, bounds))
            noted = [(row[0], self._policies[_number(row[1])], _number(row[2])) for row in rows]
        counted = self._read(_SEGMENTS, bounds) if noted else []
        counts = {row[0]: _number(row[1]) for row in counted}
        found = {
            extent_id: policy
            if counts.get(extent_id, 0) <= segments
            else max(policy, default, key=strength)
            for extent_id, policy, segments in noted
        }
        return lambda extent_id: found.get(extent_id, default)

    def _unknown(self, extent_id: ExtentId, default: Redundancy) -> Redundancy:
        """Return the stronger of the pool's policy and what an extent was written with."""
        rows = self._read("SELECT redundancy FROM extent WHERE id = ?", (extent_id,))
        return max([default, *(parse_redundancy(str(row[0])) for row in rows)], key=strength)

    def refresh(self) -> None:
        """Walk the files with a policy anew; takes some 10 us for each."""
        policies: list[Redundancy] = []
        notes = _new_notes()
        newest = self._read("SELECT coalesce(max(id), 0) FROM extent", ())
        notes.execute("BEGIN")
        for redundancy, map_id in self._maps():
            if redundancy not in policies:
                policies.append(redundancy)
            self._note(notes, policies, redundancy, map_id)
        notes.execute("COMMIT")
        with self._lock:
            before, self._notes, self._policies = self._notes, notes, policies
            self._newest = _number(newest[0][0])
        before.close()

    def _note(
        self,
        notes: apsw.Connection,
        policies: list[Redundancy],
        redundancy: Redundancy,
        map_id: int,
    ) -> None:
        """Note every segment of a file: its extent wants at least *redundancy*."""
        mine, cursor = policies.index(redundancy), -1
        while rows := self._read(_EXTENTS, (map_id, cursor, PIECE_ROWS)):
            cursor = _number(rows[-1][1])
            for extent_id in (_number(row[0]) for row in rows):
                found = notes.execute(
                    "SELECT policy FROM note WHERE extent = ?", (extent_id,)
                ).fetchone()
                other = mine if found is None else _number(found[0])
                stronger = max(mine, other, key=lambda one: strength(policies[one]))
                notes.execute(
                    "INSERT INTO note VALUES (?, ?, 1) ON CONFLICT (extent)"
                    " DO UPDATE SET policy = excluded.policy, segments = segments + 1",
                    (extent_id, stronger),
                )

    def _maps(self) -> Iterator[tuple[Redundancy, int]]:
        """Yield the maps of all files with a policy of their own or a directory's."""
        cursor = 0
        while rows := self._read(_POLICIES, (cursor, REDUNDANCY_NAME, PIECE_ROWS)):
            cursor = _number(rows[-1][0])
            for inode, value, mode, map_id in rows:
                redundancy = decode_policy(bytes(value) if isinstance(value, bytes) else None)
                if redundancy is not None and not self._is_assumed(inode):
                    yield from self._maps_of(redundancy, inode, mode, map_id)
        if self._assumed is not None and self._assumed.redundancy is not None:
            inode = self._assumed.inode_id
            for mode, map_id in self._read("SELECT mode, map FROM inode WHERE id = ?", (inode,)):
                yield from self._maps_of(self._assumed.redundancy, inode, mode, map_id)

    def _maps_of(
        self, redundancy: Redundancy, inode: object, mode: object, map_id: object
    ) -> Iterator[tuple[Redundancy, int]]:
        """Yield the map of an inode, or of those that follow it, with its policy."""
        if stat.S_ISDIR(_number(mode)):
            yield from ((redundancy, one) for one in self._below(_number(inode)))
        elif _number(map_id):
            yield redundancy, _number(map_id)

    def _is_assumed(self, inode: object) -> bool:
        return self._assumed is not None and inode == self._assumed.inode_id

    def _own(self, inode: object, value: object) -> Redundancy | None:
        """Return the policy of an inode itself, whose attribute has *value*."""
        if self._assumed is not None and self._is_assumed(inode):
            return self._assumed.redundancy
        return decode_policy(value if isinstance(value, bytes) else None)

    def _below(self, directory: int) -> Iterator[int]:
        """Yield the maps of the files that follow *directory*."""
        waiting = [directory]
        while waiting:
            parent, name = waiting.pop(), b""
            while rows := self._read(_CHILDREN, (parent, name, REDUNDANCY_NAME, PIECE_ROWS)):
                name = bytes(rows[-1][0]) if isinstance(rows[-1][0], bytes) else name
                for _, inode, mode, map_id, follows, value in rows:
                    if self._own(inode, value) is not None or follows != parent:
                        continue  # It decides for itself, or follows another directory.
                    if stat.S_ISDIR(_number(mode)):
                        waiting.append(_number(inode))
                    elif _number(map_id):
                        yield _number(map_id)

    def _read(self, query: str, bindings: tuple[int | bytes, ...]) -> list[tuple[object, ...]]:
        with self._readers.read() as connection:
            return list(connection.execute(query, bindings))


def _new_notes() -> apsw.Connection:
    """Return an empty scratch database, deleted when it is closed."""
    notes = apsw.Connection("")
    notes.execute(
        "CREATE TABLE note (extent INTEGER PRIMARY KEY, policy INTEGER, segments INTEGER)"
    )
    return notes


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
