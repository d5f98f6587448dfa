"""How metadata reaches the disks: calls that run elsewhere and may be given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from engine.device.protocol import Device
from engine.errors import DeviceGoneError, EngineError
from engine.ids import DiskUuid

T = TypeVar("T")


class JournalDisks(Protocol):
    """The disks a pool sees now. Thread-safe.

    Calls to one disk may overlap when an earlier one was abandoned, so whoever
    submits decides what a late result means.
    """

    def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
        """Run *call* on *disk* soon, in another thread.

        Raises:
            DeviceGoneError: *disk* is not reachable; nothing runs.
        """

    def wait(self, future: Future[T]) -> T:
        """Return the result of *future*, waiting a bounded time.

        Raises:
            DeviceSlowError: it took too long and was abandoned.
            DeviceError: what the call raised.
        """

    def reachable(self) -> Sequence[DiskUuid]:
        """Return the disks that answer now."""


class DirectDisks:
    """Devices at hand, called in the caller's thread: while a pool is opened."""

    def __init__(self, devices: Mapping[DiskUuid, Device]) -> None:
        self._devices = dict(devices)

    def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
        """Run *call* now; the future is done when this returns."""
        if disk not in self._devices:
            raise DeviceGoneError(f"disk {disk} is not reachable")
        future: Future[T] = Future()
        try:
            future.set_result(call(self._devices[disk]))
        except EngineError as error:
            future.set_exception(error)
        return future

    def wait(self, future: Future[T]) -> T:
        """Return the result of *future*, which is done."""
        return future.result(timeout=0)

    def reachable(self) -> Sequence[DiskUuid]:
        """Return all disks, in order of their uuid."""
        return sorted(self._devices)


def run_on(disks: JournalDisks, disk: DiskUuid, call: Callable[[Device], T]) -> T:
    """Run *call* on *disk* and wait for its result; DeviceError as ``wait`` has it."""
    return disks.wait(disks.submit(disk, call))
