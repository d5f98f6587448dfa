"""Open the directories of a pool's disks, and say plainly why one is not there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from engine.device.directory import DirectoryDevice
from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, DeviceSlowError, PoolError
from engine.format.label import decode_label
from engine.ids import DiskUuid, PoolUuid
from engine.limits import DEVICE_CALL_S_MAX


@dataclass(frozen=True, slots=True)
class OpenedDisk:
    """A device, or the reason why there is none."""

    device: Device | None
    reason: str


def open_disk(path: str, *, pool: PoolUuid, disk: DiskUuid) -> DirectoryDevice:
    """Open the disk *disk* of *pool* at *path*, and no other; DeviceError says why not."""

    def is_meant(data: bytes) -> bool:
        try:
            label = decode_label(data)
        except DamagedRecordError:
            return False
        return label.pool_uuid == pool and label.disk_uuid == disk and not label.retired

    return DirectoryDevice.open(path, is_meant)


class DiskOpener:
    """Opens disks in bounded time: a path below a mount that hangs stops nobody.

    An open that takes too long stays behind in its thread, one for each path,
    and what it brings late is closed again. Thread-safe.
    """

    def __init__(self, *, open_s_max: float = DEVICE_CALL_S_MAX) -> None:
        """*open_s_max* is how many seconds an open may take."""
        self._open_s_max = open_s_max
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[DirectoryDevice]] = {}

    def open_member(self, path: str, *, pool: PoolUuid, disk: DiskUuid) -> OpenedDisk:
        """Open the disk *disk* of *pool* at *path*, and no other, as ``open_disk``."""
        try:
            device = self.open(path, lambda: open_disk(path, pool=pool, disk=disk))
        except DeviceError as error:
            return OpenedDisk(None, str(error).removeprefix(f"{path}: "))
        return OpenedDisk(device, "")

    def open(self, path: str, opening: Callable[[], DirectoryDevice]) -> DirectoryDevice:
        """Return what *opening* does for the disk at *path*.

        Raises:
            DeviceSlowError: it did not end in time, or an earlier one has not yet.
            DeviceError: as *opening* says.
        """
        future: Future[DirectoryDevice] = Future()
        with self._lock:
            if path in self._under_way:
                raise DeviceSlowError(f"{path}: does not answer")
            self._under_way[path] = future
        thread = threading.Thread(
            target=self._run, args=(path, opening, future), name="disk-open", daemon=True
        )
        thread.start()
        try:
            return future.result(self._open_s_max)
        except TimeoutError as error:
            with self._lock:
                if not future.cancel():
                    return future.result()  # It came in this very moment.
            raise DeviceSlowError(f"{path}: no answer within {self._open_s_max:g} s") from error

    def _run(
        self, path: str, opening: Callable[[], DirectoryDevice], future: Future[DirectoryDevice]
    ) -> None:
        device: DirectoryDevice | None = None
        failure: BaseException | None = None
        try:
            device = opening()
        except BaseException as error:  # whatever it is, it belongs to who waits
            failure = error
        with self._lock:
            del self._under_way[path]
            is_wanted = not future.cancelled()
            if is_wanted and device is not None:
                future.set_result(device)
            elif is_wanted:
                future.set_exception(failure)
        if not is_wanted and device is not None:
            device.close()


def require_directory(path: str) -> str:
    """Return the real path of an existing directory; PoolError with one sentence."""
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        raise PoolError(f"{path} is no directory: mount the disk there, or make it, first")
    return real


def shared_devices(paths: list[str]) -> list[str]:
    """Return a warning for each device that more than one of *paths* lies on."""
    by_device: dict[int, list[str]] = {}
    for path in paths:
        by_device.setdefault(os.stat(path).st_dev, []).append(path)
    return [
        f"warning: {', '.join(together)} lie on one device; if it fails, all of them fail"
        for together in by_device.values()
        if len(together) > 1
    ]
