"""The disks of an open pool as the journals see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from engine.device.lanes import Lane, wait_for
from engine.device.protocol import Device
from engine.errors import DeviceGoneError
from engine.ids import DiskUuid
from engine.model.disk import DiskState
from engine.pool.disk_set import DiskSet

T = TypeVar("T")


class JournalReach:
    """The same disks as the journals see them: by UUID (``JournalDisks``)."""

    def __init__(self, disks: DiskSet) -> None:
        self._disks = disks

    def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
        """Run *call* on the disk soon; DeviceGoneError when it is not there."""
        disk_id = self._disks.id_of(disk)
        if disk_id is None:
            raise DeviceGoneError(f"disk {disk} is no member")
        return self._disks.submit(disk_id, Lane.FOREGROUND, call)

    def wait(self, future: Future[T]) -> T:
        """Return the result; bounded."""
        return wait_for(future)

    def reachable(self) -> Sequence[DiskUuid]:
        """Return the disks that answer now and are not marked failed."""
        return [
            one.record.uuid
            for one in self._disks.presences()
            if one.present and one.record.state is not DiskState.FAILED
        ]
