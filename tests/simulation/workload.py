"""A program on a recorded pool, each of its calls noted for the oracle.

The engine is the whole one, opened as ever, without FUSE. Its keepers do not
run by the clock: ``tick``, ``maintain`` and ``probe`` are what they would do,
called where the workload wants them. Landing and shipping have their threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from engine.device.names import LABEL_NAME
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.policy.pacing import Priority
from engine.pool.create import DiskPlan, create_pool
from engine.pool.keepers import probe_turn
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.units import KIB
from engine.vfs.interface import AttributeChanges, Caller, OpenMode, RenameFlags
from tests.simulation import World
from tests.simulation.oracle import History
from tests.simulation.oracle_tree import Node

TWO_AND_TWO: Final = ErasureCoding(2, 2)
NOBODY: Final = Caller(0, 0)
FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755

TURNS_MAX: Final = 200
"""Maintenance of a small pool comes to rest long before."""

SMALL_LIMITS: Final = {
    "JOURNAL_FILE_BYTES": 24 * KIB,
    "POOL_RESERVE_BYTES": 64 * KIB,
    "CHECKPOINT_JOURNAL_BYTES": 16 * KIB,
    "WAL_CHECKPOINT_BYTES": 64 * KIB,
    "WAL_GATE_BYTES": 128 * KIB,
    "STAGED_FSYNC_BYTES_MAX": 4 * KIB,
    "SECOND_LOOK_S": 0.0,
    "DEAD_BYTES_MIN": 1,
}
"""Bounds that small workloads reach: a new journal file, a restarted log, a large fsync."""

SMALL_EXTENTS: Final = {"EXTENT_BYTES_MAX": 64 * KIB}
"""Builders that a few writes fill."""


def shrink(monkeypatch: pytest.MonkeyPatch, limits: Mapping[str, float]) -> None:
    """Put *limits* in the place of the engine's, wherever they were imported to."""
    for module in [one for name, one in sys.modules.items() if name.startswith("engine.")]:
        for name, value in limits.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


def create_recorded_pool(world: World, *, disks: int) -> None:
    """Make a pool over the first *disks* disks of *world*."""
    create_pool(
        world.pool,
        name="tank",
        disks=[DiskPlan(path=str(one), tier=Tier.HOT) for one in world.disks[:disks]],
        properties=PoolProperties(redundancy=TWO_AND_TWO, compact_percent=90),
    )


class SteppedPool(Pool):
    """A pool whose keepers' turns are called, not timed."""

    def _start(self) -> None:
        self._clean_up_after_crash()
        self.engine.landing.start()
        self.membership.settle_journal_set()


class Workload:
    """One program with the pool for itself; every path is relative to the root."""

    def __init__(self, world: World, history: History) -> None:
        self.history = history
        self._world = world
        self._pool = SteppedPool(world.pool)
        self._away: dict[int, Path] = {}
        self._spares = [one for one in world.disks if not (one / LABEL_NAME).exists()]

    def close(self) -> None:
        """Close the pool, which makes everything safe; put disks back that are away."""
        self._close_pool()
        for number in self.away:
            self._put_back(number)

    def _close_pool(self) -> None:
        self._pool.close()
        self.history.acknowledge(self._world.position)

    @contextmanager
    def _operation(self, text: str) -> Iterator[None]:
        self.history.begin(text, self._world.position)
        yield
        self.history.done()

    @property
    def position(self) -> int:
        """Where the recording is now."""
        return self._world.position

    # Which

    def node(self, path: str) -> Node:
        """Return what *path* names."""
        return self.history.tree.at(path)

    def _place(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self.node(folder), name

    def _taken_place(self, path: str) -> tuple[Node, str]:
        folder, name = self._place(path)
        if name not in folder.entries:
            raise KeyError(f"{path} is not there")
        return folder, name

    def _free_place(self, path: str) -> tuple[Node, str]:
        folder, name = self._place(path)
        if name in folder.entries:
            raise KeyError(f"{path} is taken")
        return folder, name

    # Names

    def create(self, path: str) -> None:
        """Make an empty file."""
        folder, name = self._free_place(path)
        fs = self._pool.filesystem
        with self._operation(f"create {path}"):
            made, opened = fs.create(
                folder.inode_id, name.encode(), FILE_MODE, OpenMode.WRITE, NOBODY
            )
            fs.release(opened.handle)
            node = Node(inode_id=made.inode.inode_id, is_directory=False, mode=FILE_MODE)
            self.history.made(folder, name, node)

    def make_directory(self, path: str) -> None:
        """Make a directory."""
        folder, name = self._free_place(path)
        with self._operation(f"mkdir {path}"):
            made = self._pool.filesystem.make_directory(
                folder.inode_id, name.encode(), FOLDER_MODE, NOBODY
            )
            node = Node(inode_id=made.inode.inode_id, is_directory=True, mode=FOLDER_MODE)
            self.history.made(folder, name, node)

    def link(self, path: str, new_path: str) -> None:
        """Give a file another name."""
        node, (folder, name) = self.node(path), self._free_place(new_path)
        with self._operation(f"link {path} {new_path}"):
            self._pool.filesystem.link(node.inode_id, folder.inode_id, name.encode())
            folder.entries[name] = node

    def unlink(self, path: str) -> None:
        """Remove a name of a file."""
        folder, name = self._taken_place(path)
        with self._operation(f"unlink {path}"):
            self._pool.filesystem.unlink(folder.inode_id, name.encode())
            del folder.entries[name]

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        folder, name = self._taken_place(path)
        with self._operation(f"rmdir {path}"):
            self._pool.filesystem.remove_directory(folder.inode_id, name.encode())
            del folder.entries[name]

    def rename(self, path: str, new_path: str) -> None:
        """Rename; over an existing name the data goes along (P2)."""
        (folder, name), (new_folder, new_name) = self._place(path), self._place(new_path)
        node, victim = folder.entries[name], new_folder.entries.get(new_name)
        places = (folder.inode_id, name.encode(), new_folder.inode_id, new_name.encode())
        fs = self._pool.filesystem
        with self._operation(f"rename {path} {new_path}"):
            if not fs.try_rename(*places, RenameFlags.NONE):
                fs.rename(*places, RenameFlags.NONE)
            if victim is node:
                return
            del folder.entries[name]
            new_folder.entries[new_name] = node
            if victim is not None and not node.is_directory:
                self.history.carried(node)

    # Attributes

    def set_mode(self, path: str, mode: int) -> None:
        """Set the permission bits."""
        node = self.node(path)
        with self._operation(f"chmod {mode:o} {path}"):
            self._pool.filesystem.set_attributes(node.inode_id, AttributeChanges(mode=mode), NOBODY)
            node.mode = mode

    def set_xattr(self, path: str, name: str, value: bytes) -> None:
        """Set an extended attribute."""
        node = self.node(path)
        with self._operation(f"setxattr {path} {name}"):
            self._pool.filesystem.set_xattr(node.inode_id, name.encode(), value)
            node.xattrs[name] = value

    # Data

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write *data* at *offset* (bytes)."""
        node = self.node(path)
        fs = self._pool.filesystem
        with self._operation(f"write {path} {offset}+{len(data)}"):
            handle = fs.open(node.inode_id, OpenMode.WRITE).handle
            assert fs.write(handle, offset, data) == len(data)
            fs.release(handle)
            self.history.wrote(node, offset, data)

    def append(self, path: str, data: bytes) -> None:
        """Write behind the end."""
        self.write(path, len(self.node(path).data), data)

    def resize(self, path: str, size: int) -> None:
        """Set the length in bytes."""
        node = self.node(path)
        with self._operation(f"truncate {path} {size}"):
            self._pool.filesystem.set_attributes(node.inode_id, AttributeChanges(size=size), NOBODY)
            self.history.resized(node, size)

    # Promises

    def fsync(self, path: str) -> None:
        """fsync of a file or directory."""
        node = self.node(path)
        self._pool.filesystem.sync_file(node.inode_id)
        self.history.acknowledge(self._world.position, node)

    def sync(self) -> None:
        """Make everything safe."""
        self._pool.filesystem.sync_all()
        self.history.acknowledge(self._world.position)

    def remount(self) -> None:
        """Close the pool and open it again."""
        self._close_pool()
        self._pool = SteppedPool(self._world.pool)

    # What goes on beside programs

    def tick(self) -> None:
        """A second passes: the open builder freezes, the group is committed; nobody waits."""
        engine = self._pool.engine
        with engine.base.store.lock:
            engine.pending.freeze_open()
            generation = engine.base.store.open_generation
        assert engine.committer is not None
        engine.committer.commit(generation)
        if engine.wal.wanted.is_set():
            engine.wal.checkpoint()

    def maintain(self) -> None:
        """Let maintenance run until it rests: collect, rebuild, scrub, checkpoints."""
        for _ in range(TURNS_MAX):
            self._pool.maintenance.checkpoints.turn()
            if self._pool.maintenance.turn() > 0:
                return

    def scrub(self) -> None:
        """Scrub with repair."""
        self._pool.maintenance.scrub.start(repair=True)
        self.maintain()

    def rebuild(self) -> None:
        """Bring every extent to its full width now."""
        self._pool.maintenance.reconcile.start_now()
        self.maintain()

    def compact(self) -> None:
        """Give back what is dead in shared extents, without a rest for programs."""
        reconcile = self._pool.maintenance.reconcile
        reconcile.steering.set_priority(str(Priority.HIGH))
        reconcile.compact()
        # What was deleted has to be committed before it can be seen.
        for _ in range(2):
            self.maintain()
            self.tick()
        self.maintain()
        reconcile.steering.set_priority(str(Priority.NORMAL))

    def checkpoint(self) -> None:
        """Make a checkpoint of the metadata, and let the journals begin anew."""
        self._pool.maintenance.checkpoints.make()

    def add_disk(self) -> bool:
        """Make the next spare directory a disk of the pool; False if there is none."""
        if not self._spares:
            return False
        self._pool.membership.add(str(self._spares.pop(0)), Tier.HOT)
        return True

    def lose_disk(self, number: int) -> None:
        """Take the directory of disk *number* away; the pool finds out."""
        live = self._world.disks[number]
        self._away[number] = live.with_name(live.name + "-away")
        live.rename(self._away[number])
        probe_turn(self._pool.engine, self._pool.membership.probe)

    def bring_back(self, number: int) -> None:
        """Give disk *number* back; the pool finds out."""
        self._put_back(number)
        probe_turn(self._pool.engine, self._pool.membership.probe)

    def _put_back(self, number: int) -> None:
        self._away.pop(number).rename(self._world.disks[number])

    @property
    def away(self) -> list[int]:
        """Which disks are away now."""
        return sorted(self._away)
