"""Calls of a disk that return after everybody gave them up: they change nothing that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

import pytest

from engine.device.calls import FileSystemCalls
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.lanes import DiskLanes, Lane
from engine.device.protocol import Buffer, Device, JournalEntry
from engine.errors import DeviceSlowError, NameAbsentError
from engine.ids import Epoch, Generation
from engine.units import KIB, MIB

BRIEF_S: Final = 0.05
LONG_S: Final = 10.0
EPOCH: Final = Epoch(1)
NAME: Final = "fragments/0/1.1.0"


class _GatedCalls(FileSystemCalls):
    """The kernel's steps; the one that is named waits at a gate before it is taken."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Event()
        self.held = ""

    def hold(self, step: str) -> None:
        """Have the next *step* wait."""
        self.gate.clear()
        self.waiting.clear()
        self.held = step

    def _pass(self, step: str) -> None:
        if self.held == step:
            self.held = ""
            self.waiting.set()
            self.gate.wait(LONG_S)

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        self._pass("write")
        super().write(descriptor, parts, offset)

    def fdatasync(self, descriptor: int) -> None:
        self._pass("fdatasync")
        super().fdatasync(descriptor)

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        self._pass("rename")
        super().rename_new(source, name, target, new_name)

    def unlink(self, folder: int, name: str) -> None:
        self._pass("unlink")
        super().unlink(folder, name)


class LateDisk:
    """A directory disk behind lanes, one of whose steps can be held up."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        prepare_disk(str(folder))
        calls = self.calls = _GatedCalls()

        class GatedDevice(DirectoryDevice):
            @staticmethod
            def _make_calls() -> FileSystemCalls:
                return calls

        self.folder = folder
        self.device = GatedDevice.open(str(folder))
        self.lanes = DiskLanes(self.device, on_slow=lambda: None)

    def abandon_at(self, step: str, call: Callable[[Device], object]) -> threading.Event:
        """Give *call* up while it is held at *step*; return what is set at its end."""
        self.calls.hold(step)
        future, ended = self._submit(call)
        assert self.calls.waiting.wait(LONG_S)
        self._give_up(future)
        return ended

    def abandon(self, call: Callable[[Device], object]) -> threading.Event:
        """Give *call* up wherever it is; return what is set at its end."""
        future, ended = self._submit(call)
        self._give_up(future)
        return ended

    def run(self, call: Callable[[Device], object]) -> None:
        """Run *call* in a lane and wait for it."""
        self.lanes.wait(self.lanes.submit(Lane.FOREGROUND, call), LONG_S)

    def _submit(self, call: Callable[[Device], object]) -> tuple[Future[None], threading.Event]:
        ended = threading.Event()

        def noted(device: Device) -> None:
            try:
                call(device)
            finally:
                ended.set()

        return self.lanes.submit(Lane.FOREGROUND, noted), ended

    def _give_up(self, future: Future[None]) -> None:
        with pytest.raises(DeviceSlowError):
            self.lanes.wait(future, BRIEF_S)

    def let_go(self, *ended: threading.Event) -> None:
        """Let what is held go on, and wait for the ends of calls."""
        self.calls.gate.set()
        for one in ended:
            assert one.wait(LONG_S)

    def journal(self) -> list[Generation]:
        """Return the generations a reader finds that knows nothing of this device."""
        self.lanes.close(LONG_S)
        self.device.close()
        device = DirectoryDevice.open(str(self.folder))
        try:
            found = list(device.journal_list(Generation(1)))
        finally:
            device.close()
        assert all(isinstance(one, JournalEntry) for one in found), "the journal has a hole"
        return [one.generation for one in found if isinstance(one, JournalEntry)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LateDisk]:
    made = LateDisk(tmp_path / "disk")
    try:
        yield made
    finally:
        made.calls.gate.set()
        made.lanes.close(LONG_S)
        made.device.close()


def _put_root(number: int) -> Callable[[Device], None]:
    return lambda device: device.journal_put(Generation(number), EPOCH, b"root %d" % number)


def _set_aside(number: int) -> Callable[[Device], int]:
    return lambda device: device.journal_set_aside(Generation(number))


@pytest.mark.parametrize("step", ["write", "fdatasync"])
def test_a_late_put_is_never_renamed(disk: LateDisk, step: str) -> None:
    late = disk.abandon_at(step, lambda device: device.put(NAME, [b"late" * 1000]))

    disk.let_go(late)

    with pytest.raises(NameAbsentError):
        disk.device.stat(NAME)
    assert not list((disk.folder / "tmp").iterdir()), "its temporary file stays"


def test_a_late_rename_shows_the_whole_fragment_or_none(disk: LateDisk) -> None:
    data = bytes(range(256)) * 64
    late = disk.abandon_at("rename", lambda device: device.put(NAME, [data]))
    with pytest.raises(NameAbsentError):
        disk.device.stat(NAME)

    disk.let_go(late)

    assert bytes(disk.device.get(NAME, offset=0, length=MIB)) == data


def test_a_late_delete_leaves_what_has_another_layout(disk: LateDisk) -> None:
    newer = "fragments/0/1.2.0"
    disk.device.put(NAME, [b"old"])
    late = disk.abandon_at("unlink", lambda device: device.delete(NAME))
    disk.device.put(newer, [b"rebuilt"])

    disk.let_go(late)

    assert bytes(disk.device.get(newer, offset=0, length=KIB)) == b"rebuilt"
    with pytest.raises(NameAbsentError):
        disk.device.stat(NAME)


def test_a_late_append_is_no_hole_when_its_root_is_sent_again(disk: LateDisk) -> None:
    disk.run(_put_root(1))
    late = disk.abandon_at("fdatasync", _put_root(2))

    disk.let_go(late)

    disk.run(_set_aside(2))
    disk.run(_put_root(2))
    disk.run(_put_root(3))
    assert disk.journal() == [1, 2, 3]


def test_setting_aside_late_takes_nothing_that_was_sent_again(disk: LateDisk) -> None:
    disk.run(_put_root(1))
    late = disk.abandon_at("fdatasync", _put_root(2))
    # It waits behind the append that hangs, and is given up there.
    aside = disk.abandon(_set_aside(1))

    disk.let_go(late, aside)

    assert not list(disk.folder.glob("journal/stale-*")), "roots that count were taken away"
    disk.run(_put_root(2))
    assert disk.journal() == [1, 2]


def test_an_append_that_was_given_up_while_it_waited_is_not_made(disk: LateDisk) -> None:
    disk.run(_put_root(1))
    late = disk.abandon_at("fdatasync", _put_root(2))
    waiting = disk.abandon(_put_root(3))

    disk.let_go(late, waiting)

    assert disk.journal() == [1, 2]


def test_a_trim_that_was_given_up_while_it_waited_drops_nothing(disk: LateDisk) -> None:
    disk.run(_put_root(1))
    late = disk.abandon_at("fdatasync", _put_root(2))
    trim = disk.abandon(lambda device: device.journal_trim(Generation(100)))

    disk.let_go(late, trim)

    assert disk.journal() == [1, 2]
