"""A device that counts what passes through it, for the disk's metrics and its health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from engine.device.protocol import Buffer, Device, JournalEntry, JournalGap, StoredName
from engine.errors import DeviceError, NameAbsentError, NameTakenError
from engine.ids import Epoch, Generation
from engine.observe.metrics import Metrics
from engine.pool.disk_statistics import DiskMeter

T = TypeVar("T")


class MeteredDevice:
    """Passes every call on; counts calls, bytes and errors under the disk's name.

    Only calls that move data are timed: how long a delete takes says little.
    """

    def __init__(self, inner: Device, metrics: Metrics, disk: str, meter: DiskMeter) -> None:
        self.inner = inner
        self._meter = meter
        self._reads = metrics.counter("disk_reads_total", disk)
        self._writes = metrics.counter("disk_writes_total", disk)
        self._read_bytes = metrics.counter("disk_read_bytes_total", disk)
        self._write_bytes = metrics.counter("disk_write_bytes_total", disk)
        self._errors = metrics.counter("disk_errors_total", disk)
        self.capacity = inner.capacity
        self.check_presence = inner.check_presence
        self.get_label = inner.get_label
        self.stat = inner.stat
        self.journal_set_aside = inner.journal_set_aside
        self.close = inner.close

    def _run(self, call: Callable[[], T]) -> T:
        """Return what *call* does; count an error that speaks against the disk."""
        try:
            return call()
        except DeviceError as error:
            self._note(error)
            raise

    def _note(self, error: DeviceError) -> None:
        if not isinstance(error, NameAbsentError | NameTakenError):
            self._errors.add()
            self._meter.note_error(error)

    def _timed(self, call: Callable[[], T]) -> T:
        """As ``_run``, and remember how long it took when it succeeded."""
        begun_s = time.perf_counter()
        result = self._run(call)
        self._meter.note_call(time.perf_counter() - begun_s)
        return result

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        self._timed(lambda: self.inner.put(name, parts))
        self._writes.add()
        self._write_bytes.add(sum(len(part) for part in parts))

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        # As ``_timed``, without a call more: each read of a page comes by here.
        begun_s = time.perf_counter()
        try:
            data = self.inner.get(name, offset=offset, length=length)
        except DeviceError as error:
            self._note(error)
            raise
        self._meter.note_call(time.perf_counter() - begun_s)
        self._reads.add()
        self._read_bytes.add(len(data))
        return data

    def sync(self, names: Iterable[str]) -> None:
        self._run(lambda: self.inner.sync(names))

    def delete(self, name: str) -> None:
        self._run(lambda: self.inner.delete(name))

    def set_aside(self, name: str) -> None:
        self._run(lambda: self.inner.set_aside(name))

    def set_label(self, data: bytes) -> None:
        self._run(lambda: self.inner.set_label(data))

    def list(self, prefix: str) -> Iterator[StoredName]:
        return self.inner.list(prefix)

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        self._timed(lambda: self.inner.journal_put(generation, epoch, payload))
        self._writes.add()
        self._write_bytes.add(len(payload))

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        return self.inner.journal_list(start)

    def journal_trim(self, below: Generation) -> None:
        self._run(lambda: self.inner.journal_trim(below))
