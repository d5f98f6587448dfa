"""Open the directories of a pool's disks, and say plainly why one is not there."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.device.directory import DirectoryDevice
from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, PoolError
from engine.format.label import decode_label
from engine.ids import DiskUuid, PoolUuid


@dataclass(frozen=True, slots=True)
class OpenedDisk:
    """A device, or the reason why there is none."""

    device: Device | None
    reason: str


def open_disk(path: str, *, pool: PoolUuid, disk: DiskUuid) -> OpenedDisk:
    """Open the disk *disk* of *pool* at *path*, and no other."""

    def is_meant(data: bytes) -> bool:
        try:
            label = decode_label(data)
        except DamagedRecordError:
            return False
        return label.pool_uuid == pool and label.disk_uuid == disk

    try:
        return OpenedDisk(DirectoryDevice.open(path, is_meant), "")
    except DeviceError as error:
        return OpenedDisk(None, str(error).removeprefix(f"{path}: "))


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
