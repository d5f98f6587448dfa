"""A disk added when the journals can acknowledge nothing any more (C7, P4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.ids import ROOT_INODE
from engine.metadata.recovery import OpenMode
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Redundancy, Replication
from engine.pool.config import load_config
from engine.pool.create import DiskPlan, create_pool
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.pool.verbs import PoolVerbs
from engine.vfs.interface import Caller
from engine.vfs.interface import OpenMode as How

ME = Caller(0, 0)


def made(folder: Path, count: int, redundancy: Redundancy) -> list[Path]:
    disks = [folder / f"disk{number}" for number in range(count)]
    for disk in disks:
        disk.mkdir()
    create_pool(
        folder / "pool",
        name="tank",
        disks=[DiskPlan(path=str(disk), tier=Tier.HOT) for disk in disks],
        properties=PoolProperties(redundancy=redundancy),
    )
    return disks


def store(pool: Pool, name: bytes, data: bytes) -> None:
    attributes, opened = pool.filesystem.create(ROOT_INODE, name, 0o644, How.WRITE, ME)
    pool.filesystem.write(opened.handle, 0, data)
    pool.filesystem.sync_file(attributes.inode.inode_id)
    pool.filesystem.release(opened.handle)


def fetch(pool: Pool, name: bytes) -> bytes:
    inode_id = pool.filesystem.lookup(ROOT_INODE, name).inode.inode_id
    return bytes(pool.engine.files.read(inode_id, 0, 1 << 20))


@pytest.mark.parametrize(
    ("count", "redundancy", "lost"),
    [(2, Replication(2), 1), (4, ErasureCoding(2, 2), 2)],
    ids=["mirror of two", "2+2 on four"],
)
def test_a_pool_without_quorum_takes_a_new_disk_and_goes_on(
    tmp_path: Path, count: int, redundancy: Redundancy, lost: int
) -> None:
    disks = made(tmp_path, count, redundancy)
    new = tmp_path / "new"
    new.mkdir()
    with Pool(tmp_path / "pool") as pool:
        store(pool, b"before", b"old bytes")
        for disk in disks[:lost]:
            disk.rename(disk.with_suffix(".gone"))
        pool.membership.probe()
        assert pool.engine.refusal(), "too few journals are left to acknowledge anything"

        PoolVerbs(pool, mountpoint=lambda: "").add_disk(str(new), "hot")

        assert not pool.engine.refusal()
        store(pool, b"after", b"new bytes")
        acknowledged = pool.engine.base.shipper
        assert acknowledged is not None
        assert acknowledged.acknowledged == pool.engine.base.store.template.generation

    with Pool(tmp_path / "pool") as pool:
        assert fetch(pool, b"before") == b"old bytes"
        assert fetch(pool, b"after") == b"new bytes"
        assert len(pool.engine.base.disks.presences()) == count + 1


def test_a_pool_opened_read_only_takes_no_disk(tmp_path: Path) -> None:
    made(tmp_path, 2, Replication(2))
    new = tmp_path / "new"
    new.mkdir()
    with Pool(tmp_path / "pool", mode=OpenMode.READ_ONLY) as pool, pytest.raises(EngineError):
        PoolVerbs(pool, mountpoint=lambda: "").add_disk(str(new), "hot")
    assert not list(new.iterdir())
    assert len(load_config(tmp_path / "pool").disks) == 2
