"""Connections to the metadata database.

Every page carries a checksum (cksumvfs, which comes with apsw; it does not
cover the WAL, which the checkpoint proof does). SQLite runs in WAL mode with
``synchronous=NORMAL``: a COMMIT does not wait for the disk, since durability
comes from the journals on the pool's disks (DESIGN 5).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw
import apsw.sqlite_extra

from engine.errors import DamagedDatabaseError
from engine.metadata.schema import LATER_INDEXES_SQL, SCHEMA_SQL, SCHEMA_VERSION
from engine.units import KIB, MIB

DATABASE_PAGE_BYTES: Final = 4 * KIB
CHECKSUM_RESERVE_BYTES: Final = 8
"""What cksumvfs keeps of each page; its documentation fixes the number."""

CACHE_BYTES: Final = 64 * MIB
READER_CACHE_BYTES: Final = 8 * MIB
"""Readers go through the tables once, piece by piece: what they met does not come again."""
STATEMENTS_CACHED: Final = 256
BUSY_MS_MAX: Final = 5000
"""How long SQLite waits for another connection's lock, in milliseconds."""
APPLICATION_ID: Final = 0x44594E46
"""``DYNF``, so that ``file`` and people know whose database it is."""

_CHECKSUM_VFS: Final = "cksmvfs"


def _register_checksum_vfs() -> None:
    """Make the checksumming layer known to SQLite, once per process."""
    if _CHECKSUM_VFS in apsw.vfs_names():
        return
    default = apsw.vfs_names()[0]
    carrier = apsw.Connection(":memory:")
    apsw.sqlite_extra.load(carrier, "cksumvfs")
    carrier.close()
    apsw.set_default_vfs(default)


def connect(path: Path | str, *, flags: int, cache_bytes: int = CACHE_BYTES) -> apsw.Connection:
    """Open *path* with the settings every connection shares."""
    _register_checksum_vfs()
    connection = apsw.Connection(
        str(path), flags=flags, vfs=_CHECKSUM_VFS, statementcachesize=STATEMENTS_CACHED
    )
    connection.set_busy_timeout(BUSY_MS_MAX)
    connection.pragma("foreign_keys", 0)
    connection.pragma("trusted_schema", 0)
    connection.pragma("cell_size_check", 1)
    connection.pragma("cache_size", -(cache_bytes // KIB))
    connection.pragma("temp_store", 2)
    # Else a query that names a parameter twice is compiled anew each time it runs, in
    # case another value asks for another plan: here that took most of its time.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def create_database(path: Path | str) -> apsw.Connection:
    """Make an empty metadata database at *path*, which must not exist."""
    connection = connect(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    connection.pragma("page_size", DATABASE_PAGE_BYTES)
    connection.reserve_bytes(reserve=CHECKSUM_RESERVE_BYTES)
    _use_wal(connection)
    connection.execute(SCHEMA_SQL)
    connection.execute(LATER_INDEXES_SQL)
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", SCHEMA_VERSION)
    return connection


def open_database(path: Path | str) -> apsw.Connection:
    """Open an existing metadata database for reading and writing.

    Raises:
        DamagedDatabaseError: it is no database, of another schema, or its
            pages fail their checksums.
    """
    try:
        connection = connect(path, flags=apsw.SQLITE_OPEN_READWRITE)
        _use_wal(connection)
        version = connection.pragma("user_version")
        identity = connection.pragma("application_id")
        if identity == APPLICATION_ID and version == SCHEMA_VERSION:
            connection.execute(LATER_INDEXES_SQL)
    except apsw.Error as error:
        raise DamagedDatabaseError(f"metadata database {path}: {error}") from error
    if identity != APPLICATION_ID or version != SCHEMA_VERSION:
        connection.close()
        raise DamagedDatabaseError(
            f"metadata database {path}: not a DynamicFS database of schema {SCHEMA_VERSION}"
        )
    return connection


def open_reader(path: Path | str) -> apsw.Connection:
    """Open another connection that only reads committed groups."""
    return connect(path, flags=apsw.SQLITE_OPEN_READONLY, cache_bytes=READER_CACHE_BYTES)


def _use_wal(connection: apsw.Connection) -> None:
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", 1)
    connection.wal_autocheckpoint(0)
