"""An error nobody foresaw ends no thread in silence and leaves nothing half-done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from engine.clock import ManualClock
from engine.errors import DamagedDatabaseError, EngineError, EngineStoppedError, NotFoundError
from engine.extents.buffers import BufferPool
from engine.ids import ROOT_INODE
from engine.model.extent import ExtentRecord
from engine.observe.events import EventLog, EventSeverity
from engine.pool.keepers import Keeper, probe_turn
from engine.pool.turn_errors import REST_S, Parts
from engine.vfs.interface import Caller, OpenMode
from tests.conftest import ExpectedWarnings
from tests.memory_engine import MemoryEngine

ME = Caller(0, 0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path)
    yield made
    made.engine.base.store.stop("the test is over")
    shipper = made.engine.base.shipper
    assert shipper is not None
    shipper.close(0.0)
    made.close()


def test_a_keeper_outlives_an_error_that_is_not_ours(
    memory: MemoryEngine, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings("group-timer failed unexpectedly")
    turns: list[int] = []
    again = threading.Event()
    wake = threading.Event()

    def turn() -> float:
        turns.append(1)
        wake.set()
        if len(turns) == 1:
            raise apsw.CantOpenError("unable to open database file")
        again.set()
        return 1.0

    keeper = Keeper("group-timer", memory.engine, turn, wake)
    keeper.start()

    assert again.wait(5.0), "the thread died, and with it every later commit"
    keeper.stop(5.0)
    events = memory.engine.base.events.since(0)
    assert [event.source for event in events if "unable to open database file" in event.text] == [
        "group-timer"
    ]
    assert all(
        event.severity is EventSeverity.ERROR for event in events if event.source == "group-timer"
    )


def test_a_keeper_rests_from_an_error_whatever_would_wake_it(memory: MemoryEngine) -> None:
    turns = threading.Semaphore(0)
    wake = threading.Event()
    wake.set()

    def turn() -> float:
        turns.release()
        raise DamagedDatabaseError("one row cannot be read")

    keeper = Keeper("probe", memory.engine, turn, wake)
    keeper.start()
    try:
        assert turns.acquire(timeout=5.0)
        assert not turns.acquire(timeout=REST_S / 4)
    finally:
        keeper.stop(5.0)


def test_a_probe_that_ends_in_an_error_is_not_wanted_any_more(memory: MemoryEngine) -> None:
    wanted = memory.engine.base.disks.probe_wanted
    wanted.set()

    def probe() -> None:
        raise DamagedDatabaseError("one row cannot be read")

    with pytest.raises(DamagedDatabaseError):
        probe_turn(memory.engine, probe)

    assert not wanted.is_set()


def test_an_error_of_one_part_of_maintenance_is_told_once_and_the_others_go_on() -> None:
    clock, log = ManualClock(), EventLog(ManualClock())
    steps: list[str] = []

    def breaks() -> bool:
        steps.append("collect")
        raise DamagedDatabaseError("one row cannot be read")

    def works() -> bool:
        steps.append("reconcile")
        return True

    parts = Parts(clock, log)
    works_of = {"collect": breaks, "reconcile": works}
    for _ in range(3):
        assert [parts.step(*one) for one in works_of.items()] == [False, True]
    clock.advance(REST_S)
    assert [parts.step(*one) for one in works_of.items()] == [False, True]

    assert steps == ["collect", *["reconcile"] * 3, "collect", "reconcile"]
    assert [(one.source, one.text) for one in log.since(0)] == [
        ("collect", "one row cannot be read")
    ]


def test_a_group_that_cannot_become_a_record_is_a_lost_group(memory: MemoryEngine) -> None:
    engine = memory.engine
    store = engine.base.store
    memory.filesystem.create(ROOT_INODE, b"before", 0o644, OpenMode.WRITE, ME)
    engine.syncer.sync_all()
    with store.lock:
        memory.filesystem.create(ROOT_INODE, b"a", 0o644, OpenMode.WRITE, ME)
        # A header no record can hold stands for a group beyond RECORD_BYTES_MAX.
        store._template = replace(store.template, previous_hash=b"", pool_name="x" * 2**17)

    with pytest.raises(EngineStoppedError):
        engine.syncer.sync_all()

    assert store.stopped, "later operations would never reach the journals"
    with pytest.raises(NotFoundError):
        memory.filesystem.lookup(ROOT_INODE, b"a")
    memory.filesystem.lookup(ROOT_INODE, b"before")


def test_landing_stops_the_engine_on_an_error_nobody_foresaw(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = memory.engine
    _, opened = memory.filesystem.create(ROOT_INODE, b"a", 0o644, OpenMode.WRITE, ME)
    memory.filesystem.try_write(opened.handle, 0, bytes(1000))

    def breaks(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(engine.base.tables.extents, "insert", breaks)
    with pytest.raises(EngineError, match="nobody foresaw this"):
        engine.syncer.sync_all()
    assert engine.base.store.stopped


def test_a_write_that_broke_once_is_tried_again(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = memory.engine
    attributes, opened = memory.filesystem.create(ROOT_INODE, b"a", 0o644, OpenMode.WRITE, ME)
    memory.filesystem.try_write(opened.handle, 0, b"accepted")
    write = engine.writer.write
    calls: list[int] = []

    def breaks_once(*args: Any, **kwargs: Any) -> ExtentRecord:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(12, "Cannot allocate memory")
        return write(*args, **kwargs)

    monkeypatch.setattr(engine.writer, "write", breaks_once)
    engine.syncer.sync_all()

    assert bytes(engine.files.read(attributes.inode.inode_id, 0, 100)) == b"accepted"
    assert not engine.pending.frozen


def test_memory_that_cannot_be_had_keeps_neither_buffer_nor_room(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = memory.engine
    _, opened = memory.filesystem.create(ROOT_INODE, b"a", 0o644, OpenMode.WRITE, ME)
    free = engine.space.free_bytes

    def refuses(self: BufferPool) -> None:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(BufferPool, "try_take", refuses)
        with pytest.raises(OSError, match="Cannot allocate"):
            memory.filesystem.try_write(opened.handle, 0, b"x")

    assert engine.space.free_bytes == free
    assert memory.filesystem.try_write(opened.handle, 0, b"x") == 1
