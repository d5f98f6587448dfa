"""Disks whose files are a dict of bytes: every call is done when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from engine.clock import SystemClock
from engine.codec.kernel import default_kernel
from engine.device.lanes import Lane
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import DeviceError, DeviceGoneError, NameAbsentError
from engine.extents.reader import ExtentReader
from engine.extents.verdict import Verdict
from engine.extents.verify import ExtentVerifier
from engine.ids import DiskId, ExtentId
from engine.model.extent import ExtentRecord
from engine.observe.metrics import Metrics
from engine.policy.placement import DiskSpace

T = TypeVar("T")


class StillDevice(MemoryDevice):
    """A disk that reads *files* as they are this moment."""

    def __init__(self, files: dict[str, bytearray]) -> None:
        super().__init__()
        self._still = files

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        if name not in self._still:
            raise NameAbsentError(name)
        return memoryview(bytes(self._still[name][offset : offset + length]))


class StillDisks:
    """A ``DiskSource`` over such disks; ``present`` says which of them answer."""

    def __init__(self, files: dict[DiskId, dict[str, bytearray]]) -> None:
        self._devices = {disk_id: StillDevice(content) for disk_id, content in files.items()}
        self.present = set(files)

    def submit(self, disk_id: DiskId, lane: Lane, call: Callable[[Device], T]) -> Future[T]:
        if disk_id not in self.present:
            raise DeviceGoneError(f"disk {disk_id} is missing")
        future: Future[T] = Future()
        try:
            future.set_result(call(self._devices[disk_id]))
        except DeviceError as error:
            future.set_exception(error)
        return future

    def try_submit(
        self,
        disk_id: DiskId,
        lane: Lane,
        call: Callable[[Device], T],
        ended: Callable[[Future[T]], None],
    ) -> bool:
        return False

    def wait(self, future: Future[T]) -> T:
        return future.result(timeout=0)

    def spaces(self) -> Sequence[DiskSpace]:
        return ()

    def readable(self, disk_id: DiskId) -> bool:
        return disk_id in self.present

    def report_failure(self, disk_id: DiskId, error: DeviceError) -> None:
        """Nobody probes these disks."""

    def report_corruption(
        self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict
    ) -> None:
        """Nobody repairs these disks."""


def read_fresh(disks: StillDisks, record: ExtentRecord) -> bytes:
    """Read the whole extent with nothing in memory."""
    reader = ExtentReader(SystemClock(), Metrics(), disks, kernel=default_kernel())
    return bytes(reader.read(record, 0, record.length_bytes, lane=Lane.FOREGROUND))


def verdict_fresh(disks: StillDisks, record: ExtentRecord, index: int) -> Verdict:
    """Verify one fragment with nothing in memory."""
    kernel = default_kernel()
    reader = ExtentReader(SystemClock(), Metrics(), disks, kernel=kernel)
    return ExtentVerifier(disks, reader.fragments, kernel=kernel).verify_fragment(record, index)


def only(disks: StillDisks, wanted: Iterable[DiskId]) -> None:
    """Let just *wanted* answer."""
    disks.present = set(wanted)
