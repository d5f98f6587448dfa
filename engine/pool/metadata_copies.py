"""The copies of the metadata in an open pool, as a scrub goes through them."""

from __future__ import annotations

import apsw

from engine.ids import DiskUuid
from engine.maintenance.metadata_scrub import MetadataScrub
from engine.metadata.database import open_reader
from engine.pool.assembly import Engine
from engine.pool.checkpoints import CheckpointKeeper
from engine.pool.journal_reach import JournalReach


def metadata_scrub(engine: Engine, checkpoints: CheckpointKeeper) -> MetadataScrub:
    """Return a scrub of all that the disks and the pool directory hold of the metadata."""
    base = engine.base

    def disk_name(uuid: DiskUuid) -> str:
        names = {one.record.uuid: one.record.name for one in base.disks.presences()}
        return names.get(uuid, str(uuid))

    return MetadataScrub(
        clock=base.clock,
        disks=JournalReach(base.disks),
        journals=base.shipper,
        disk_name=disk_name,
        check_database=lambda: check_database(engine),
        make_checkpoint=checkpoints.make,
        scratch=base.pool_dir,
    )


def check_database(engine: Engine) -> str:
    """Read every page of the database; return what is wrong, and leave word of it (R6).

    On a connection of its own: the others are for short reads.
    """
    try:
        connection = open_reader(engine.base.database)
        try:
            found = str(connection.execute("PRAGMA quick_check(1)").get)
        finally:
            connection.close()
    except apsw.Error as error:
        found = str(error) or type(error).__name__
    if found == "ok":
        return ""
    engine.note_damage(found)
    return found
