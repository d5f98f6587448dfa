"""Frozen builders land in order, and a file on disk is always a state it had (O3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import EngineStoppedError
from engine.ids import ROOT_INODE, InodeId
from engine.metadata.operation import OperationMark
from engine.model.inode import Segment
from engine.vfs.interface import OpenMode
from engine.vfs.landing import LandingError
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles


class Scenario:
    """One file, with every content it ever had."""

    def __init__(self, pool: MemoryEngine) -> None:
        self.pool = pool
        self.files = OpenedFiles(pool)
        self.inode = self.files.make(b"f")
        self.oracle = b""
        self.states = [b""]

    def write(self, offset: int, data: bytes) -> None:
        self.files.write(self.inode, offset, data)
        before = self.oracle.ljust(offset, b"\0")
        self.oracle = before[:offset] + data + before[offset + len(data) :]
        self.states.append(self.oracle)

    def resize(self, size: int) -> None:
        self.files.resize(self.inode, size)
        self.states += [one[:size] for one in self.states]
        self.oracle = self.oracle[:size].ljust(size, b"\0")
        self.states.append(self.oracle)

    def freeze(self) -> None:
        self.pool.freeze()

    def fsync(self) -> None:
        self.pool.filesystem.sync_file(self.inode)
        self.states = [self.oracle]


def overwrites_in_later_builders(file: Scenario) -> None:
    file.write(0, b"a" * 100)
    file.freeze()
    file.write(20, b"b" * 30)
    file.freeze()
    file.write(40, b"c" * 200)
    file.freeze()
    file.write(0, b"d" * 10)


def shorter_and_longer_again(file: Scenario) -> None:
    file.write(0, b"a" * 100)
    file.freeze()
    file.resize(50)
    file.write(80, b"b" * 40)
    file.freeze()
    file.resize(10)
    file.resize(300)
    file.freeze()
    file.write(5, b"c")


def all_bytes_cut_off_then_longer(file: Scenario) -> None:
    file.write(60, b"a" * 40)
    file.resize(30)
    file.resize(90)


def fsync_between_overwrites(file: Scenario) -> None:
    file.write(0, b"a" * 100)
    file.freeze()
    file.write(0, b"b" * 50)
    file.fsync()
    file.write(0, b"c" * 50)
    file.freeze()
    file.write(10, b"d" * 5)


def emptied_between_builders(file: Scenario) -> None:
    file.write(0, b"a" * 100)
    file.freeze()
    file.resize(0)
    file.write(0, b"b" * 20)
    file.freeze()
    file.resize(0)
    file.write(3, b"c")


SCENARIOS = (
    overwrites_in_later_builders,
    shorter_and_longer_again,
    all_bytes_cut_off_then_longer,
    fsync_between_overwrites,
    emptied_between_builders,
)


@pytest.mark.parametrize("run", SCENARIOS)
def test_a_crash_after_any_builder_leaves_a_content_the_file_had(
    tmp_path: Path, run: Callable[[Scenario], None]
) -> None:
    landed = 0
    while True:
        folder = tmp_path / str(landed)
        folder.mkdir()
        pool = MemoryEngine(folder, lands_itself=False)
        file = Scenario(pool)
        run(file)
        pool.freeze()
        builders = len(pool.engine.pending.frozen)
        for _ in range(landed):
            pool.land_one()
        pool.commit()
        assert file.files.read(file.inode) == file.oracle

        pool.crash()

        left = file.files.read(file.inode)
        assert left in file.states
        if landed == builders:
            assert left == file.oracle
        pool.close()
        if landed == builders:
            return
        landed += 1


def test_growth_of_a_file_whose_pending_bytes_were_cut_off_is_committed_by_sync(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f")
    files.write(inode, 60, b"a" * 40)
    files.resize(inode, 30)
    files.resize(inode, 90)

    pool.remount()

    assert files.read(inode) == bytes(90)


def test_builders_land_in_the_order_they_were_opened(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    first, second = files.make(b"1", b"first"), files.make(b"2")
    pool.freeze()
    files.write(second, 0, b"second")
    pool.freeze()
    landing, store = pool.engine.landing, pool.engine.base.store
    with store.lock:
        older, newer = landing._claim(), landing._claim()
    assert older is not None
    assert newer is not None

    landing._write(newer)
    landing._land_ready()
    assert files.committed_size(second) == 0
    landing._write(older)
    landing._land_ready()

    assert files.committed_size(first) == 5
    assert files.committed_size(second) == 6
    assert pool.engine.pending.frozen == []


def test_a_builder_of_which_nothing_is_current_is_dropped_unwritten(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"x" * 1000)
    pool.freeze()
    pool.filesystem.unlink(ROOT_INODE, b"f")

    pool.land_one()

    stored = [name for device in pool.devices.values() for name in device.list("fragments")]
    assert stored == []
    assert pool.engine.base.tables.inodes.get(inode) is None
    assert pool.engine.pending.dirty_bytes == 0


def test_a_builder_gives_buffer_and_reservation_back_when_it_landed(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    pending, space = pool.engine.pending, pool.engine.space
    free = pending._buffers.free_count
    before = space.free_bytes
    files.make(b"f", b"x")
    pool.freeze()
    assert pending._buffers.free_count == free - 1

    pool.land_one()
    pool.engine.measure_space()

    assert pending._buffers.free_count == free
    assert before - space.free_bytes <= 8 << 20


def test_the_size_never_appears_without_the_bytes(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"x" * 1000)
    assert files.size(inode) == 1000
    assert files.committed_size(inode) == 0

    pool.commit()
    pool.crash()

    assert files.read(inode) == b""


def test_a_write_that_fails_stays_in_memory_and_is_tried_again(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"kept" * 100)
    pool.freeze()
    pool.lose_disks(*pool.uuids[:3])

    pool.land_one()

    assert pool.engine.pending.frozen
    assert files.read(inode) == b"kept" * 100
    with pytest.raises(LandingError):
        pool.engine.landing.wait_landed(1 << 60, timeout_s=0.0)
    pool.bring_disks_back()
    pool.land_one()
    assert pool.engine.pending.frozen == []
    assert files.read(inode) == b"kept" * 100


def test_nothing_lands_after_the_engine_stopped(pool: MemoryEngine, files: OpenedFiles) -> None:
    files.make(b"f", b"x")
    pool.freeze()
    pool.engine.base.store.stop("a test stopped it")

    with pool.engine.base.store.lock:
        assert pool.engine.landing._claim() is None
    with pytest.raises(LandingError, match="a test stopped it"):
        pool.engine.landing.wait_landed(1 << 60)
    with pytest.raises(EngineStoppedError):
        pool.engine.syncer.sync_file(InodeId(2))


def test_many_files_of_one_builder_all_land(pool: MemoryEngine, files: OpenedFiles) -> None:
    contents = {files.make(b"%d" % number, b"%d" % number): b"%d" % number for number in range(600)}

    pool.remount()

    assert all(files.read(inode) == content for inode, content in contents.items())
    handle = pool.filesystem.open(next(iter(contents)), OpenMode.READ).handle
    assert pool.filesystem.read(handle, 5, 10) == b""


def test_files_whose_blocks_may_replace_many_rows_land_in_operations_of_their_own(
    pool: MemoryEngine, files: OpenedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = pool.engine.base.store
    block, count = 4096, 150
    inodes = [files.make(b"f%d" % number, b"." * block * count) for number in range(4)]
    pool.freeze()
    pool.land_one()
    for inode in inodes:
        map_id = store.rows.read("SELECT map FROM inode WHERE id = ?", (inode,)).get
        (whole,) = pool.engine.base.tables.file_map.segments(map_id, 0, block)
        with store.operation():
            pool.engine.base.tables.file_map.clear(map_id, 0, block * count, 9)
            for number in range(count):
                piece = Segment(number * block, block, whole.extent_id, whole.extent_offset)
                pool.engine.base.tables.file_map.put_segment(map_id, piece)
    pool.commit()
    rows: list[int] = []
    end = store.end_operation

    def counted(error: BaseException | None, mark: OperationMark) -> None:
        end(error, mark)
        rows.append(store.group_rows)

    monkeypatch.setattr(store, "end_operation", counted)
    for inode in inodes:
        files.write(inode, 0, b"new" * (block * count // 3))
    pool.freeze()

    pool.land_one()

    steps = [after - before for before, after in zip([0, *rows], rows, strict=False)]
    assert max(steps) <= 256
    assert all(files.read(inode) == b"new" * (block * count // 3) for inode in inodes)
