"""Proven headers and page tables in memory (P8), and the latency of disks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.clock import Clock
from engine.format.fragment import FragmentHeader
from engine.ids import DiskId, ExtentId, LayoutId
from engine.limits import PAGE_TABLES_MAX
from engine.model.disk import DiskState
from engine.policy.placement import DiskSpace
from engine.policy.sources import SourceState

TableKey = tuple[ExtentId, int, LayoutId]
"""Extent, fragment index, layout: the three that name a fragment for good."""

_SMOOTHING: Final = 0.2
"""Weight of the newest call in a disk's latency."""


@dataclass(frozen=True, slots=True)
class ProvenHead:
    """A fragment's header and page table, both proven against metadata."""

    header: FragmentHeader
    table: bytes


class PageTableCache:
    """Headers and page tables that were proven. Thread-safe."""

    def __init__(self, *, tables_max: int = PAGE_TABLES_MAX) -> None:
        self._tables_max: Final = tables_max
        self._lock: Final = threading.Lock()
        self._tables: OrderedDict[TableKey, ProvenHead] = OrderedDict()

    def get(self, key: TableKey) -> ProvenHead | None:
        """Return the head of the fragment *key*, or None."""
        with self._lock:
            head = self._tables.get(key)
            if head is not None:
                self._tables.move_to_end(key)
            return head

    def put(self, key: TableKey, head: ProvenHead) -> None:
        """Keep a proven head; the least recently used one goes when full."""
        with self._lock:
            self._tables[key] = head
            self._tables.move_to_end(key)
            if len(self._tables) > self._tables_max:
                self._tables.popitem(last=False)


class SourceMeter:
    """Calls in flight and their latency, per disk, as seen by readers. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._in_flight: dict[DiskId, int] = {}
        self._latency_s: dict[DiskId, float] = {}

    def begin(self, disk_id: DiskId) -> float:
        """Note that a call starts; return the monotonic second for ``end``."""
        with self._lock:
            self._in_flight[disk_id] = self._in_flight.get(disk_id, 0) + 1
        return self._clock.monotonic_s()

    def withdraw(self, disk_id: DiskId) -> None:
        """Note that a call which was begun is not made after all."""
        with self._lock:
            self._in_flight[disk_id] -= 1

    def end(self, disk_id: DiskId, begun_s: float) -> None:
        """Note that the call which began at *begun_s* ended, in whatever way."""
        took_s = self._clock.monotonic_s() - begun_s
        with self._lock:
            self._in_flight[disk_id] -= 1
            before_s = self._latency_s.get(disk_id, took_s)
            self._latency_s[disk_id] = before_s + _SMOOTHING * (took_s - before_s)

    def states(self, disk_ids: Sequence[DiskId], spaces: Sequence[DiskSpace]) -> list[SourceState]:
        """Return what source selection needs to know of *disk_ids*.

        A disk that *spaces* does not list counts as failed: asked last.
        """
        health = {space.disk_id: space.state for space in spaces}
        with self._lock:
            return [
                SourceState(
                    disk_id=disk_id,
                    state=health.get(disk_id, DiskState.FAILED),
                    in_flight=self._in_flight.get(disk_id, 0),
                    latency_s=self._latency_s.get(disk_id, 0.0),
                )
                for disk_id in disk_ids
            ]
