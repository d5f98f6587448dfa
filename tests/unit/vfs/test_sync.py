"""fsync: small files are staged, large ones sealed; what it acknowledged stays (P2, O5)."""

from __future__ import annotations

import pytest

from engine.errors import QuorumError
from engine.ids import ROOT_INODE
from engine.limits import STAGED_FSYNC_BYTES_MAX
from engine.vfs.interface import RenameFlags
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles


def record_bytes(pool: MemoryEngine) -> int:
    """Return how many bytes of root records were shipped so far."""
    return pool.engine.shipped_bytes


def test_fsync_of_a_small_file_stages_it_and_writes_no_extent(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"small")

    pool.filesystem.sync_file(inode)

    assert files.staged(inode) == [(0, b"small")]
    assert files.committed_size(inode) == 5
    assert [name for one in pool.devices.values() for name in one.list("fragments")] == []
    pool.crash()
    assert files.read(inode) == b"small"


def test_fsync_of_a_large_file_seals_its_builder_and_stages_nothing(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    data = b"large" * (STAGED_FSYNC_BYTES_MAX // 4)
    inode = files.make(b"f", data)
    pool.engine.landing.start()

    pool.filesystem.sync_file(inode)

    assert files.staged(inode) == []
    assert files.committed_size(inode) == len(data)
    pool.crash()
    assert files.read(inode) == data


def test_fsync_of_a_large_file_waits_for_nothing_written_behind_it(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"large" * (STAGED_FSYNC_BYTES_MAX // 4))
    with pool.engine.base.store.lock:
        file = pool.engine.pending.files[inode]
        sequence = pool.engine.pending.newest_sequence(file)
    files.write(inode, 0, b"later")
    pool.land_one()

    # Not even for no time at all: the open builder is not asked for.
    pool.engine.landing.wait_file(file, sequence, timeout_s=0.0)

    assert file.layers


def test_fsync_of_one_file_does_not_stage_another(pool: MemoryEngine, files: OpenedFiles) -> None:
    one, other = files.make(b"1", b"one"), files.make(b"2", b"other")

    pool.filesystem.sync_file(one)

    assert files.staged(other) == []
    assert files.committed_size(other) == 0


def test_many_small_fsyncs_ship_each_byte_once(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f")
    page = bytes(range(256)) * 16
    before = record_bytes(pool)

    for number in range(50):
        files.write(inode, number * 4096, page)
        pool.filesystem.sync_file(inode)

    shipped = record_bytes(pool) - before
    assert shipped < 50 * (4096 + 1500)
    assert files.read(inode) == page * 50


def test_fsync_without_a_change_ships_nothing(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"x")
    pool.filesystem.sync_file(inode)
    before = record_bytes(pool)

    for _ in range(5):
        pool.filesystem.sync_file(inode)

    assert record_bytes(pool) == before


def test_the_landing_replaces_the_staged_rows(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"staged then landed")
    pool.filesystem.sync_file(inode)
    pool.freeze()

    pool.land_one()

    assert files.staged(inode) == []
    assert files.read(inode) == b"staged then landed"


def test_an_older_builder_never_covers_newer_staged_bytes(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"a" * 20)
    pool.freeze()
    files.write(inode, 5, b"b" * 5)
    pool.filesystem.sync_file(inode)

    pool.land_one()
    pool.commit()
    pool.crash()

    assert files.read(inode) == b"a" * 5 + b"b" * 5 + b"a" * 10


def test_an_older_builder_never_brings_back_bytes_from_before_an_fsync(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"a" * 20)
    pool.freeze()
    files.write(inode, 0, b"b" * 20)
    pool.filesystem.sync_file(inode)
    files.write(inode, 0, b"c" * 20)

    pool.land_one()
    pool.commit()
    pool.crash()

    assert files.read(inode) in (b"b" * 20, b"c" * 20)


def test_growth_alone_is_made_safe_by_fsync(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"abc")
    files.resize(inode, 100)

    pool.filesystem.sync_file(inode)
    pool.crash()

    assert files.read(inode) == b"abc".ljust(100, b"\0")


def test_truncation_cuts_what_fsync_staged(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"abcdef")
    pool.filesystem.sync_file(inode)
    files.resize(inode, 2)
    files.resize(inode, 4)

    pool.filesystem.sync_file(inode)
    pool.crash()

    assert files.read(inode) == b"ab\0\0"


def test_a_rename_over_a_name_carries_the_data_in_its_own_group(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    old = files.make(b"config", b"old content")
    pool.filesystem.sync_file(old)
    new = files.make(b"config.new", b"new content")

    assert pool.filesystem.try_rename(
        ROOT_INODE, b"config.new", ROOT_INODE, b"config", RenameFlags.NONE
    )
    pool.commit()
    pool.crash()

    found = pool.filesystem.lookup(ROOT_INODE, b"config").inode.inode_id
    assert found == new
    assert files.read(found) == b"new content"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("length", [11, STAGED_FSYNC_BYTES_MAX + 1])
def test_an_exchange_carries_the_data_of_both_files_in_its_own_group(
    pool: MemoryEngine, files: OpenedFiles, length: int, *, turned: bool
) -> None:
    one, other = b"1" * length, b"2" * length
    files.make(b"one", one)
    pool.freeze()
    files.make(b"other", other)
    names = (b"other", b"one") if turned else (b"one", b"other")
    where = (ROOT_INODE, names[0], ROOT_INODE, names[1], RenameFlags.EXCHANGE)
    assert pool.filesystem.try_rename(*where) == (length == 11)

    if length > 11:
        pool.engine.landing.start()
        pool.filesystem.rename(*where)
    pool.commit()
    pool.crash()

    found = [pool.filesystem.lookup(ROOT_INODE, name).inode.inode_id for name in (b"one", b"other")]
    assert [files.read(inode_id) for inode_id in found] == [other, one]


def test_a_rename_of_a_large_file_over_a_name_asks_for_the_slow_way(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    data = b"n" * (STAGED_FSYNC_BYTES_MAX + 1)
    files.make(b"config", b"old")
    new = files.make(b"config.new", data)
    names = (ROOT_INODE, b"config.new", ROOT_INODE, b"config", RenameFlags.NONE)
    assert not pool.filesystem.try_rename(*names)
    pool.engine.landing.start()

    pool.filesystem.rename(*names)
    pool.commit()
    pool.crash()

    assert pool.filesystem.lookup(ROOT_INODE, b"config").inode.inode_id == new
    assert files.read(new) == data


def test_staged_rows_move_into_an_extent_and_nothing_is_staged_twice(
    pool: MemoryEngine, files: OpenedFiles
) -> None:
    inode = files.make(b"f", b"left by a crash")
    pool.filesystem.sync_file(inode)
    pool.crash()
    pool.engine.syncer.move_staged(inode)
    before = record_bytes(pool)
    pool.filesystem.sync_file(inode)
    assert record_bytes(pool) == before

    pool.freeze()
    pool.land_one()

    assert files.staged(inode) == []
    assert files.read(inode) == b"left by a crash"


def test_fsync_of_a_directory_makes_its_names_safe(pool: MemoryEngine, files: OpenedFiles) -> None:
    directory = files.directory(b"d")
    files.make(b"f", parent=directory)

    pool.filesystem.sync_file(directory)
    pool.crash()

    assert pool.filesystem.lookup(directory, b"f").inode.size == 0


def test_fsync_fails_when_too_few_journals_answer(pool: MemoryEngine, files: OpenedFiles) -> None:
    inode = files.make(b"f", b"x")
    pool.lose_disks(*pool.uuids[:3])
    generation = pool.engine.syncer.settle_file(inode)

    with pytest.raises(QuorumError):
        pool.engine.make_safe(generation, 0.2)
    pool.bring_disks_back()
    # A close now would meet members of J that have not been tried again yet.
    pool.crash()
    assert pool.engine.refusal() == ""
