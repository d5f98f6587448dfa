"""The write-ahead log stays small, and a reader neither stops nor loses anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from engine.ids import MapId
from engine.limits import WAL_CHECKPOINT_BYTES, WAL_GATE_BYTES
from engine.metadata.database import open_reader
from engine.metadata.wal import ReaderPool, WalKeeper
from engine.units import MIB
from tests.unit.metadata.shadowed_store import ShadowedStore

GROUP_BYTES = 4 * MIB


@contextmanager
def kept(shadowed: ShadowedStore) -> Iterator[tuple[WalKeeper, ReaderPool]]:
    readers = ReaderPool(shadowed.database)
    wal = WalKeeper(shadowed.connection, shadowed.database, readers)
    shadowed.store.between_groups = wal.between_groups
    try:
        yield wal, readers
    finally:
        shadowed.store.between_groups = lambda: None
        readers.close()


def write_group(shadowed: ShadowedStore) -> None:
    """Commit one group of GROUP_BYTES; about twice that goes through the WAL."""
    file_map = shadowed.tables.file_map
    with shadowed.store.operation():
        file_map.clear(MapId(1), 0, GROUP_BYTES, row_limit=1000)
        file_map.put_staged(MapId(1), 0, os.urandom(GROUP_BYTES))
    shadowed.close_group(acknowledged=shadowed.store.template.generation)


def test_the_log_stays_bounded_while_readers_come_and_go(shadowed: ShadowedStore) -> None:
    with kept(shadowed) as (wal, readers):
        for number in range(14):
            if number % 3 == 0:
                with readers.read() as connection:
                    connection.execute("SELECT count(*) FROM staged").fetchall()
            write_group(shadowed)

        assert WAL_GATE_BYTES < wal.peak_bytes < WAL_GATE_BYTES + 4 * GROUP_BYTES
        size = shadowed.database.with_name("metadata.db-wal").stat().st_size
        assert size < WAL_GATE_BYTES + 4 * GROUP_BYTES


def test_the_background_is_asked_for_a_checkpoint_before_the_gate(
    shadowed: ShadowedStore,
) -> None:
    with kept(shadowed) as (wal, _):
        while not wal.wanted.is_set():
            write_group(shadowed)
        assert WAL_CHECKPOINT_BYTES <= wal.peak_bytes < WAL_GATE_BYTES

        wal.checkpoint()

        assert not wal.wanted.is_set()


def test_a_reader_that_stays_for_long_does_not_stop_the_engine(
    shadowed: ShadowedStore,
) -> None:
    with kept(shadowed) as (wal, _), closing(open_reader(shadowed.database)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM staged").fetchall()
        while wal.peak_bytes < WAL_GATE_BYTES + 2 * GROUP_BYTES:
            write_group(shadowed)
        assert not shadowed.store.stopped
        assert reader.execute("SELECT count(*) FROM staged").get == 0

        reader.execute("ROLLBACK")
        for _ in range(4):
            write_group(shadowed)

        assert wal._wal_bytes < WAL_GATE_BYTES
