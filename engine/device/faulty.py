"""A device that fails on command, and counts; for tests and fault drills."""

from __future__ import annotations

import builtins
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from engine.device.protocol import (
    Buffer,
    Capacity,
    Device,
    JournalEntry,
    JournalGap,
    StoredName,
)
from engine.errors import DeviceError
from engine.ids import Epoch, Generation


class When(Enum):
    """Whether a failing call does its work first: an answer can be lost too."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailWith:
    """Raise *error*, before or after the inner device did the work."""

    error: DeviceError
    when: When = When.BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipByte:
    """Invert the byte at *offset* (bytes from the first) of what ``get`` returns."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """Block until *gate* is set, then go on."""

    gate: threading.Event


Action: TypeAlias = FailWith | FlipByte | Hang


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens, on which method (None: any) and which calls.

    ``nth`` counts matching calls from 1, starting when the fault was added;
    None means all. ``name_part`` narrows to names that contain it.
    """

    action: Action
    method: str | None = None
    nth: int | None = None
    name_part: str = ""


@dataclass(slots=True)
class CallCounters:
    """Calls and bytes by method name since the device was made."""

    calls: Counter[str] = field(default_factory=Counter)
    bytes_moved: Counter[str] = field(default_factory=Counter)


class FaultyDevice:
    """Wraps a device. Thread-safe; the lock is not held in the inner device."""

    def __init__(self, inner: Device) -> None:
        self.inner = inner
        self.counters = CallCounters()
        self._faults: dict[Fault, int] = {}
        self._lock = threading.Lock()

    def add_fault(self, fault: Fault) -> None:
        """Let *fault* happen from now on, until ``remove_fault``."""
        with self._lock:
            self._faults[fault] = 0

    def remove_fault(self, fault: Fault) -> None:
        """End *fault*; harmless when it is not there."""
        with self._lock:
            self._faults.pop(fault, None)

    def clear_faults(self) -> None:
        """End all faults. Calls that hang go on only when their gates open."""
        with self._lock:
            self._faults.clear()

    def _begin(self, method: str, name: str, bytes_moved: int = 0) -> builtins.list[Action]:
        """Count the call; hang or fail it, or return what is to happen after."""
        with self._lock:
            self.counters.calls[method] += 1
            self.counters.bytes_moved[method] += bytes_moved
            due: builtins.list[Action] = []
            for fault in builtins.list(self._faults):
                if fault.method not in (None, method) or fault.name_part not in name:
                    continue
                self._faults[fault] += 1
                if fault.nth in (None, self._faults[fault]):
                    due.append(fault.action)
        for action in due:
            if isinstance(action, Hang):
                action.gate.wait()
            elif isinstance(action, FailWith) and action.when is When.BEFORE:
                raise action.error
        return due

    @staticmethod
    def _end(due: builtins.list[Action]) -> None:
        for action in due:
            if isinstance(action, FailWith):
                raise action.error

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        due = self._begin("put", name, sum(len(part) for part in parts))
        self.inner.put(name, parts)
        self._end(due)

    def sync(self, names: Iterable[str]) -> None:
        names = builtins.list(names)
        due = self._begin("sync", " ".join(names))
        self.inner.sync(names)
        self._end(due)

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        due = self._begin("get", name)
        data = self.inner.get(name, offset=offset, length=length)
        with self._lock:
            self.counters.bytes_moved["get"] += len(data)
        for action in due:
            if isinstance(action, FlipByte) and action.offset < len(data):
                changed = bytearray(data)
                changed[action.offset] ^= 0xFF
                data = memoryview(changed)
        self._end(due)
        return data

    def stat(self, name: str) -> StoredName:
        due = self._begin("stat", name)
        found = self.inner.stat(name)
        self._end(due)
        return found

    def delete(self, name: str) -> None:
        due = self._begin("delete", name)
        self.inner.delete(name)
        self._end(due)

    def set_aside(self, name: str) -> None:
        due = self._begin("set_aside", name)
        self.inner.set_aside(name)
        self._end(due)

    def list(self, prefix: str) -> Iterator[StoredName]:
        due = self._begin("list", prefix)
        yield from self.inner.list(prefix)
        self._end(due)

    def capacity(self) -> Capacity:
        due = self._begin("capacity", "")
        capacity = self.inner.capacity()
        self._end(due)
        return capacity

    def check_presence(self) -> None:
        due = self._begin("check_presence", "")
        self.inner.check_presence()
        self._end(due)

    def get_label(self) -> bytes:
        due = self._begin("get_label", "")
        label = self.inner.get_label()
        self._end(due)
        return label

    def set_label(self, data: bytes) -> None:
        due = self._begin("set_label", "", len(data))
        self.inner.set_label(data)
        self._end(due)

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        due = self._begin("journal_put", str(generation), len(payload))
        self.inner.journal_put(generation, epoch, payload)
        self._end(due)

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        due = self._begin("journal_list", str(start))
        yield from self.inner.journal_list(start)
        self._end(due)

    def journal_trim(self, below: Generation) -> None:
        due = self._begin("journal_trim", str(below))
        self.inner.journal_trim(below)
        self._end(due)

    def journal_set_aside(self, start: Generation) -> int:
        due = self._begin("journal_set_aside", str(start))
        moved = self.inner.journal_set_aside(start)
        self._end(due)
        return moved

    def close(self) -> None:
        self.inner.close()
