"""Verification that tells only its caller what it finds.

Readers report corruption so that it is mended. A scrub without repair must
not, and damage is looked at twice before it is believed: both read through
``QuietDisks``, with caches of their own, so nothing proven earlier counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from engine.clock import Clock
from engine.codec.kernel import Kernel
from engine.device.lanes import Lane
from engine.device.protocol import Device
from engine.errors import DeviceError
from engine.extents.disks import DiskSource
from engine.extents.fragments import FragmentReader
from engine.extents.tables import PageTableCache, SourceMeter
from engine.extents.verdict import Verdict
from engine.extents.verify import ExtentVerifier
from engine.ids import DiskId, ExtentId
from engine.policy.placement import DiskSpace

T = TypeVar("T")

TABLES_MAX: Final = 256
"""Page tables of the extent in hand; it has at most as many fragments."""


class QuietDisks:
    """A ``DiskSource`` that keeps findings to itself."""

    def __init__(self, disks: DiskSource) -> None:
        self._disks: Final = disks

    def submit(self, disk_id: DiskId, lane: Lane, call: Callable[[Device], T]) -> Future[T]:
        return self._disks.submit(disk_id, lane, call)

    def try_submit(
        self,
        disk_id: DiskId,
        lane: Lane,
        call: Callable[[Device], T],
        ended: Callable[[Future[T]], None],
    ) -> bool:
        return self._disks.try_submit(disk_id, lane, call, ended)

    def wait(self, future: Future[T]) -> T:
        return self._disks.wait(future)

    def spaces(self) -> Sequence[DiskSpace]:
        return self._disks.spaces()

    def readable(self, disk_id: DiskId) -> bool:
        return self._disks.readable(disk_id)

    def report_failure(self, disk_id: DiskId, error: DeviceError) -> None:
        self._disks.report_failure(disk_id, error)

    def report_corruption(
        self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict
    ) -> None:
        """Say nothing: whoever verifies gets the verdict."""


def quiet_verifier(clock: Clock, disks: DiskSource, *, kernel: Kernel) -> ExtentVerifier:
    """Return a verifier over *disks* that reports to nobody."""
    quiet = QuietDisks(disks)
    tables = PageTableCache(tables_max=TABLES_MAX)
    return ExtentVerifier(quiet, FragmentReader(quiet, tables, SourceMeter(clock)), kernel=kernel)
