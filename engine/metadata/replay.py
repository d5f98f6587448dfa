"""Apply root records to a database, so that none can be skipped (DESIGN 5).

SQLite's own apply answers success for a table it does not know. Here a record
is applied only by its schema version, after every table of its changeset was
checked; any conflict aborts; and the number of rows must be the record's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import apsw

from engine.errors import DamagedDatabaseError, DamagedRecordError
from engine.format.root import decode_root, encode_root
from engine.format.staged import StagedDelete, StagedPut, decode_staged
from engine.ids import Epoch, Generation
from engine.metadata.schema import SCHEMA_VERSION, TRACKED_TABLES
from engine.model.root import RootRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a database is: its newest group. ``header`` has no changeset."""

    generation: Generation
    epoch: Epoch
    root_hash: bytes
    header: RootRecord


def header_of(record: RootRecord) -> RootRecord:
    """Return *record* without its changes."""
    return replace(record, changeset=b"", staged=b"")


def read_head(connection: apsw.Connection) -> Head | None:
    """Return the newest group in the database, None in an empty one."""
    try:
        row = connection.execute(
            "SELECT generation, epoch, root_hash, header FROM head WHERE id = 1"
        ).fetchone()
    except apsw.Error as error:
        raise DamagedDatabaseError(f"metadata database: {error}") from error
    if row is None:
        return None
    generation, epoch, root_hash, header = row
    return Head(
        generation=Generation(generation),
        epoch=Epoch(epoch),
        root_hash=root_hash,
        header=decode_root(header),
    )


def write_head(connection: apsw.Connection, record: RootRecord, root_hash: bytes) -> None:
    """Make *record* the newest group; inside the caller's transaction."""
    connection.execute(
        "INSERT INTO head (id, generation, epoch, root_hash, header) VALUES (1, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET generation = excluded.generation,"
        " epoch = excluded.epoch, root_hash = excluded.root_hash, header = excluded.header",
        (record.generation, record.epoch, root_hash, encode_root(header_of(record))),
    )


def count_rows(changeset: bytes) -> int:
    """Return how many rows *changeset* changes, after checking its tables.

    Raises:
        DamagedRecordError: it names a table, or a shape of one, that is not
            of this schema.
    """
    count = 0
    if not changeset:
        return 0
    try:
        for change in apsw.Changeset.iter(changeset):
            if TRACKED_TABLES.get(change.name) != change.column_count:
                raise DamagedRecordError(f"root record changes an unknown table {change.name!r}")
            count += 1
    except apsw.Error as error:
        raise DamagedRecordError(f"root record with an unreadable changeset: {error}") from error
    return count


def apply_root(connection: apsw.Connection, record: RootRecord, root_hash: bytes) -> None:
    """Bring the database from its head to *record*, the next one, or not at all.

    Raises:
        DamagedRecordError: the record does not follow the head or does not
            apply exactly; the database is unchanged.
    """
    head = read_head(connection)
    _check_follows(head, record)
    if count_rows(record.changeset) != record.row_count:
        raise DamagedRecordError(f"root {record.generation}: not {record.row_count} rows")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if record.changeset:
            apsw.Changeset.apply(
                record.changeset, connection, conflict=lambda *_: apsw.SQLITE_CHANGESET_ABORT
            )
        apply_staged(connection, record.staged)
        write_head(connection, record, root_hash)
    except (apsw.Error, DamagedRecordError) as error:
        connection.execute("ROLLBACK")
        raise DamagedRecordError(f"root {record.generation} does not apply: {error}") from error
    connection.execute("COMMIT")


def apply_staged(connection: apsw.Connection, staged: bytes) -> None:
    """Repeat the staged part of a record; inside the caller's transaction."""
    for operation in decode_staged(staged):
        match operation:
            case StagedPut(map_id, offset, data):
                connection.execute("INSERT INTO staged VALUES (?, ?, ?)", (map_id, offset, data))
            case StagedDelete(map_id, offset):
                connection.execute(
                    "DELETE FROM staged WHERE map = ? AND offset = ?", (map_id, offset)
                )
                if connection.changes() != 1:
                    raise DamagedRecordError(f"staged row {map_id}/{offset} is not there")


def _check_follows(head: Head | None, record: RootRecord) -> None:
    if record.schema_version != SCHEMA_VERSION:
        raise DamagedRecordError(
            f"root {record.generation} is of schema {record.schema_version}, not {SCHEMA_VERSION}"
        )
    expected = (
        (Generation(1), bytes(32))
        if head is None
        else (
            Generation(head.generation + 1),
            head.root_hash,
        )
    )
    if (record.generation, record.previous_hash) != expected:
        raise DamagedRecordError(
            f"root {record.generation} does not follow generation {expected[0] - 1}"
        )
