"""Fragments that are written, and not named yet, are nobody's leftovers (P5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.format.constants import HEADER_BYTES
from engine.ids import ROOT_INODE
from engine.maintenance.listing import UnnamedFile
from engine.maintenance.unreferenced import Fate, UnreferencedFiles
from engine.pool.topology import PoolTopology
from engine.vfs.interface import Caller, OpenMode
from tests.memory_engine import MemoryEngine

ME = Caller(0, 0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path, lands_itself=False)
    yield made
    made.close()


def test_a_builder_that_waits_for_an_older_one_keeps_its_files(memory: MemoryEngine) -> None:
    engine, files = memory.engine, memory.filesystem
    base = engine.base
    unreferenced = UnreferencedFiles(
        clock=SystemClock(),
        events=base.events,
        topology=PoolTopology(engine),
        tables=base.tables,
        disks=base.disks,
    )
    for text in (b"older", b"newer"):
        _, opened = files.create(ROOT_INODE, text, 0o644, OpenMode.WRITE, ME)
        files.try_write(opened.handle, 0, text)
        memory.freeze()
    older, newer = engine.pending.frozen
    with base.store.lock:
        # The older one is with a thread whose disk does not answer.
        assert engine.landing._claim() is older
        assert engine.landing._claim() is newer
    engine.landing._write(newer)
    engine.landing._land_ready()
    memory.commit()
    assert newer.record is not None

    looked_at = 0
    for device, record in zip(memory.devices.values(), memory._records, strict=True):
        for name in [stored.name for stored in device.list("fragments")]:
            header = bytes(device.get(name, offset=0, length=HEADER_BYTES))
            file = UnnamedFile(disk_id=record.disk_id, name=name, mtime_ns=0)
            assert unreferenced.fate_of(file, header) is Fate.LEAVE, name
            looked_at += 1
    assert looked_at == 4

    engine.landing._write(older)
    engine.landing._land_ready()
    assert not engine.pending.frozen
