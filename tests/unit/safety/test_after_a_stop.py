"""What programs hear once nothing can be made safe any more (C8, P2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import EngineError, EngineStoppedError, QuorumError
from engine.ids import ROOT_INODE
from engine.metadata.recovery import OpenMode
from engine.model.disk import Tier
from engine.model.redundancy import Replication
from engine.pool.create import DiskPlan, create_pool
from engine.pool.keepers import group_turn
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.vfs.interface import Caller
from engine.vfs.interface import OpenMode as How
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


@pytest.fixture
def disks(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"disk{number}" for number in range(3)]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture
def pool_dir(tmp_path: Path, disks: list[Path]) -> Path:
    create_pool(
        tmp_path / "pool",
        name="tank",
        disks=[DiskPlan(path=str(folder), tier=Tier.HOT) for folder in disks],
        properties=PoolProperties(redundancy=Replication(2)),
    )
    return tmp_path / "pool"


def test_fsync_after_a_lost_group_is_an_error(memory: MemoryEngine) -> None:
    files = memory.filesystem
    attributes, opened = files.create(ROOT_INODE, b"a", 0o644, How.WRITE, ME)
    files.try_write(opened.handle, 0, b"accepted")
    memory.engine.base.store.stop("a metadata group was lost")

    with pytest.raises(EngineStoppedError):
        files.sync_file(attributes.inode.inode_id)
    with pytest.raises(EngineError):
        files.sync_all()


def test_fsync_without_enough_journals_is_an_error(memory: MemoryEngine) -> None:
    files = memory.filesystem
    attributes, opened = files.create(ROOT_INODE, b"a", 0o644, How.WRITE, ME)
    files.try_write(opened.handle, 0, b"accepted")
    memory.lose_disks(*memory.uuids[:3])
    memory.engine.read_only_reason = "2 disks are left to carry the journals, 3 needed"

    with pytest.raises(QuorumError):
        files.sync_file(attributes.inode.inode_id)


def test_fsync_in_a_pool_opened_read_only_has_nothing_to_do(pool_dir: Path) -> None:
    with Pool(pool_dir, mode=OpenMode.READ_ONLY) as pool:
        pool.filesystem.sync_file(ROOT_INODE)
        pool.filesystem.sync_all()


def test_close_says_that_accepted_data_was_lost(pool_dir: Path) -> None:
    pool = Pool(pool_dir)
    _, opened = pool.filesystem.create(ROOT_INODE, b"a", 0o644, How.WRITE, ME)
    pool.filesystem.try_write(opened.handle, 0, b"accepted")
    pool.engine.base.store.stop("a metadata group was lost")

    with pytest.raises(EngineError):
        pool.close()


def test_a_pool_that_is_read_only_for_now_is_made_safe_by_close(pool_dir: Path) -> None:
    pool = Pool(pool_dir)
    _, opened = pool.filesystem.create(ROOT_INODE, b"a", 0o644, How.WRITE, ME)
    pool.filesystem.try_write(opened.handle, 0, b"accepted")
    pool.engine.read_only_reason = "the journals stumbled"

    with suppress(EngineError):
        pool.close()

    with Pool(pool_dir, mode=OpenMode.READ_ONLY) as again:
        inode_id = again.filesystem.lookup(ROOT_INODE, b"a").inode.inode_id
        assert bytes(again.engine.files.read(inode_id, 0, 100)) == b"accepted"


def test_the_group_timer_rests_in_a_stopped_engine(memory: MemoryEngine) -> None:
    engine = memory.engine
    engine.base.store.stop("a metadata group was lost")

    assert group_turn(engine) > 0
    assert not engine.base.store.pressure.is_set(), "its keeper would never wait again"
