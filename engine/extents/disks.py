"""What extents need of the pool: its disks, by id, through lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from engine.device.lanes import Lane
from engine.device.protocol import Device
from engine.errors import DeviceError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.policy.placement import DiskSpace

T = TypeVar("T")


class DiskSource(Protocol):
    """The disks of a pool. Thread-safe; ``spaces`` and ``readable`` are quick."""

    def submit(self, disk_id: DiskId, lane: Lane, call: Callable[[Device], T]) -> Future[T]:
        """Queue *call* in a lane of the disk.

        Raises:
            DeviceGoneError: the disk is missing or not part of the pool.
        """

    def try_submit(
        self,
        disk_id: DiskId,
        lane: Lane,
        call: Callable[[Device], T],
        ended: Callable[[Future[T]], None],
    ) -> bool:
        """Queue *call*, for which nobody waits; False where ``submit`` would wait or raise.

        *ended* is called once with the future, done, from another thread and
        in bounded time. It must neither wait nor raise.
        """

    def wait(self, future: Future[T]) -> T:
        """Return the result, or raise what the call raised.

        Raises:
            DeviceSlowError: the call ran past its limit; it may still be
                running and use the buffers given to it.
        """

    def spaces(self) -> Sequence[DiskSpace]:
        """Return what placement may know of every disk that is present."""

    def readable(self, disk_id: DiskId) -> bool:
        """Return whether asking the disk makes sense now."""

    def report_failure(self, disk_id: DiskId, error: DeviceError) -> None:
        """Hear that a call on the disk failed. Must not block."""

    def report_corruption(
        self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict
    ) -> None:
        """Hear that a fragment is not what the record says. Must not block.

        The record used may be an older one: compare before filing work.
        """
