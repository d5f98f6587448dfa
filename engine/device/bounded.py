"""A device for callers without lanes of their own: every call ends in bounded time.

While a pool is opened or imported its disks are asked in the caller's thread.
Here each such call runs in a lane, so that one that hangs is given up, too.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from engine.device.lanes import DiskLanes, Lane
from engine.device.protocol import (
    Buffer,
    Capacity,
    Device,
    JournalEntry,
    JournalGap,
    StoredName,
)
from engine.errors import DeviceSlowError
from engine.ids import Epoch, Generation
from engine.limits import DEVICE_CALL_S_MAX, GROUP_BYTES_MAX

T = TypeVar("T")

_BATCH_ITEMS: Final = 64
"""How much of a listing one call brings: a hand-over for each item costs too much."""


class BoundedDevice:
    """Passes each call on, and waits at most *call_s_max* seconds for it.

    The first call that is given up is the last one that is tried: a disk that
    hangs costs its caller the limit once. For one thread at a time.
    """

    def __init__(self, inner: Device, *, call_s_max: float = DEVICE_CALL_S_MAX) -> None:
        self.inner: Final = inner
        self.is_slow = False
        """Whether a call was given up; its thread may still be in the disk."""
        self._call_s_max: Final = call_s_max
        self._lanes: Final = DiskLanes(inner, on_slow=self._note_slow)

    def _note_slow(self) -> None:
        self.is_slow = True

    def _run(self, call: Callable[[Device], T]) -> T:
        if self.is_slow:
            raise DeviceSlowError("it did not answer before")
        return self._lanes.wait(self._lanes.submit(Lane.FOREGROUND, call), self._call_s_max)

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        self._run(lambda device: device.put(name, parts))

    def sync(self, names: Iterable[str]) -> None:
        wanted = builtins.list(names)
        self._run(lambda device: device.sync(wanted))

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        return self._run(lambda device: device.get(name, offset=offset, length=length))

    def stat(self, name: str) -> StoredName:
        return self._run(lambda device: device.stat(name))

    def delete(self, name: str) -> None:
        self._run(lambda device: device.delete(name))

    def set_aside(self, name: str) -> None:
        self._run(lambda device: device.set_aside(name))

    def list(self, prefix: str) -> Iterator[StoredName]:
        found = self._run(lambda device: device.list(prefix))
        while batch := self._run(lambda _: _taken(found, lambda _one: 0)):
            yield from batch

    def capacity(self) -> Capacity:
        return self._run(lambda device: device.capacity())

    def check_presence(self) -> None:
        self._run(lambda device: device.check_presence())

    def get_label(self) -> bytes:
        return self._run(lambda device: device.get_label())

    def set_label(self, data: bytes) -> None:
        self._run(lambda device: device.set_label(data))

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        self._run(lambda device: device.journal_put(generation, epoch, payload))

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        found = self._run(lambda device: device.journal_list(start))
        while batch := self._run(lambda _: _taken(found, _payload_bytes)):
            yield from batch

    def journal_trim(self, below: Generation) -> None:
        self._run(lambda device: device.journal_trim(below))

    def journal_set_aside(self, start: Generation) -> int:
        return self._run(lambda device: device.journal_set_aside(start))

    def let_go(self) -> None:
        """End the lanes and leave the inner device open; a stuck call stays behind."""
        self._lanes.close(timeout_s=0.0)

    def close(self) -> None:
        """End the lanes and close the inner device, in bounded time."""
        self._lanes.close_device()


def _payload_bytes(entry: JournalEntry | JournalGap) -> int:
    return len(entry.payload) if isinstance(entry, JournalEntry) else 0


def _taken(found: Iterator[T], size_of: Callable[[T], int]) -> builtins.list[T]:
    """Return the next items, bounded in number and bytes; none at the end."""
    batch: builtins.list[T] = []
    size = 0
    while len(batch) < _BATCH_ITEMS and size < GROUP_BYTES_MAX:
        try:
            batch.append(next(found))
        except StopIteration:
            break
        size += size_of(batch[-1])
    return batch
