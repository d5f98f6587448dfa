"""A directory disk whose every change is noted in a ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

from engine.device.calls import FileSystemCalls
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import LabelCheck, open_disk
from engine.device.protocol import Buffer
from tests.simulation.active import ledger_of
from tests.simulation.events import Reserved, Resized, Written
from tests.simulation.ledger import Ledger


class RecordedCalls(FileSystemCalls):
    """Does each step and notes it, in one hold of the ledger's lock.

    The flushes only take notes: what is read back comes from the page cache
    either way, and nobody cuts the power of the live directories.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find(self, root: int) -> None:
        """Take in what the disk holds; what was made without these calls is durable."""
        node = self._ledger.node(root)
        self._ledger.find(node, self._ledger.roots[node])

    def create(self, folder: int, name: str, flags: int) -> int:
        with self._ledger.lock:
            descriptor = super().create(folder, name, flags)
            where = self._ledger.node(folder)
            node = self._ledger.created(where, name, os.fstat(descriptor))
            self._ledger.writes_are_told(node)
            return descriptor

    def preallocate(self, descriptor: int, length_bytes: int) -> None:
        with self._ledger.lock:
            super().preallocate(descriptor, length_bytes)
            self._ledger.note(Reserved(self._ledger.node(descriptor), length_bytes))

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        data = b"".join(parts)
        with self._ledger.lock:
            super().write(descriptor, parts, offset)
            self._ledger.note(Written(self._ledger.node(descriptor), offset, data))

    def truncate(self, descriptor: int, length_bytes: int) -> None:
        with self._ledger.lock:
            super().truncate(descriptor, length_bytes)
            self._ledger.note(Resized(self._ledger.node(descriptor), length_bytes))

    def fdatasync(self, descriptor: int) -> None:
        self._ledger.flush(self._ledger.node(descriptor))

    def fsync_folder(self, folder: int) -> None:
        self._ledger.flush(self._ledger.node(folder))

    def make_folder(self, folder: int, name: str) -> None:
        with self._ledger.lock:
            where = self._ledger.node(folder)
            super().make_folder(folder, name)
            if not self._ledger.has(where, name):
                self._ledger.created(where, name, os.stat(name, dir_fd=folder))

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        with self._ledger.lock:
            super().rename_new(source, name, target, new_name)
            ledger = self._ledger
            ledger.renamed(ledger.node(source), name, ledger.node(target), new_name)

    def rename_over(self, source: int, name: str, target: int, new_name: str) -> None:
        with self._ledger.lock:
            super().rename_over(source, name, target, new_name)
            ledger = self._ledger
            ledger.renamed(ledger.node(source), name, ledger.node(target), new_name)

    def unlink(self, folder: int, name: str) -> None:
        with self._ledger.lock:
            super().unlink(folder, name)
            self._ledger.removed(self._ledger.node(folder), name)


class RecordedDevice(DirectoryDevice):
    """A disk of a world under record; elsewhere an ordinary one."""

    @classmethod
    def open(cls, path: str, expect_label: LabelCheck | None = None) -> Self:
        ledger = ledger_of(os.path.realpath(path))
        if ledger is None:
            return super().open(path, expect_label)
        handle = open_disk(path, expect_label)
        try:
            return cls(handle, RecordedCalls(ledger), expect_label)
        except BaseException:
            handle.close()
            raise

    def _started(self, root: int) -> None:
        if isinstance(self._calls, RecordedCalls):
            self._calls.find(root)
