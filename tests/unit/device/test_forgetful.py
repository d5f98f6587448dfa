"""Power cuts at every step of every change, on a real directory.

Each test runs a scenario again and again, cut one low-level step later each
time, until it completes; what is left must be old or new, never half.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.forgetful import ForgetfulCalls, ForgetfulDirectoryDevice
from engine.device.protocol import JournalEntry
from engine.errors import DeviceFailedError, DeviceGoneError, NameAbsentError
from engine.format.journal import FrameGap, iter_frames
from engine.ids import Generation
from tests.contracts.device import entry, journal, names, pattern, put_entries, read_all

NAME = "fragments/0/1.1.0"


class FusedCalls(ForgetfulCalls):
    """Cuts the power when ``steps_left`` steps were done; None means never."""

    steps_left: int | None = None

    def _check_power(self) -> None:
        if self.steps_left is not None:
            if self.steps_left == 0:
                self._powered = False
            self.steps_left -= 1
        super()._check_power()


class FusedDevice(ForgetfulDirectoryDevice):
    @staticmethod
    def _make_calls() -> FusedCalls:
        return FusedCalls()

    def blow_after(self, steps: int) -> None:
        assert isinstance(self._calls, FusedCalls)
        self._calls.steps_left = steps


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    prepare_disk(str(tmp_path))
    return tmp_path


def open_forgetful(disk: Path) -> ForgetfulDirectoryDevice:
    return ForgetfulDirectoryDevice.open(str(disk))


def open_plain(disk: Path) -> DirectoryDevice:
    return DirectoryDevice.open(str(disk))


def cut_at_every_step(
    tmp_path: Path,
    prepare: Callable[[DirectoryDevice], None],
    change: Callable[[DirectoryDevice], None],
    check: Callable[[DirectoryDevice, Path, bool], None],
) -> int:
    """Run *change* cut after 0, 1, 2, … steps; *check* hears if it returned.

    Returns after how many steps it completed.
    """
    for steps in range(200):
        disk = tmp_path / f"disk-{steps}"
        disk.mkdir()
        prepare_disk(str(disk))
        device = FusedDevice.open(str(disk))
        prepare(device)
        device.close()
        device = FusedDevice.open(str(disk))
        device.blow_after(steps)
        completed = True
        try:
            change(device)
        except DeviceGoneError:
            completed = False
        device.lose_power()
        after = open_plain(disk)
        check(after, disk, completed)
        after.close()
        if completed:
            return steps
    raise AssertionError("the change never completed")


def nothing(_: DirectoryDevice) -> None:
    """Nothing to prepare."""


def test_a_name_not_synced_vanishes_and_a_synced_one_stays(disk: Path) -> None:
    device = open_forgetful(disk)
    device.put(NAME, [pattern(5000)])
    device.sync([NAME])
    device.put("fragments/1/2.1.0", [b"x"])

    device.lose_power()

    again = open_plain(disk)
    assert names(again, "") == [NAME]
    assert read_all(again, NAME) == pattern(5000)
    assert not (disk / "fragments" / "1").exists()
    again.close()


def test_a_deletion_not_synced_comes_back(disk: Path) -> None:
    device = open_forgetful(disk)
    for name in ("fragments/0/a", "fragments/1/b"):
        device.put(name, [pattern(5000)])
        device.sync([name])
        device.delete(name)
    device.sync(["fragments/1/b"])

    device.lose_power()

    again = open_plain(disk)
    assert names(again, "") == ["fragments/0/a"]
    assert read_all(again, "fragments/0/a") == pattern(5000)
    again.close()


def test_after_the_power_went_no_step_is_done_any_more(disk: Path) -> None:
    device = open_forgetful(disk)
    device.lose_power()

    with pytest.raises(DeviceGoneError):
        device.put(NAME, [b"x"])


def test_a_clean_close_loses_nothing_and_leaves_no_trace(disk: Path) -> None:
    before = sorted(one.name for one in disk.iterdir())
    device = open_forgetful(disk)
    device.put(NAME, [b"x"])
    device.delete(NAME)
    device.put(NAME, [b"y"])

    device.close()

    again = open_plain(disk)
    assert read_all(again, NAME) == b"y"
    again.close()
    assert sorted(one.name for one in disk.iterdir()) == sorted([*before, "lock"])


def test_fragments_in_flight_and_done_leave_nothing_to_undo_after_sync(disk: Path) -> None:
    device = open_forgetful(disk)
    for one in range(20):
        device.put(f"fragments/0/{one}", [b"x"])
    device.sync([f"fragments/0/{one}" for one in range(20)])

    assert device.volatile_count == 0
    device.close()


def test_a_put_cut_anywhere_leaves_all_or_nothing(tmp_path: Path) -> None:
    def change(device: DirectoryDevice) -> None:
        device.put(NAME, [pattern(9000)])
        device.sync([NAME])

    def check(device: DirectoryDevice, disk: Path, completed: bool) -> None:  # noqa: FBT001
        assert list((disk / "tmp").iterdir()) == []
        if completed or names(device, "fragments"):
            assert read_all(device, NAME) == pattern(9000)
        else:
            with pytest.raises(NameAbsentError):
                device.stat(NAME)

    # create, preallocate, write, cut, flush, rename, and two folders at least.
    assert cut_at_every_step(tmp_path, nothing, change, check) >= 8


def test_a_label_cut_anywhere_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    def check(device: DirectoryDevice, _: Path, completed: bool) -> None:  # noqa: FBT001
        assert device.get_label() in ({b"new"} if completed else {b"the old one", b"new"})

    cut_at_every_step(
        tmp_path,
        lambda device: device.set_label(b"the old one"),
        lambda device: device.set_label(b"new"),
        check,
    )


@pytest.mark.parametrize("earlier", [0, 2])
def test_a_record_is_durable_when_journal_put_returns(tmp_path: Path, earlier: int) -> None:
    before = [entry(one, b"r%d" % one) for one in range(1, earlier + 1)]
    new = entry(earlier + 1, pattern(5000))

    def check(device: DirectoryDevice, _: Path, completed: bool) -> None:  # noqa: FBT001
        found = journal(device)
        assert found == [*before, new] or (found == before and not completed)
        put_entries(device, new, entry(earlier + 2, b"goes on"))
        assert journal(device) == [*before, new, entry(earlier + 2, b"goes on")]

    cut_at_every_step(
        tmp_path,
        lambda device: put_entries(device, *before),
        lambda device: put_entries(device, new),
        check,
    )


def stale_entries(disk: Path) -> list[JournalEntry]:
    found = []
    for path in (disk / "journal").glob("stale-*"):
        for reading in iter_frames(path.read_bytes()):
            assert not isinstance(reading, FrameGap)
            _, frame = reading
            found.append(JournalEntry(frame.generation, frame.epoch, bytes(frame.payload)))
    return found


def test_setting_the_journal_aside_cut_anywhere_loses_no_record(tmp_path: Path) -> None:
    # Two files: the first is cut in its middle, the second goes whole.
    old = [entry(one, pattern(4 << 20, one)) for one in range(1, 6)]

    def check(device: DirectoryDevice, disk: Path, completed: bool) -> None:  # noqa: FBT001
        found = journal(device)
        assert found == old[: len(found)]
        stale = stale_entries(disk)
        assert all(one in found or one in stale for one in old)
        if completed:
            assert found == old[:2]
        device.journal_set_aside(Generation(3))
        put_entries(device, entry(3, b"new", epoch=2))
        assert journal(device) == [*old[:2], entry(3, b"new", epoch=2)]

    cut_at_every_step(
        tmp_path,
        lambda device: put_entries(device, *old),
        lambda device: (device.journal_set_aside(Generation(3)), None)[1],
        check,
    )


def test_a_name_set_aside_is_here_or_there_whenever_the_power_goes(tmp_path: Path) -> None:
    def prepare(device: DirectoryDevice) -> None:
        device.put(NAME, [b"suspicious"])
        device.sync([NAME])

    def check(device: DirectoryDevice, _: Path, completed: bool) -> None:  # noqa: FBT001
        found = names(device, "")
        assert {read_all(device, name) for name in found} == {b"suspicious"}
        if completed:
            assert names(device, "fragments") == []

    cut_at_every_step(tmp_path, prepare, lambda device: device.set_aside(NAME), check)


def test_a_trim_cut_anywhere_keeps_what_is_at_or_above_the_bound(tmp_path: Path) -> None:
    old = [entry(one, pattern(9 << 20, one)) for one in range(1, 4)]

    def check(device: DirectoryDevice, _: Path, completed: bool) -> None:  # noqa: FBT001
        assert journal(device, 3) == old[2:]
        assert completed or journal(device)

    cut_at_every_step(
        tmp_path,
        lambda device: put_entries(device, *old),
        lambda device: device.journal_trim(Generation(3)),
        check,
    )


def test_a_flush_that_fails_once_leaves_the_record_out_after_the_power_went(disk: Path) -> None:
    class Refusing(FusedDevice):
        refusing = False

        @staticmethod
        def _make_calls() -> FusedCalls:
            return RefusingCalls()

    class RefusingCalls(FusedCalls):
        refuse = False

        def fdatasync(self, descriptor: int) -> None:
            if self.refuse:
                raise OSError(errno.EIO, "drill")
            super().fdatasync(descriptor)

    device = Refusing.open(str(disk))
    put_entries(device, entry(1, b"one"))
    calls = device._calls
    assert isinstance(calls, RefusingCalls)
    calls.refuse = True
    with pytest.raises(DeviceFailedError):
        put_entries(device, entry(2, b"two"))
    calls.refuse = False
    put_entries(device, entry(2, b"two"))

    device.lose_power()

    again = open_plain(disk)
    assert journal(again) == [entry(1, b"one"), entry(2, b"two")]
    again.close()
