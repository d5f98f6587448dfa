"""A disk in memory that loses on command what was not made durable; for tests."""

from __future__ import annotations

import builtins
import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.clock import Clock, SystemClock
from engine.device.names import check_name, quarantine_name, sort_key
from engine.device.protocol import Buffer, Capacity, JournalEntry, JournalGap, StoredName
from engine.errors import (
    DeviceFullError,
    DeviceGoneError,
    NameAbsentError,
    NameTakenError,
)
from engine.ids import Epoch, Generation
from engine.units import GIB


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    mtime_ns: int


class MemoryDevice:
    """Dicts that behave like the strictest disk. Thread-safe by one lock.

    Only the very names given to ``sync`` become durable, and so do their
    deletions; label, journal and ``set_aside`` are durable when they return.
    """

    def __init__(
        self, *, capacity_bytes: int = GIB, group: str = "memory", clock: Clock | None = None
    ) -> None:
        self._capacity_bytes = capacity_bytes
        self._group = group
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._files: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._label: bytes | None = None
        self._journal: dict[Generation, JournalEntry] = {}
        self._stale: builtins.list[JournalEntry] = []
        self._used_bytes = 0
        self._present = True
        self._closed = False

    def lose_power(self) -> None:
        """Forget every name, and bring back every deletion, that was not synced.

        The device can be used on, as if opened again.
        """
        with self._lock:
            self._files = dict(self._durable)
            self._used_bytes = sum(len(file.data) for file in self._files.values())
            self._closed = False

    def go_away(self) -> None:
        """Behave as a disk whose directory is gone, until ``come_back``."""
        self._present = False

    def come_back(self) -> None:
        """End ``go_away``."""
        self._present = True

    @property
    def stale_entries(self) -> builtins.list[JournalEntry]:
        """What ``journal_set_aside`` moved, oldest first."""
        return builtins.list(self._stale)

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceGoneError("closed")
        if not self._present:
            raise DeviceGoneError("missing")

    def _file(self, name: str) -> _File:
        self._check_open()
        check_name(name)
        try:
            return self._files[name]
        except KeyError:
            raise NameAbsentError(f"{name}: no such name") from None

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        check_name(name)
        data = b"".join(parts)
        with self._lock:
            self._check_open()
            if name in self._files:
                raise NameTakenError(f"{name}: the name is taken")
            if self._used_bytes + len(data) > self._capacity_bytes:
                raise DeviceFullError(f"{name}: no space left")
            self._files[name] = _File(data, self._clock.now_ns())
            self._used_bytes += len(data)

    def sync(self, names: Iterable[str]) -> None:
        with self._lock:
            self._check_open()
            for name in names:
                if name in self._files:
                    self._durable[name] = self._files[name]
                else:
                    self._durable.pop(name, None)

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        with self._lock:
            return memoryview(self._file(name).data)[offset : offset + length]

    def stat(self, name: str) -> StoredName:
        with self._lock:
            file = self._file(name)
            return StoredName(name, len(file.data), file.mtime_ns)

    def delete(self, name: str) -> None:
        with self._lock:
            self._used_bytes -= len(self._file(name).data)
            del self._files[name]

    def set_aside(self, name: str) -> None:
        with self._lock:
            file = self._file(name)
            for sequence in itertools.count():
                new_name = quarantine_name(name, sequence)
                if new_name not in self._files:
                    break
            del self._files[name]
            self._durable.pop(name, None)
            self._files[new_name] = self._durable[new_name] = file

    def list(self, prefix: str) -> Iterator[StoredName]:
        with self._lock:
            self._check_open()
            names = [name for name in self._files if not prefix or name.startswith(f"{prefix}/")]
            found = [self.stat(name) for name in sorted(names, key=sort_key)]
        yield from found

    def capacity(self) -> Capacity:
        with self._lock:
            self._check_open()
            free = self._capacity_bytes - self._used_bytes
            return Capacity(self._capacity_bytes, free, self._group)

    def check_presence(self) -> None:
        with self._lock:
            self._check_open()
            if self._label is None:
                raise DeviceGoneError("its label cannot be read")

    def get_label(self) -> bytes:
        with self._lock:
            self._check_open()
            if self._label is None:
                raise NameAbsentError("no label")
            return self._label

    def set_label(self, data: bytes) -> None:
        with self._lock:
            self._check_open()
            self._label = bytes(data)

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        entry = JournalEntry(generation, epoch, bytes(payload))
        with self._lock:
            self._check_open()
            if self._journal.setdefault(generation, entry) != entry:
                raise NameTakenError(f"generation {generation} is present and differs")

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        with self._lock:
            self._check_open()
            found = [self._journal[one] for one in sorted(self._journal) if one >= start]
        yield from found

    def journal_trim(self, below: Generation) -> None:
        with self._lock:
            self._check_open()
            self._journal = {one: entry for one, entry in self._journal.items() if one >= below}

    def journal_set_aside(self, start: Generation) -> int:
        with self._lock:
            self._check_open()
            moved = sorted(one for one in self._journal if one >= start)
            self._stale += [self._journal.pop(one) for one in moved]
            return len(moved)

    def close(self) -> None:
        self._closed = True
