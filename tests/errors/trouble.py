"""Directory disks whose n-th call goes wrong, at the seam below the engine.

What changes a disk goes wrong in ``TroubledCalls``, as the kernel would answer;
what reads it, in ``TroubledDevice``. One plan counts the calls of all disks.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import pytest

from engine.device.calls import FileSystemCalls
from engine.device.directory import DirectoryDevice
from engine.device.errors_map import device_error
from engine.device.protocol import Buffer, Capacity, JournalEntry, JournalGap, StoredName
from engine.ids import Generation
from engine.pool import devices, importing

HANG_S_MAX: Final = 20.0
"""A hang that nobody ends ends itself, so that a failing test leaves no thread."""


class Kind(Enum):
    """What goes wrong."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EROFS = errno.EROFS
    TORN = "half of a write, then an error"
    SHORT = "half of what a read asked for"
    HANG = "no answer until the plan is calmed"

    def fits(self, step: str) -> bool:
        """Whether a call of the kind *step* can go wrong like this."""
        match self:
            case Kind.TORN:
                return step == "write"
            case Kind.SHORT:
                return step == "get"
            case Kind.ENOSPC | Kind.EROFS:
                return step in CHANGES
            case _:
                return True


class Lasting(Enum):
    """Whether only the n-th call goes wrong, or all from it on."""

    ONCE = "once"
    STAYS = "stays"


CHANGES: Final = frozenset(
    {"create", "preallocate", "write", "truncate", "fdatasync", "fsync_folder"}
    | {"make_folder", "rename_new", "rename_over", "unlink"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The *nth* fitting call, from 1, on disk *disk* (its folder's name; "" is any)."""

    kind: Kind
    nth: int
    lasting: Lasting
    disk: str = ""


class TroublePlan:
    """Decides for each call whether it goes wrong. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trouble: Trouble | None = None
        self._seen = 0
        self._gate = threading.Event()
        self.met: list[str] = []
        """The calls that went wrong, as ``disk step``."""

    def arm(self, trouble: Trouble) -> None:
        """Let *trouble* happen; its calls are counted from now on."""
        with self._lock:
            self._trouble, self._seen, self.met = trouble, 0, []
            self._gate.clear()

    def calm(self) -> None:
        """End the trouble; calls that hang go on."""
        with self._lock:
            self._trouble = None
        self._gate.set()

    def meet(self, disk: str, step: str) -> Kind | None:
        """Return what happens to a call; one that hangs has hung when this returns."""
        with self._lock:
            trouble = self._trouble
            if trouble is None or trouble.disk not in ("", disk) or not trouble.kind.fits(step):
                return None
            self._seen += 1
            is_due = self._seen == trouble.nth or (
                trouble.lasting is Lasting.STAYS and self._seen > trouble.nth
            )
            if not is_due:
                return None
            self.met.append(f"{disk} {step}")
        if trouble.kind is Kind.HANG:
            self._gate.wait(HANG_S_MAX)
            return None
        return trouble.kind

    def raise_if_due(self, disk: str, step: str) -> Kind | None:
        """Raise the ``OSError`` of a call that fails; return what else happens to it."""
        kind = self.meet(disk, step)
        if kind is not None and isinstance(kind.value, int):
            raise OSError(kind.value, os.strerror(kind.value))
        return kind


class TroubledCalls(FileSystemCalls):
    """The kernel's steps, some of which go wrong."""

    def __init__(self, plan: TroublePlan) -> None:
        self._plan = plan
        self.disk = ""

    def create(self, folder: int, name: str, flags: int) -> int:
        self._plan.raise_if_due(self.disk, "create")
        return super().create(folder, name, flags)

    def preallocate(self, descriptor: int, length_bytes: int) -> None:
        self._plan.raise_if_due(self.disk, "preallocate")
        super().preallocate(descriptor, length_bytes)

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        if self._plan.raise_if_due(self.disk, "write") is Kind.TORN:
            whole = b"".join(parts)
            # A block at a time: the descriptor may be open around the page cache.
            half = len(whole) // 2 // 4096 * 4096
            super().write(descriptor, [memoryview(part) for part in parts][:1], offset)
            super().truncate(descriptor, offset + half)
            raise OSError(errno.EIO, "torn")
        super().write(descriptor, parts, offset)

    def truncate(self, descriptor: int, length_bytes: int) -> None:
        self._plan.raise_if_due(self.disk, "truncate")
        super().truncate(descriptor, length_bytes)

    def fdatasync(self, descriptor: int) -> None:
        self._plan.raise_if_due(self.disk, "fdatasync")
        super().fdatasync(descriptor)

    def fsync_folder(self, folder: int) -> None:
        self._plan.raise_if_due(self.disk, "fsync_folder")
        super().fsync_folder(folder)

    def make_folder(self, folder: int, name: str) -> None:
        self._plan.raise_if_due(self.disk, "make_folder")
        super().make_folder(folder, name)

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        self._plan.raise_if_due(self.disk, "rename_new")
        super().rename_new(source, name, target, new_name)

    def rename_over(self, source: int, name: str, target: int, new_name: str) -> None:
        self._plan.raise_if_due(self.disk, "rename_over")
        super().rename_over(source, name, target, new_name)

    def unlink(self, folder: int, name: str) -> None:
        self._plan.raise_if_due(self.disk, "unlink")
        super().unlink(folder, name)


class TroubledDevice(DirectoryDevice):
    """A directory disk, some of whose reads go wrong too. ``plan`` is set by ``install``."""

    plan: TroublePlan
    _calls: TroubledCalls

    def _started(self, root: int) -> None:
        self._calls.disk = os.path.basename(self.path)
        self._look("open")

    def _look(self, step: str) -> Kind | None:
        disk = self._calls.disk
        try:
            return self.plan.raise_if_due(disk, step)
        except OSError as error:
            raise device_error(error, f"{step} on {disk}") from error

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        kind = self._look("get")
        data = super().get(name, offset=offset, length=length)
        return data[: len(data) // 2] if kind is Kind.SHORT else data

    def stat(self, name: str) -> StoredName:
        self._look("stat")
        return super().stat(name)

    def list(self, prefix: str) -> Iterator[StoredName]:
        self._look("list")
        yield from super().list(prefix)

    def capacity(self) -> Capacity:
        self._look("capacity")
        return super().capacity()

    def check_presence(self) -> None:
        self._look("check_presence")
        super().check_presence()

    def get_label(self) -> bytes:
        self._look("get_label")
        return super().get_label()

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        self._look("journal_list")
        yield from super().journal_list(start)


def install(monkeypatch: pytest.MonkeyPatch) -> TroublePlan:
    """Have every disk of a pool opened from now on follow the plan that is returned."""
    plan = TroublePlan()

    class PlannedDevice(TroubledDevice):
        @staticmethod
        def _make_calls() -> TroubledCalls:
            return TroubledCalls(plan)

    PlannedDevice.plan = plan
    # The two seams where directories become devices.
    monkeypatch.setattr(devices, "DirectoryDevice", PlannedDevice)
    monkeypatch.setattr(importing, "DirectoryDevice", PlannedDevice)
    return plan
