"""A pool over real directories, for what creating and opening do to them."""

from __future__ import annotations

from pathlib import Path

from engine.ids import ROOT_INODE, InodeId
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Redundancy
from engine.pool.create import DiskPlan, create_pool
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.vfs.interface import Caller, OpenMode

TWO_AND_TWO = ErasureCoding(2, 2)
NOBODY = Caller(0, 0)


class Place:
    """Directories for disks, and a pool directory that may or may not exist."""

    def __init__(self, folder: Path, disk_count: int = 5) -> None:
        self.folder = folder
        self.pool_dir = folder / "pool"
        self.disks = [folder / f"disk{number}" for number in range(1, disk_count + 1)]
        for disk in self.disks:
            disk.mkdir()

    def plans(self) -> list[DiskPlan]:
        return [DiskPlan(path=str(disk), tier=Tier.HOT) for disk in self.disks]

    def create(self, *, name: str = "tank", redundancy: Redundancy = TWO_AND_TWO) -> list[str]:
        """Make the pool over every disk; return the warnings."""
        return create_pool(
            self.pool_dir,
            name=name,
            disks=self.plans(),
            properties=PoolProperties(redundancy=redundancy),
        )

    def move_away(self, number: int) -> None:
        """Let the directory of a disk vanish."""
        self.disks[number].rename(self.folder / f"away{number}")

    def bring_back(self, number: int) -> None:
        (self.folder / f"away{number}").rename(self.disks[number])

    def content(self) -> dict[str, bytes]:
        """Return every file below, by its path; what a refusal must not change."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.folder.rglob("*"))
            if path.name != "lock"
        }


def put(pool: Pool, name: bytes, data: bytes, *, parent: InodeId = ROOT_INODE) -> InodeId:
    """Make a file whose bytes are acknowledged."""
    fs = pool.filesystem
    attributes, opened = fs.create(parent, name, 0o644, OpenMode.WRITE, NOBODY)
    fs.write(opened.handle, 0, data)
    fs.release(opened.handle)
    fs.sync_file(attributes.inode.inode_id)
    return attributes.inode.inode_id


def get(pool: Pool, name: bytes) -> bytes:
    """Read a file of the root directory."""
    fs = pool.filesystem
    handle = fs.open(fs.lookup(ROOT_INODE, name).inode.inode_id, OpenMode.READ).handle
    try:
        return bytes(fs.read(handle, 0, 64 << 20))
    finally:
        fs.release(handle)


def events(pool: Pool) -> list[str]:
    """Return what this opening of the pool has told so far."""
    log = pool.engine.base.events
    return [event.text for event in log.since(log.inherited)]
