"""Our own: pools mounted by the program, the empty file system, plain directories."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.pool.remote_control import reach_owner
from fusebridge.mount_table import KIND, MountEntry, find_mount, read_mounts
from tests.bench.systems import (
    DISKS,
    Subject,
    command,
    drop_kernel_caches,
    sync_file_system,
    until_not_busy,
)
from tests.fuse.mounting import serve

DYNAMICFS: Final = (sys.executable, "-P", "-m", "dynamicfs_tui.cli")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of six directories, made and mounted by the real command line."""

    redundancy: str

    @property
    def name(self) -> str:
        """As the operator writes it."""
        return self.redundancy

    def why_not(self) -> str:
        """Always there."""
        return ""

    def version(self) -> str:
        """It is this tree; the machine's facts tell the commit."""
        return "this tree"

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Make a pool, mount it read-write, and take all of it away at the end."""
        pool_dir, path = folder / "pool", folder / "mount"
        path.mkdir()
        disks: list[str | Path] = []
        for number in range(DISKS):
            disk = folder / f"d{number}"
            disk.mkdir()
            disks += ["--disk", disk]
        command(*DYNAMICFS, "init", pool_dir, "--redundancy", self.redundancy, *disks)

        def mount() -> None:
            command(*DYNAMICFS, "mount", pool_dir, path, "--read-write")

        def make_durable() -> None:
            # What ``dynamicfs sync`` does, without starting an interpreter for it.
            sync_file_system(path)
            owner = reach_owner(pool_dir)
            assert owner is not None
            with owner:
                owner.sync()

        def cool() -> None:
            command(*DYNAMICFS, "unmount", path)
            drop_kernel_caches()
            mount()

        mount()
        try:
            yield Subject(
                name=self.name, path=path, folder=folder, make_durable=make_durable, cool=cool
            )
        finally:
            if find_mount(str(path)) is not None:
                until_not_busy(*DYNAMICFS, "unmount", path)


@dataclass(frozen=True, slots=True)
class BehindTheBridge:
    """What a factory makes, behind our dispatcher in a child process."""

    name: str
    factory: str
    options: tuple[str, ...] = ("--rw",)

    def why_not(self) -> str:
        """Always there."""
        return ""

    def version(self) -> str:
        """It is this tree."""
        return "this tree"

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Serve it for the time of the block."""
        with serve(self.factory, folder=folder, options=self.options) as served:
            yield Subject(
                name=self.name,
                path=served.path,
                folder=folder,
                make_durable=lambda: sync_file_system(served.path),
                cool=drop_kernel_caches,
                keeps_contents=False,
            )


@dataclass(frozen=True, slots=True)
class Host:
    """A directory of the device that everything else lies on."""

    name: str = "host"

    def why_not(self) -> str:
        """Always there."""
        return ""

    def version(self) -> str:
        """The machine's facts tell the file system."""
        return ""

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Use *folder* itself."""
        yield Subject(
            name=self.name,
            path=folder,
            folder=folder,
            make_durable=lambda: sync_file_system(folder),
            cool=drop_kernel_caches,
        )


@dataclass(frozen=True, slots=True)
class Given:
    """A directory that was named on the command line, on whatever file system.

    Its server is not restarted, so what that keeps in its own memory stays warm.
    """

    directory: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.directory)

    def why_not(self) -> str:
        """It must be a directory that can be written."""
        return "" if self.directory.is_dir() else "no directory"

    def version(self) -> str:
        """The type of the file system it is on."""
        return mount_of(self.directory).kind

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[Subject]:
        """Use a directory inside it, which is removed at the end."""
        path = self.directory / folder.name
        path.mkdir()
        try:
            yield Subject(
                name=self.name,
                path=path,
                folder=path,
                make_durable=self._make_durable,
                cool=drop_kernel_caches,
            )
        finally:
            shutil.rmtree(path)

    def _make_durable(self) -> None:
        """syncfs never reaches the server of a pool; the command does."""
        mount = mount_of(self.directory)
        if mount.kind == KIND:
            command(*DYNAMICFS, "sync", mount.mountpoint)
        else:
            sync_file_system(self.directory)


def mount_of(path: Path) -> MountEntry:
    """Return the mount that *path* is on."""
    real = path.resolve()
    holding = [
        entry
        for entry in read_mounts()
        if real == Path(entry.mountpoint) or Path(entry.mountpoint) in real.parents
    ]
    return max(holding, key=lambda entry: len(entry.mountpoint))
