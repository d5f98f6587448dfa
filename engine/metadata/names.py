"""Directory entries, link targets and extended attributes.

Every method runs under the write lock; changes run inside an operation.
"""

from __future__ import annotations

from typing import Final

from engine.errors import NoSpaceError
from engine.ids import InodeId
from engine.limits import (
    STEP_ROWS_MAX,
    XATTR_BYTES_PER_INODE_MAX,
    XATTR_LIST_BYTES_MAX,
    XATTR_STEP_BYTES,
    XATTRS_PER_INODE_MAX,
)
from engine.metadata.store import MetadataStore
from engine.model.inode import DirectoryEntry

NAMES_CACHED_MAX: Final = 16_384


class NameTable:
    """Names of the tree and what hangs on inodes by name."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._execute = store.connection.execute
        self._read = store.rows.read
        # The kernel looks a name up before it makes, renames or replaces it, and
        # each of those looks again: most finds are of names just looked for.
        self._found: dict[tuple[InodeId, bytes], DirectoryEntry | None] = {}
        store.on_rollback.append(self._found.clear)

    # Directory entries

    def find(self, parent: InodeId, name: bytes) -> DirectoryEntry | None:
        """Return the entry *name* of *parent*."""
        if (parent, name) in self._found:
            return self._found[parent, name]
        row = self._read(
            "SELECT inode, cookie FROM dentry WHERE parent = ? AND name = ?", (parent, name)
        ).fetchone()
        entry = None if row is None else DirectoryEntry(name, InodeId(row[0]), row[1])
        self._remember(parent, name, entry)
        return entry

    def _remember(self, parent: InodeId, name: bytes, entry: DirectoryEntry | None) -> None:
        """Keep what a name leads to, or that there is none; at the bound the oldest go."""
        if len(self._found) >= NAMES_CACHED_MAX:
            for key in list(self._found)[: NAMES_CACHED_MAX // 4]:
                del self._found[key]
        self._found[parent, name] = entry

    def insert(self, parent: InodeId, name: bytes, inode_id: InodeId) -> None:
        """Add a name that is free."""
        cookie = self._store.new_cookie()
        self._execute("INSERT INTO dentry VALUES (?, ?, ?, ?)", (parent, name, inode_id, cookie))
        self._remember(parent, name, DirectoryEntry(name, inode_id, cookie))

    def point(self, parent: InodeId, name: bytes, inode_id: InodeId) -> None:
        """Let a taken name lead to another inode; its cookie stays."""
        self._execute(
            "UPDATE dentry SET inode = ? WHERE parent = ? AND name = ?", (inode_id, parent, name)
        )
        self._found.pop((parent, name), None)

    def delete(self, parent: InodeId, name: bytes) -> None:
        """Remove a name."""
        self._execute("DELETE FROM dentry WHERE parent = ? AND name = ?", (parent, name))
        self._remember(parent, name, None)

    def home_of(self, inode_id: InodeId, last: InodeId) -> InodeId:
        """Return the directory that an inode with names belongs to: *last* while it has one there.

        Else the oldest of those with a name of it; *last* when there is none. Some
        10 us, however many names there are: the index has inode, directory and name.
        """
        query = "SELECT 1 FROM dentry WHERE inode = ? AND parent = ? LIMIT 1"
        if self._read(query, (inode_id, last)).fetchone() is not None:
            return last
        query = "SELECT parent FROM dentry WHERE inode = ? ORDER BY parent LIMIT 1"
        row = self._read(query, (inode_id,)).fetchone()
        return last if row is None else InodeId(row[0])

    def list_behind(self, parent: InodeId, cookie: int, limit: int) -> list[DirectoryEntry]:
        """Return up to *limit* entries with a larger cookie, in cookie order."""
        rows = self._read(
            "SELECT name, inode, cookie FROM dentry WHERE parent = ? AND cookie > ?"
            " ORDER BY cookie LIMIT ?",
            (parent, cookie, limit),
        )
        return [DirectoryEntry(name, InodeId(inode), at) for name, inode, at in rows]

    def is_empty(self, parent: InodeId) -> bool:
        """Whether a directory has no names."""
        query = "SELECT 1 FROM dentry WHERE parent = ? LIMIT 1"
        return self._read(query, (parent,)).fetchone() is None

    # Symbolic links

    def set_target(self, inode_id: InodeId, target: bytes) -> None:
        """Store a link target."""
        self._execute("INSERT INTO symlink VALUES (?, ?)", (inode_id, target))

    def target(self, inode_id: InodeId) -> bytes | None:
        """Return a link target."""
        row = self._read("SELECT target FROM symlink WHERE inode = ?", (inode_id,)).fetchone()
        return None if row is None else bytes(row[0])

    # Extended attributes

    def get_xattr(self, inode_id: InodeId, name: bytes) -> bytes | None:
        """Return the value of an attribute."""
        row = self._read(
            "SELECT value FROM xattr WHERE inode = ? AND name = ?", (inode_id, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def set_xattr(self, inode_id: InodeId, name: bytes, value: bytes) -> None:
        """Create or replace an attribute.

        Raises:
            NoSpaceError: the inode would have more than one may have (P8).
        """
        row = self._read(
            "SELECT length(value) FROM xattr WHERE inode = ? AND name = ?", (inode_id, name)
        ).fetchone()
        old_bytes = 0 if row is None else int(row[0])
        if row is None or len(value) > old_bytes:
            self._require_xattr_room(inode_id, name, len(name) + len(value))
        self._execute(
            "INSERT INTO xattr VALUES (?, ?, ?)"
            " ON CONFLICT (inode, name) DO UPDATE SET value = excluded.value",
            (inode_id, name, value),
        )
        self._store.note_bytes(old_bytes + len(value))

    def _require_xattr_room(self, inode_id: InodeId, name: bytes, wanted_bytes: int) -> None:
        # Bounded, since an older version let an inode have as many as it liked.
        count, others_bytes, list_bytes = self._read(
            "SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(listed), 0) FROM"
            " (SELECT length(name) + length(value) AS bytes, length(name) + 1 AS listed"
            " FROM xattr WHERE inode = ? AND name <> ? LIMIT ?)",
            (inode_id, name, XATTRS_PER_INODE_MAX),
        ).get
        if (
            count >= XATTRS_PER_INODE_MAX
            or others_bytes + wanted_bytes > XATTR_BYTES_PER_INODE_MAX
            or list_bytes + len(name) + 1 > XATTR_LIST_BYTES_MAX
        ):
            raise NoSpaceError(f"inode {inode_id} has {count} attributes, {others_bytes} bytes")

    def has_xattrs(self, inode_id: InodeId) -> bool:
        """Whether the inode has any attribute."""
        query = "SELECT 1 FROM xattr WHERE inode = ? LIMIT 1"
        return self._read(query, (inode_id,)).fetchone() is not None

    def list_xattrs(self, inode_id: InodeId) -> list[bytes]:
        """Return the attributes' names, sorted."""
        rows = self._read("SELECT name FROM xattr WHERE inode = ? ORDER BY name", (inode_id,))
        return [row[0] for row in rows]

    def remove_xattr(self, inode_id: InodeId, name: bytes) -> None:
        """Remove an attribute; harmless when there is none."""
        for (length,) in self._execute(
            "DELETE FROM xattr WHERE inode = ? AND name = ? RETURNING length(value)",
            (inode_id, name),
        ):
            # The changeset carries what was removed.
            self._store.note_bytes(length)

    # What hangs on an inode that goes

    def forget(self, inode_id: InodeId) -> None:
        """Remove everything that hangs on an inode: a step at once, the rest by Collect.

        A ``reap`` row with the inode's number below zero remembers the rest.
        """
        self._execute("DELETE FROM symlink WHERE inode = ?", (inode_id,))
        if not self._forget_some(inode_id):
            self._execute("INSERT INTO reap VALUES (?, 0)", (-inode_id,))

    def next_to_reap(self) -> InodeId | None:
        """Return an inode that is gone and has attributes left, None if none has."""
        query = "SELECT map FROM reap WHERE map < 0 ORDER BY map LIMIT 1"
        row = self._read(query).fetchone()
        return None if row is None else InodeId(-int(row[0]))

    def reap(self, inode_id: InodeId) -> None:
        """Remove a step's worth of what an inode left behind."""
        if self._forget_some(inode_id):
            self._execute("DELETE FROM reap WHERE map = ?", (-inode_id,))

    def _forget_some(self, inode_id: InodeId) -> bool:
        """Remove attributes, as many as one step may; True when none is left."""
        rows = list(
            self._read(
                "SELECT name, length(value) FROM xattr WHERE inode = ? ORDER BY name LIMIT ?",
                (inode_id, STEP_ROWS_MAX + 1),
            )
        )
        count = removed_bytes = 0
        for _, length in rows[:STEP_ROWS_MAX]:
            if removed_bytes + length > XATTR_STEP_BYTES:
                break
            removed_bytes += length
            count += 1
        if count:
            self._execute(
                "DELETE FROM xattr WHERE inode = ? AND name <= ?", (inode_id, rows[count - 1][0])
            )
            self._store.note_bytes(removed_bytes)
        return count == len(rows)
