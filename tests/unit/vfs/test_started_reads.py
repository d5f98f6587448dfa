"""Reads of files that no thread waits for: their bytes, and how long they count as readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device.faulty import Fault, FaultyDevice, FlipByte, Hang
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import CorruptionError
from engine.ids import InodeId
from engine.vfs.interface import OpenMode
from engine.vfs.started_read import StartedFileRead
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles

CONTENT = bytes(range(256)) * 2048
LONG_S = 20.0


class FaultyEngine(MemoryEngine):
    """The engine over disks that fail on command."""

    def __init__(self, folder: Path) -> None:
        self.faulty: list[FaultyDevice] = []
        super().__init__(folder)

    def _reach(self, device: MemoryDevice) -> Device:
        self.faulty.append(FaultyDevice(device))
        return self.faulty[-1]

    def fault(self, fault: Fault) -> None:
        for device in self.faulty:
            device.add_fault(fault)


class OneFile:
    """A file on the disks of which nothing is in memory, open for reading."""

    def __init__(self, folder: Path) -> None:
        self.pool = FaultyEngine(folder)
        self.inode_id: InodeId = OpenedFiles(self.pool).make(b"f", CONTENT)
        self.pool.filesystem.sync_all()
        self.pool.remount()
        self.handle = self.pool.filesystem.open(self.inode_id, OpenMode.READ).handle
        self.arrived = threading.Event()

    def start(self, offset: int, length: int) -> bytes | memoryview | StartedFileRead | None:
        self.arrived.clear()
        return self.pool.filesystem.start_read(self.handle, offset, length, self.arrived.set)

    def started(self, offset: int, length: int) -> StartedFileRead:
        found = self.start(offset, length)
        assert isinstance(found, StartedFileRead)
        return found

    @property
    def has_readers(self) -> bool:
        gate = self.pool.engine.gate
        return not gate.passed(gate.mark())


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OneFile]:
    made = OneFile(tmp_path)
    yield made
    made.pool.close()


def test_a_small_read_comes_without_a_thread_that_waits_and_then_from_memory(
    file: OneFile,
) -> None:
    started = file.started(70_000, 300)
    assert file.arrived.wait(LONG_S)
    found = started.take()

    assert found is not None
    assert bytes(found) == CONTENT[70_000:70_300]
    again = file.start(70_000, 300)
    assert isinstance(again, bytes | memoryview)
    assert bytes(again) == CONTENT[70_000:70_300]
    assert file.pool.engine.base.metrics.snapshot()["read_bytes_total"] == {"": 600}


def test_a_read_that_is_under_way_counts_as_a_reader_until_its_bytes_are_taken(
    file: OneFile,
) -> None:
    gate = threading.Event()
    file.pool.fault(Fault(action=Hang(gate=gate), method="get"))
    try:
        started = file.started(0, 10)
        assert file.has_readers
    finally:
        gate.set()
    assert file.arrived.wait(LONG_S)

    assert file.has_readers
    assert bytes(started.take() or b"") == CONTENT[:10]
    assert not file.has_readers


def test_a_read_that_did_not_come_right_counts_as_a_reader_until_it_is_finished(
    file: OneFile,
) -> None:
    file.pool.fault(Fault(action=FlipByte(offset=9000), method="get", name_part=".0"))
    started = file.started(0, 10)
    assert file.arrived.wait(LONG_S)

    assert started.take() is None
    assert file.has_readers
    assert bytes(started.finish()) == CONTENT[:10]
    assert not file.has_readers


def test_a_read_that_fails_for_good_counts_as_a_reader_no_more(file: OneFile) -> None:
    file.pool.fault(Fault(action=FlipByte(offset=5), method="get"))
    started = file.started(0, 10)
    assert file.arrived.wait(LONG_S)

    with pytest.raises(CorruptionError):
        started.finish()

    assert not file.has_readers


def test_a_read_that_starts_nothing_leaves_no_reader_behind(file: OneFile) -> None:
    assert file.start(len(CONTENT) + 1, 10) == b""
    assert file.start(0, len(CONTENT)) is None

    assert not file.has_readers
