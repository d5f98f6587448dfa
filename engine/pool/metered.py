"""A device that counts what passes through it, for the disk's metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.device.protocol import Buffer, Device, JournalEntry, JournalGap, StoredName
from engine.errors import DeviceError, NameAbsentError, NameTakenError
from engine.ids import Epoch, Generation
from engine.observe.metrics import Metrics


class MeteredDevice:
    """Passes every call on; counts calls, bytes and errors under the disk's name."""

    def __init__(self, inner: Device, metrics: Metrics, disk: str) -> None:
        self.inner = inner
        self._reads = metrics.counter("disk_reads_total", disk)
        self._writes = metrics.counter("disk_writes_total", disk)
        self._read_bytes = metrics.counter("disk_read_bytes_total", disk)
        self._write_bytes = metrics.counter("disk_write_bytes_total", disk)
        self._errors = metrics.counter("disk_errors_total", disk)
        self.sync = inner.sync
        self.capacity = inner.capacity
        self.check_presence = inner.check_presence
        self.get_label = inner.get_label
        self.set_label = inner.set_label
        self.delete = inner.delete
        self.set_aside = inner.set_aside
        self.stat = inner.stat
        self.journal_trim = inner.journal_trim
        self.journal_set_aside = inner.journal_set_aside
        self.close = inner.close

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        try:
            self.inner.put(name, parts)
        except NameTakenError:
            raise
        except DeviceError:
            self._errors.add()
            raise
        self._writes.add()
        self._write_bytes.add(sum(len(part) for part in parts))

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        try:
            data = self.inner.get(name, offset=offset, length=length)
        except NameAbsentError:
            raise
        except DeviceError:
            self._errors.add()
            raise
        self._reads.add()
        self._read_bytes.add(len(data))
        return data

    def list(self, prefix: str) -> Iterator[StoredName]:
        return self.inner.list(prefix)

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        try:
            self.inner.journal_put(generation, epoch, payload)
        except DeviceError:
            self._errors.add()
            raise
        self._writes.add()
        self._write_bytes.add(len(payload))

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        return self.inner.journal_list(start)
