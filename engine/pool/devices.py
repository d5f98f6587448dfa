"""Open the directories of a pool's disks, and say plainly why one is not there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from engine.device.directory import DirectoryDevice
from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, DeviceSlowError, PoolError
from engine.format.label import decode_label
from engine.ids import DiskUuid, PoolUuid
from engine.limits import DEVICE_CALL_S_MAX, DISKS_MAX
from engine.pool.config import DiskPath

_EVERY_PATH: Final = "the disks of the pool"
"""What a question about all paths is told apart by: it must not keep one of them busy."""

D = TypeVar("D")
T = TypeVar("T")


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

    A call that takes too long stays behind in its thread, one for each path,
    and what it brings late is let go again. Thread-safe.
    """

    def __init__(self, *, open_s_max: float = DEVICE_CALL_S_MAX) -> None:
        """*open_s_max* is how many seconds an open may take."""
        self._open_s_max = open_s_max
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def open_members(
        self, disks: Sequence[DiskPath], *, pool: PoolUuid
    ) -> dict[DiskUuid, OpenedDisk]:
        """Open *disks* of *pool*, all at once: however many hang, the wait is one."""
        opened: dict[DiskUuid, OpenedDisk] = {}

        def open_one(disk: DiskPath) -> None:
            opened[disk.uuid] = self.open_member(disk.path, pool=pool, disk=disk.uuid)

        try:
            at_once(disks, open_one, place=lambda disk: disk.path)
        except BaseException:
            for one in opened.values():
                if one.device is not None:
                    one.device.close()
            raise
        return opened

    def open_member(self, path: str, *, pool: PoolUuid, disk: DiskUuid) -> OpenedDisk:
        """Open the disk *disk* of *pool* at *path*, and no other, as ``open_disk``."""
        try:
            device = self.open(path, lambda: open_disk(path, pool=pool, disk=disk))
        except DeviceError as error:
            return OpenedDisk(None, str(error).removeprefix(f"{path}: "))
        return OpenedDisk(device, "")

    def open(self, path: str, opening: Callable[[], DirectoryDevice]) -> DirectoryDevice:
        """Return what *opening* does for the disk at *path*, as ``ask``."""
        return self.ask(path, opening, let_go=lambda late: late.close())

    def find_directory(self, path: str) -> str:
        """Return the real path of the directory *path*.

        Raises:
            PoolError: it is none.
            DeviceSlowError: as ``ask``.
        """
        return self.ask(path, lambda: require_directory(path))

    def find_shared(self, path: str, others: Sequence[str]) -> list[str]:
        """Return warnings of *others* on the device of *path*; none when one of them hangs."""
        with suppress(DeviceSlowError):
            warnings = self.ask(_EVERY_PATH, lambda: shared_devices([*others, path]))
            return [text for text in warnings if path in text]
        return []

    def ask(
        self, path: str, call: Callable[[], T], *, let_go: Callable[[T], object] = lambda late: None
    ) -> T:
        """Return what *call* does at *path*; *let_go* gets what it brings too late.

        Raises:
            DeviceSlowError: it did not end in time, or an earlier one has not yet.
            DeviceError: as *call* says.
        """
        future: Future[T] = Future()
        with self._lock:
            if path in self._under_way:
                raise DeviceSlowError(f"{path}: does not answer")
            self._under_way.add(path)
        thread = threading.Thread(
            target=self._run, args=(path, call, let_go, future), name="disk-open", daemon=True
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
        self,
        path: str,
        call: Callable[[], T],
        let_go: Callable[[T], object],
        future: Future[T],
    ) -> None:
        brought: list[T] = []
        failure: BaseException | None = None
        try:
            brought.append(call())
        except BaseException as error:  # whatever it is, it belongs to who waits
            failure = error
        with self._lock:
            if not future.cancelled():
                self._under_way.discard(path)
                if brought:
                    future.set_result(brought[0])
                else:
                    future.set_exception(failure)
                return
        try:
            for late in brought:
                let_go(late)
        finally:
            # Only now may the next one go there.
            with self._lock:
                self._under_way.discard(path)


def at_once(disks: Sequence[D], ask: Callable[[D], object], *, place: Callable[[D], str]) -> None:
    """Call *ask* for each of *disks*, side by side; those of one *place* one after another.

    Raises what the first of them raised, when all have ended.
    """
    by_place: dict[str, list[D]] = {}
    for disk in disks:
        by_place.setdefault(place(disk), []).append(disk)

    def ask_there(together: list[D]) -> None:
        for disk in together:
            ask(disk)

    count = max(1, min(len(by_place), DISKS_MAX))
    with ThreadPoolExecutor(count, thread_name_prefix="disk-ask") as threads:
        started = [threads.submit(ask_there, together) for together in by_place.values()]
    for one in started:
        one.result()


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
