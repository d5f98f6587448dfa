"""The metadata database: its tables, and what they mean.

*Tracked* tables make up the namespace; every change to them is in the
changeset of its group's root record, and replaying the records makes them
again on another machine. All keys are explicit and NOT NULL; there are no
triggers, foreign keys or automatic row ids, since a replay would not repeat
what those do. ``staged`` is replayed from its own part of the record.
``head`` and ``outbox`` are local: they describe how far this database is.

=================  =======================================================
inode              attributes; ``check_hash`` is BLAKE3 (16 bytes) over
                   the other columns. A directory names its parent.
dentry             names; ``cookie`` orders a listing and never changes
symlink            link targets
xattr              extended attributes
segment            file map: (map, offset) -> (extent, extent offset)
extent             extent records; ``check_hash`` covers the fragments too
fragment           where each fragment is, with its header's BLAKE3
damage             fragments found corrupt or missing on a present disk
orphan             inodes without a name that were open when last seen
reap               maps (from an offset on) that Collect still has to empty;
                   below zero: inodes that are gone, with attributes left
dropped            extents whose files are still to be deleted from disks
disk               members of the pool
property           pool properties, by name
staged             small data inside the metadata until it is in an extent
head               the newest group in this database
outbox             groups committed here, not yet acknowledged
=================  =======================================================
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1

TRACKED_TABLES: Final[dict[str, int]] = {
    "inode": 13,
    "dentry": 4,
    "symlink": 2,
    "xattr": 3,
    "segment": 5,
    "extent": 9,
    "fragment": 5,
    "damage": 4,
    "orphan": 1,
    "reap": 2,
    "dropped": 4,
    "disk": 7,
    "property": 2,
}
"""Names of the tracked tables and their number of columns."""

SCHEMA_SQL: Final = """
CREATE TABLE inode (
    id INTEGER PRIMARY KEY NOT NULL,
    mode INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    nlink INTEGER NOT NULL,
    size INTEGER NOT NULL,
    rdev INTEGER NOT NULL,
    atime_ns INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    map INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    check_hash BLOB NOT NULL
) STRICT;

CREATE TABLE dentry (
    parent INTEGER NOT NULL,
    name BLOB NOT NULL,
    inode INTEGER NOT NULL,
    cookie INTEGER NOT NULL,
    PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dentry_cookie ON dentry (parent, cookie);

CREATE TABLE symlink (
    inode INTEGER PRIMARY KEY NOT NULL,
    target BLOB NOT NULL
) STRICT;

CREATE TABLE xattr (
    inode INTEGER NOT NULL,
    name BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (inode, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE segment (
    map INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    extent INTEGER NOT NULL,
    extent_offset INTEGER NOT NULL,
    PRIMARY KEY (map, offset)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_extent ON segment (extent);

CREATE TABLE extent (
    id INTEGER PRIMARY KEY NOT NULL,
    redundancy TEXT NOT NULL,
    needed INTEGER NOT NULL,
    width INTEGER NOT NULL,
    tier TEXT NOT NULL,
    length INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    check_hash BLOB NOT NULL
) STRICT;

CREATE TABLE fragment (
    extent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    disk INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    header_hash BLOB NOT NULL,
    PRIMARY KEY (extent, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX fragment_disk ON fragment (disk, extent);

CREATE TABLE damage (
    extent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    found_ns INTEGER NOT NULL,
    PRIMARY KEY (extent, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE orphan (
    inode INTEGER PRIMARY KEY NOT NULL
) STRICT;

CREATE TABLE reap (
    map INTEGER PRIMARY KEY NOT NULL,
    from_offset INTEGER NOT NULL
) STRICT;

CREATE TABLE dropped (
    extent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    disk INTEGER NOT NULL,
    PRIMARY KEY (extent, position, layout)
) STRICT, WITHOUT ROWID;

CREATE TABLE disk (
    id INTEGER PRIMARY KEY NOT NULL,
    uuid BLOB NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    tier TEXT NOT NULL,
    state TEXT NOT NULL,
    added_generation INTEGER NOT NULL
) STRICT;

CREATE TABLE property (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE staged (
    map INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (map, offset)
) STRICT;

CREATE TABLE head (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    generation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    root_hash BLOB NOT NULL,
    header BLOB NOT NULL
) STRICT;

CREATE TABLE outbox (
    generation INTEGER PRIMARY KEY NOT NULL,
    record BLOB NOT NULL
) STRICT;
"""

LATER_INDEXES_SQL: Final = "CREATE INDEX IF NOT EXISTS dentry_inode ON dentry (inode)"
"""Indexes that databases of this schema may lack: they come when one is opened."""
