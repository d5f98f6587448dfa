"""Calls of a disk that return after everybody gave them up: they change nothing that counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

import pytest

from engine.device.calls import FileSystemCalls
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.lanes import DiskLanes, Lane
from engine.device.protocol import Buffer, Device, JournalEntry
from engine.errors import DeviceSlowError, NameAbsentError
from engine.ids import Epoch, Generation
from engine.metadata.containers import store_checkpoint
from engine.pool.devices import DiskOpener
from engine.pool.joining import undo_disk
from engine.units import KIB, MIB
from tests.e2e.harness import wait_for

BRIEF_S: Final = 0.05
LONG_S: Final = 10.0
EPOCH: Final = Epoch(1)
NAME: Final = "fragments/0/1.1.0"
CHECKPOINT: Final = "checkpoints/0000000000000005.0000000000000001"

T = TypeVar("T")


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

    def pass_gate(self, step: str) -> None:
        """Wait at the gate if *step* is the one that is held."""
        if self.held == step:
            self.held = ""
            self.waiting.set()
            self.gate.wait(LONG_S)

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        self.pass_gate("write")
        super().write(descriptor, parts, offset)

    def fdatasync(self, descriptor: int) -> None:
        self.pass_gate("fdatasync")
        super().fdatasync(descriptor)

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        self.pass_gate("rename")
        super().rename_new(source, name, target, new_name)

    def rename_over(self, source: int, name: str, target: int, new_name: str) -> None:
        self.pass_gate("rename")
        super().rename_over(source, name, target, new_name)

    def unlink(self, folder: int, name: str) -> None:
        self.pass_gate("unlink")
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

    def run(self, call: Callable[[Device], T]) -> T:
        """Run *call* in a lane and wait for it."""
        return self.lanes.wait(self.lanes.submit(Lane.FOREGROUND, call), LONG_S)

    def is_done(self, call: Callable[[Device], object]) -> bool:
        """Run *call*; return whether it is done, or was given up because it waits."""
        try:
            self.lanes.wait(self.lanes.submit(Lane.FOREGROUND, call), BRIEF_S)
        except DeviceSlowError:
            return False
        return True

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


def test_a_late_label_does_not_come_to_lie_over_a_newer_one(disk: LateDisk) -> None:
    disk.run(lambda device: device.set_label(b"first"))
    late = disk.abandon_at("rename", lambda device: device.set_label(b"late"))
    is_told = disk.is_done(lambda device: device.set_label(b"newer"))

    disk.let_go(late)

    found = disk.run(lambda device: device.get_label())
    assert found == b"newer" if is_told else found in (b"late", b"newer")
    disk.run(lambda device: device.set_label(b"newer"))
    assert disk.run(lambda device: device.get_label()) == b"newer"


def test_a_name_that_is_set_aside_late_is_not_one_that_was_written_anew(disk: LateDisk) -> None:
    good = memoryview(b"whole" * 1000)
    disk.device.put(CHECKPOINT, [b"rotten"])
    late = disk.abandon_at("rename", lambda device: store_checkpoint(device, CHECKPOINT, good))
    is_stored = disk.is_done(lambda device: store_checkpoint(device, CHECKPOINT, good))

    disk.let_go(late)

    if not is_stored:
        disk.run(lambda device: store_checkpoint(device, CHECKPOINT, good))
    assert disk.device.get(CHECKPOINT, offset=0, length=MIB) == good
    assert [one.read_bytes() for one in (disk.folder / "quarantine").iterdir()] == [b"rotten"]


@pytest.mark.parametrize("step", ["delete", "set_aside"])
def test_work_that_was_given_up_between_two_steps_removes_nothing_more(
    disk: LateDisk, step: str
) -> None:
    newer = "fragments/0/1.2.0"
    disk.device.put(NAME, [b"one"])
    disk.device.put(newer, [b"two"])

    def remove_both(device: Device) -> None:
        device.delete(NAME)
        getattr(device, step)(newer)

    disk.let_go(disk.abandon_at("unlink", remove_both))

    assert bytes(disk.device.get(newer, offset=0, length=KIB)) == b"two"


def test_a_read_that_returns_late_reaches_no_other_reader(
    disk: LateDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, late_bytes, wanted = "fragments/0/2.1.0", bytes(MIB), bytes(range(256)) * 4096
    disk.device.put(NAME, [late_bytes])
    disk.device.put(other, [wanted])
    read = os.preadv

    def read_at_gate(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        disk.calls.pass_gate("read")
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", read_at_gate)
    assert disk.device.direct_io, "small reads share no buffers"
    late = disk.abandon_at("read", lambda device: device.get(NAME, offset=0, length=MIB))
    meanwhile = [disk.run(lambda device: device.get(other, offset=0, length=MIB)) for _ in range(3)]

    disk.let_go(late)

    assert all(found == wanted for found in meanwhile)
    assert disk.run(lambda device: device.get(other, offset=0, length=MIB)) == wanted


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


def test_a_directory_that_was_labelled_late_is_what_it_was_before_anybody_may_try_again(
    tmp_path: Path,
) -> None:
    path, opener = str(tmp_path), DiskOpener(open_s_max=BRIEF_S)
    answers, undoing, undone = threading.Event(), threading.Event(), threading.Event()

    def make_late() -> DirectoryDevice:
        answers.wait(LONG_S)
        prepare_disk(path)
        return DirectoryDevice.open(path)

    def undo_slowly(device: DirectoryDevice) -> None:
        undoing.set()
        undone.wait(LONG_S)
        undo_disk(path, device)

    with pytest.raises(DeviceSlowError, match="no answer within"):
        opener.ask(path, make_late, let_go=undo_slowly)
    answers.set()
    assert undoing.wait(LONG_S)
    with pytest.raises(DeviceSlowError, match="does not answer"):
        opener.ask(path, lambda: None)
    undone.set()

    wait_for("the path is free", lambda: _is_free(opener, path), limit_s=LONG_S)
    assert not list(tmp_path.iterdir())


def _is_free(opener: DiskOpener, path: str) -> bool:
    try:
        opener.ask(path, lambda: None)
    except DeviceSlowError:
        return False
    return True
