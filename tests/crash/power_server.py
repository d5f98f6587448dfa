"""Serves a pool whose disks forget what was not flushed, and loses power on command.

The child of ``test_power_cut``: ``python -m tests.crash.power_server POOL
MOUNTPOINT FLUSHES``. It says ``mounted`` when it serves. The line ``cut`` on its
input, or the input's end, cuts the power of every disk and ends the process
without any goodbye. FLUSHES names what the disks' flushes are worth: ``honest``
ones work, the others pretend from the mount on, which is how the tests prove
that they can fail.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from dynamicfs_tui.cli.engine_gateway import mount_name
from dynamicfs_tui.cli.gateway import Access, MountOptions
from dynamicfs_tui.service import Service
from engine.device.forgetful import ForgetfulCalls, ForgetfulDirectoryDevice
from engine.pool import devices

_serving: Final = threading.Event()
"""Set once mounted: opening needs flushes that work, or there is nothing to test."""


class _DeafToFiles(ForgetfulCalls):
    """Answers fdatasync at once and does nothing."""

    def fdatasync(self, descriptor: int) -> None:
        """Pretend."""
        if not _serving.is_set():
            super().fdatasync(descriptor)


class _DeafToFolders(ForgetfulCalls):
    """Answers fsync of a folder at once and does nothing."""

    def fsync_folder(self, folder: int) -> None:
        """Pretend."""
        if not _serving.is_set():
            super().fsync_folder(folder)


FLUSHES: Final[dict[str, type[ForgetfulCalls]]] = {
    "honest": ForgetfulCalls,
    "deaf-to-files": _DeafToFiles,
    "deaf-to-folders": _DeafToFolders,
}

_opened: Final[list[ForgetfulDirectoryDevice]] = []


def _device_class(flushes: str) -> type[ForgetfulDirectoryDevice]:
    """Return a device class that is noted when opened, with flushes of the kind asked for."""

    class NotedDevice(ForgetfulDirectoryDevice):
        @staticmethod
        def _make_calls() -> ForgetfulCalls:
            return FLUSHES[flushes]()

        @classmethod
        def open(cls, path: str, is_meant: Callable[[bytes], bool] | None = None) -> Self:
            device = super().open(path, is_meant)
            _opened.append(device)
            return device

    return NotedDevice


def _lose_power() -> None:
    """Cut every disk at nearly one moment; nobody is told."""
    cuts = [threading.Thread(target=device.lose_power) for device in _opened]
    for cut in cuts:
        cut.start()
    for cut in cuts:
        cut.join()
    os._exit(0)


def main() -> None:
    """Serve until the power goes."""
    pool_dir, mountpoint, flushes = sys.argv[1:]
    # The one seam where a pool's disks become devices.
    vars(devices)["DirectoryDevice"] = _device_class(flushes)
    options = MountOptions(mountpoint=Path(mountpoint), access=Access.READ_WRITE, shared=False)
    service = Service(Path(pool_dir), options, name=mount_name(Path(pool_dir)))
    assert service.mount is not None
    _serving.set()
    print("mounted", flush=True)
    sys.stdin.readline()
    _lose_power()


if __name__ == "__main__":
    main()
