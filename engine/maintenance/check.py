"""Says where the metadata contradicts itself.

Reads one consistent picture: the caller gives a connection inside a read
transaction of its own, or an otherwise idle one. Streams, and keeps at most
CONTRADICTIONS_MAX sentences, so memory does not grow with the pool (P8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import apsw

from engine.errors import DamagedDatabaseError
from engine.ids import ExtentId
from engine.metadata.extents_table import load_extent
from engine.metadata.inodes import decode_inode

CONTRADICTIONS_MAX: Final = 200

_DIRECTORY: Final = "(mode & 61440) = 16384"
"""S_IFMT is 0o170000, S_IFDIR 0o040000."""

_ROOT: Final = 1

_ANTI_JOINS: Final[tuple[tuple[str, str], ...]] = (
    (
        "SELECT parent, name, inode FROM dentry d"
        " WHERE NOT EXISTS (SELECT 1 FROM inode WHERE id = d.inode)",
        "entry {1!r} of directory {0} leads to inode {2}, which does not exist",
    ),
    (
        f"SELECT parent, name FROM dentry d WHERE NOT EXISTS"
        f" (SELECT 1 FROM inode WHERE id = d.parent AND {_DIRECTORY})",
        "entry {1!r} lies in inode {0}, which is no directory",
    ),
    (
        f"SELECT d.parent, d.name, d.inode, i.parent FROM dentry d JOIN inode i ON i.id = d.inode"
        f" WHERE {_DIRECTORY} AND i.parent <> d.parent",
        "directory {2} is entry {1!r} of {0}, but says it lies in {3}",
    ),
    (
        "SELECT i.id, i.nlink, coalesce(n.count, 0) FROM inode i LEFT JOIN"
        " (SELECT inode, count(*) AS count FROM dentry GROUP BY inode) n ON n.inode = i.id"
        f" WHERE NOT {_DIRECTORY} AND i.nlink <> coalesce(n.count, 0)",
        "inode {0} says {1} links and has {2}",
    ),
    (
        "SELECT i.id, i.nlink, 2 + coalesce(n.count, 0) FROM inode i LEFT JOIN"
        f" (SELECT parent, count(*) AS count FROM inode WHERE {_DIRECTORY} AND id <> parent"
        " AND id IN (SELECT inode FROM dentry) GROUP BY parent) n ON n.parent = i.id"
        f" WHERE {_DIRECTORY} AND i.nlink <> 2 + coalesce(n.count, 0)"
        " AND NOT EXISTS (SELECT 1 FROM orphan WHERE inode = i.id)",
        "directory {0} says {1} links and has {2}",
    ),
    (
        f"SELECT id FROM inode i WHERE id <> {_ROOT}"
        " AND NOT EXISTS (SELECT 1 FROM orphan WHERE inode = i.id)"
        " AND id NOT IN (SELECT inode FROM dentry)",
        "inode {0} has no name and is not noted as an orphan",
    ),
    (
        f"SELECT id FROM inode WHERE {_DIRECTORY} AND id NOT IN (WITH RECURSIVE below (id) AS"
        f" (VALUES ({_ROOT}) UNION SELECT c.id FROM below b JOIN dentry d ON d.parent = b.id"
        " JOIN inode c ON c.id = d.inode WHERE (c.mode & 61440) = 16384) SELECT id FROM below)"
        " AND NOT EXISTS (SELECT 1 FROM orphan WHERE inode = inode.id)",
        "directory {0} cannot be reached from the root",
    ),
    (
        "SELECT inode FROM orphan o WHERE NOT EXISTS (SELECT 1 FROM inode WHERE id = o.inode)",
        "an orphan is noted for inode {0}, which does not exist",
    ),
    (
        "SELECT inode FROM symlink s WHERE NOT EXISTS"
        " (SELECT 1 FROM inode WHERE id = s.inode AND (mode & 61440) = 40960)",
        "a link target is kept for inode {0}, which is no symbolic link",
    ),
    (
        "SELECT id FROM inode i WHERE (mode & 61440) = 40960"
        " AND NOT EXISTS (SELECT 1 FROM symlink WHERE inode = i.id)",
        "symbolic link {0} has no target",
    ),
    (
        "SELECT inode, name FROM xattr x WHERE NOT EXISTS (SELECT 1 FROM inode WHERE id = x.inode)"
        " AND NOT EXISTS (SELECT 1 FROM reap WHERE map = -x.inode)",
        "attribute {1!r} is kept for inode {0}, which does not exist",
    ),
    (
        "SELECT s.map, s.offset, s.extent FROM segment s"
        " LEFT JOIN extent e ON e.id = s.extent WHERE e.id IS NULL",
        "map {0}: the segment at {1} names extent {2}, which does not exist",
    ),
    (
        "SELECT s.map, s.offset, s.extent FROM segment s JOIN extent e ON e.id = s.extent"
        " WHERE s.length <= 0 OR s.extent_offset < 0 OR s.extent_offset + s.length > e.length",
        "map {0}: the segment at {1} reaches outside extent {2}",
    ),
    (
        "SELECT f.extent, f.position FROM fragment f WHERE NOT EXISTS"
        " (SELECT 1 FROM extent WHERE id = f.extent)",
        "fragment {1} belongs to extent {0}, which does not exist",
    ),
    (
        "SELECT f.extent, f.position, f.disk FROM fragment f WHERE NOT EXISTS"
        " (SELECT 1 FROM disk WHERE id = f.disk)",
        "extent {0}: fragment {1} lies on disk {2}, which the pool does not have",
    ),
    (
        "SELECT extent, disk FROM fragment GROUP BY extent, disk HAVING count(*) > 1",
        "extent {0} has two fragments on disk {1}",
    ),
    (
        "SELECT d.extent, d.position FROM damage d WHERE NOT EXISTS (SELECT 1 FROM fragment f"
        " WHERE f.extent = d.extent AND f.position = d.position)",
        "damage is noted for fragment {1} of extent {0}, which does not exist",
    ),
    (
        "SELECT d.extent, d.position FROM dropped d JOIN fragment f ON f.extent = d.extent"
        " AND f.position = d.position AND f.layout = d.layout",
        "fragment {1} of extent {0} is in use and to be deleted",
    ),
)
"""Queries that return nothing in sound metadata, each with the sentence for a row."""

_PIECES: Final = (
    "SELECT map, offset, length FROM segment UNION ALL SELECT map, offset, length(data) FROM staged"
)


def check_metadata(connection: apsw.Connection) -> list[str]:
    """Return the contradictions found, as sentences; empty when there are none.

    Takes some 10 us a row. Nothing is changed.
    """
    checks: tuple[Callable[[apsw.Connection], Iterator[str]], ...] = (
        _damaged_inodes,
        _damaged_extents,
        _contradicting_rows,
        _overlaps,
        _pieces_outside_files,
    )
    found: list[str] = []
    for check in checks:
        found += islice(check(connection), CONTRADICTIONS_MAX - len(found))
    if len(found) == CONTRADICTIONS_MAX:
        found.append("there may be more; only the first are listed")
    return found


def _contradicting_rows(connection: apsw.Connection) -> Iterator[str]:
    for query, sentence in _ANTI_JOINS:
        for row in connection.execute(query):
            yield sentence.format(*row)


def _damaged_inodes(connection: apsw.Connection) -> Iterator[str]:
    for row in connection.execute("SELECT * FROM inode"):
        try:
            decode_inode(row)
        except DamagedDatabaseError as error:
            yield str(error)


def _damaged_extents(connection: apsw.Connection) -> Iterator[str]:
    for (extent_id,) in connection.execute("SELECT id FROM extent"):
        try:
            load_extent(connection, ExtentId(extent_id))
        except DamagedDatabaseError as error:
            yield str(error)


def _overlaps(connection: apsw.Connection) -> Iterator[str]:
    """Compare each piece of a map with the one before it."""
    previous_map, previous_end = -1, 0
    for map_id, offset, length in connection.execute(f"{_PIECES} ORDER BY 1, 2"):
        if map_id == previous_map and offset < previous_end:
            yield f"map {map_id}: the piece at {offset} overlaps the one before it"
        previous_end = max(offset + length, previous_end if map_id == previous_map else 0)
        previous_map = map_id


def _pieces_outside_files(connection: apsw.Connection) -> Iterator[str]:
    """Name pieces behind the end of their file, and maps that no file has.

    What lies behind the offset of a ``reap`` row is on its way out.
    """
    query = (
        "SELECT p.map, p.last, r.from_offset, i.id, i.size FROM"
        f" (SELECT map, max(offset + length) AS last FROM ({_PIECES}) GROUP BY map) p"
        " LEFT JOIN inode i ON i.map = p.map AND p.map <> 0"
        " LEFT JOIN reap r ON r.map = p.map"
    )
    for map_id, last, reaped_from, inode, size in connection.execute(query):
        if inode is None:
            if reaped_from != 0:
                yield f"map {map_id} holds data and belongs to no file"
        elif last > size and (reaped_from is None or reaped_from > size):
            yield f"inode {inode}: data reaches to {last}, behind its size {size}"
