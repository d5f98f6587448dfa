"""Counters without locks: each thread adds to a slot of its own.

An addition touches nothing that another thread writes, so it can neither wait
nor lose a count. Whoever reads sums all slots; a sum may miss additions that
happen while it is taken, never older ones. Making a counter, the first use in
a thread and reading take a short lock of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.observe.names import NAMES, MetricKind


@dataclass(frozen=True, slots=True)
class _ThreadSlots:
    """One thread's amounts, by counter index. Only that thread changes them."""

    thread: threading.Thread
    amounts: list[int]


class _Slots(threading.local):
    """The calling thread's amounts; made and registered at its first use."""

    def __init__(self, metrics: Metrics) -> None:
        self.amounts = metrics.register_thread()


class Counter:
    """A number that only grows. Thread-safe without a lock."""

    __slots__ = ("_index", "_slots")

    def __init__(self, slots: _Slots, index: int) -> None:
        self._slots = slots
        self._index = index

    def add(self, amount: int = 1) -> None:
        """Add *amount*, at least 0, to the calling thread's slot."""
        try:
            self._slots.amounts[self._index] += amount
        except IndexError:  # This counter is younger than the thread's slots.
            amounts = self._slots.amounts
            amounts.extend([0] * (self._index + 1 - len(amounts)))
            amounts[self._index] += amount


class Gauge:
    """A last value. Setting replaces one reference, so readers need no lock."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: int | float = 0

    def set(self, value: int | float) -> None:
        """Make *value* the one that readers see."""
        self.value = value


class Metrics:
    """All counters and gauges of one pool. Thread-safe.

    >>> metrics = Metrics()
    >>> metrics.counter("disk_reads_total", "d1").add(2)
    >>> metrics.gauge("dirty_bytes").set(7)
    >>> metrics.snapshot()["disk_reads_total"], metrics.snapshot()["dirty_bytes"]
    ({'d1': 2}, {'': 7})
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._counters: dict[tuple[str, str], Counter] = {}
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._threads: list[_ThreadSlots] = []
        self._ended: list[int] = []
        self._slots: Final = _Slots(self)

    def counter(self, name: str, label: str = "") -> Counter:
        """Return the counter *name* of *label*, the same one for equal arguments.

        Keep it: finding it again costs more than adding to it.

        Raises:
            ValueError: ``NAMES`` has no counter of this name.
        """
        _check_name(name, MetricKind.COUNTER)
        with self._lock:
            index = len(self._counters)
            return self._counters.setdefault((name, label), Counter(self._slots, index))

    def gauge(self, name: str, label: str = "") -> Gauge:
        """Return the gauge *name* of *label*, the same one for equal arguments.

        Raises:
            ValueError: ``NAMES`` has no gauge of this name.
        """
        _check_name(name, MetricKind.GAUGE)
        with self._lock:
            return self._gauges.setdefault((name, label), Gauge())

    def snapshot(self) -> Mapping[str, Mapping[str, int | float]]:
        """Return the values by name and label; names never used have no entry."""
        with self._lock:
            self._fold_ended_threads()
            sums = list(self._ended)
            for slots in self._threads:
                _add_to(sums, slots.amounts)
            counters, gauges = list(self._counters), list(self._gauges.items())
        result: dict[str, dict[str, int | float]] = {}
        # Counters get ascending indexes, and a dict keeps that order.
        for index, (name, label) in enumerate(counters):
            result.setdefault(name, {})[label] = sums[index] if index < len(sums) else 0
        for (name, label), gauge in gauges:
            result.setdefault(name, {})[label] = gauge.value
        return result

    def register_thread(self) -> list[int]:
        """Return new slots for the calling thread; called once per thread."""
        amounts: list[int] = []
        with self._lock:
            self._fold_ended_threads()
            self._threads.append(_ThreadSlots(threading.current_thread(), amounts))
        return amounts

    def _fold_ended_threads(self) -> None:
        """Keep the sums of ended threads and drop their slots (P8)."""
        alive = []
        for slots in self._threads:
            if slots.thread.is_alive():
                alive.append(slots)
            else:
                _add_to(self._ended, slots.amounts)
        self._threads = alive


def _check_name(name: str, kind: MetricKind) -> None:
    known = NAMES.get(name)
    if known is None or known.kind is not kind:
        raise ValueError(f"no {kind} is named {name!r}")


def _add_to(sums: list[int], amounts: list[int]) -> None:
    values = list(amounts)  # One atomic copy: the owner may append meanwhile.
    sums.extend([0] * (len(values) - len(sums)))
    for index, value in enumerate(values):
        sums[index] += value
