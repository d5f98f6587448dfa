"""The recorded steps of a disk on plain names, for sequences written by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulation.recorded_device import RecordedCalls
from tests.simulation.world import World


class PlainDisk:
    """One disk of a world under record. *folder* names are below its top."""

    def __init__(self, world: World, number: int = 0) -> None:
        self._world = world
        self._calls = RecordedCalls(world.ledger)
        self._top = world.disks[number]

    @contextmanager
    def _folder(self, folder: str) -> Iterator[int]:
        descriptor = os.open(self._top / folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _file(self, name: str) -> Iterator[int]:
        descriptor = os.open(self._top / name, os.O_RDWR)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def create(self, name: str, data: bytes = b"") -> None:
        """Make the file *name*; *data* is written into it, if there is any."""
        folder, leaf = os.path.split(name)
        with self._folder(folder) as where:
            os.close(self._calls.create(where, leaf, 0))
        if data:
            self.write(name, data)

    def write(self, name: str, data: bytes, offset: int = 0) -> None:
        """Write *data* at *offset*."""
        with self._file(name) as descriptor:
            self._calls.write(descriptor, [data], offset)

    def truncate(self, name: str, length_bytes: int) -> None:
        """Cut or lengthen the file."""
        with self._file(name) as descriptor:
            self._calls.truncate(descriptor, length_bytes)

    def preallocate(self, name: str, length_bytes: int) -> None:
        """Reserve room."""
        with self._file(name) as descriptor:
            self._calls.preallocate(descriptor, length_bytes)

    def make_folder(self, name: str) -> None:
        """Make the folder *name* at the top."""
        with self._folder("") as where:
            self._calls.make_folder(where, name)

    def rename(self, name: str, new_name: str) -> None:
        """Rename within the top, replacing."""
        with self._folder("") as where:
            self._calls.rename_over(where, name, where, new_name)

    def move(self, name: str, folder: str) -> None:
        """Move a file from the top into *folder*, under its name."""
        with self._folder("") as source, self._folder(folder) as target:
            self._calls.rename_new(source, name, target, name)

    def unlink(self, name: str) -> None:
        """Remove a file of the top."""
        with self._folder("") as where:
            self._calls.unlink(where, name)

    def sync(self, name: str) -> None:
        """Flush a file's content."""
        with self._file(name) as descriptor:
            self._calls.fdatasync(descriptor)

    def sync_names(self, folder: str = "") -> None:
        """Flush the names in *folder*."""
        with self._folder(folder) as where:
            self._calls.fsync_folder(where)

    def begin_flush(self, name: str) -> int:
        """Begin a flush that takes its time; return what ends it."""
        with self._file(name) as descriptor:
            return self._world.ledger.begin_flush(self._world.ledger.node(descriptor))

    def end_flush(self, name: str, begun: int) -> None:
        """Let the flush return that began at position *begun*."""
        with self._file(name) as descriptor:
            self._world.ledger.end_flush(self._world.ledger.node(descriptor), begun)

    def make_durable(self, name: str, data: bytes) -> None:
        """Make the file *name* with *data*, flushed."""
        self.create(name, data)
        self.sync(name)
        self.sync_names()


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all files below *folder* by their path, and empty folders as ``name/``."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{path.relative_to(folder)}/"] = b""
    return found
