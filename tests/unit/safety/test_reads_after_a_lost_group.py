"""What a read gives once a group is lost: committed bytes or an error, no mixture (C8, P1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from engine.errors import DamagedDatabaseError, EngineError, EngineStoppedError
from engine.ids import ROOT_INODE
from engine.vfs.interface import RenameFlags
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles

LENGTH = 200
FIRST = b"A" * LENGTH


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path, lands_itself=False)
    yield made
    made._let_go(shipper_s=1.0)


@pytest.fixture
def files(pool: MemoryEngine) -> OpenedFiles:
    return OpenedFiles(pool)


def lose_the_group(pool: MemoryEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the COMMIT fail, as it does without room."""

    def full(*_: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(pool.engine.base.store, "_commit_group", full)
    with pytest.raises(EngineStoppedError):
        pool.commit()


def landed(pool: MemoryEngine, files: OpenedFiles) -> None:
    """Only the group has the newest bytes."""
    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    files.write(inode_id, 0, b"B" * 100)
    pool.freeze()
    pool.land_one()


def landed_and_written_behind(pool: MemoryEngine, files: OpenedFiles) -> None:
    """The group has some bytes, and an open builder newer ones."""
    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    landed(pool, files)
    files.write(inode_id, 100, b"C" * 100)


def staged_and_landed(pool: MemoryEngine, files: OpenedFiles) -> None:
    """Staged in the group, and then replaced in it by the landing."""
    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    files.write(inode_id, 0, b"B" * 100)
    assert pool.engine.syncer.stage_if_small(inode_id)


def cut_and_written_again(pool: MemoryEngine, files: OpenedFiles) -> None:
    """Behind a cut to nothing only the end is written: the rest is zeros."""
    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    files.resize(inode_id, 0)
    files.write(inode_id, 100, b"C" * 100)


def written_and_removed(pool: MemoryEngine, files: OpenedFiles) -> None:
    """The name comes back with the group, the bytes written before its end do not."""
    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    files.write(inode_id, 0, b"B" * 100)
    pool.filesystem.unlink(ROOT_INODE, b"f")


@pytest.mark.parametrize(
    "change",
    [
        landed,
        landed_and_written_behind,
        staged_and_landed,
        cut_and_written_again,
        written_and_removed,
    ],
)
def test_a_file_whose_bytes_went_with_a_group_fails_and_others_do_not(
    pool: MemoryEngine,
    files: OpenedFiles,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[MemoryEngine, OpenedFiles], None],
) -> None:
    inode_id, other = files.make(b"f", FIRST), files.make(b"other", b"untouched")
    pool.freeze()
    pool.land_one()
    pool.commit()

    change(pool, files)
    lose_the_group(pool, monkeypatch)

    with pytest.raises(DamagedDatabaseError, match="group was lost"):
        files.read(inode_id)
    assert files.read(other) == b"untouched"
    with pytest.raises(EngineError):
        pool.filesystem.sync_file(inode_id)


def test_what_was_safe_or_is_pending_alone_stays_readable(
    pool: MemoryEngine, files: OpenedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe, pending = files.make(b"safe", b"staged"), files.make(b"pending")
    pool.filesystem.sync_file(safe)
    files.write(pending, 0, b"in memory")

    files.make(b"new")
    lose_the_group(pool, monkeypatch)

    assert files.read(safe) == b"staged"
    assert files.read(pending) == b"in memory"


def test_landing_what_was_staged_loses_nothing_with_its_group(
    pool: MemoryEngine, files: OpenedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe = files.make(b"safe", b"staged")
    pool.filesystem.sync_file(safe)

    pool.freeze()
    pool.land_one()
    lose_the_group(pool, monkeypatch)

    assert files.read(safe) == b"staged"


def test_what_a_committed_group_carried_stays_readable_when_the_next_is_lost(
    pool: MemoryEngine, files: OpenedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode_id = files.make(b"f", FIRST)
    pool.freeze()
    pool.land_one()
    landed(pool, files)
    pool.commit()

    pool.filesystem.rename(ROOT_INODE, b"f", ROOT_INODE, b"g", RenameFlags.NONE)
    lose_the_group(pool, monkeypatch)

    assert files.read(inode_id) == b"B" * 100 + b"A" * 100
