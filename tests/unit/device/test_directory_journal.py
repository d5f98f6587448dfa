"""Journal files on a real directory: torn tails, rot, failed appends, crashes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device import directory_journal, write_through
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.protocol import JournalGap
from engine.errors import DeviceFailedError, DeviceFullError, DeviceGoneError
from engine.format.journal import encode_frame
from engine.ids import Epoch, Generation
from engine.limits import BLOCK_BYTES, JOURNAL_FILE_BYTES
from engine.units import KIB
from tests.contracts.device import entry, journal, pattern, put_entries
from tests.unit.device.test_directory import BreakingDirectoryDevice

SMALL_FILE_BYTES = 64 * KIB


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    prepare_disk(str(tmp_path))
    return tmp_path


@pytest.fixture
def breaking(disk: Path) -> Iterator[BreakingDirectoryDevice]:
    device = BreakingDirectoryDevice.open(str(disk))
    yield device
    device.close()


def journal_files(disk: Path) -> list[str]:
    return sorted(one.name for one in (disk / "journal").iterdir())


def damage(disk: Path, name: str, offset: int, length: int = 1) -> None:
    with (disk / "journal" / name).open("r+b") as file:
        file.seek(offset)
        data = file.read(length)
        file.seek(offset)
        file.write(bytes(one ^ 0xA5 for one in data))


def three_frames(disk: Path) -> str:
    """Write generations 1 to 3, two blocks each; return the file's name."""
    device = DirectoryDevice.open(str(disk))
    put_entries(device, *(entry(one, pattern(6000, one)) for one in (1, 2, 3)))
    device.close()
    return f"{1:016x}.log"


def test_journal_files_are_preallocated_and_named_after_their_first_generation(
    disk: Path,
) -> None:
    name = three_frames(disk)

    assert journal_files(disk) == [name]
    assert (disk / "journal" / name).stat().st_size == JOURNAL_FILE_BYTES


def test_the_frames_on_disk_are_those_of_the_format(disk: Path) -> None:
    name = three_frames(disk)

    expected = b"".join(
        encode_frame(Generation(one), Epoch(1), pattern(6000, one)) for one in (1, 2, 3)
    )
    data = (disk / "journal" / name).read_bytes()
    assert data[: len(expected)] == expected
    assert not data[len(expected) :].strip(b"\0")


@pytest.mark.parametrize("known", [True, False])
def test_every_append_is_flushed_before_it_returns(
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: bool,  # noqa: FBT001 - a parameter
) -> None:
    # The kernel is asked as ever; only what it is asked is noted.
    device = DirectoryDevice.open(str(disk))
    steps: list[str] = []
    write, flush = os.pwritev, os.fdatasync

    def noted_write(descriptor: int, parts: list[memoryview], offset: int, flags: int = 0) -> int:
        steps.append("write and flush" if flags & os.RWF_DSYNC else "write")
        return write(descriptor, parts, offset, flags)

    def noted_flush(descriptor: int) -> None:
        steps.append("flush")
        flush(descriptor)

    monkeypatch.setattr(os, "pwritev", noted_write)
    monkeypatch.setattr(os, "fdatasync", noted_flush)
    with (disk / "file").open("wb") as file:
        kind = write_through.kind_of(file.fileno())
    kinds = frozenset({kind}) if known else frozenset()
    monkeypatch.setattr(write_through, "FLUSHING_KINDS", kinds)

    put_entries(device, *(entry(one, pattern(6000, one)) for one in (1, 2, 3)))
    device.close()

    assert steps == (["write and flush"] if known else ["write", "flush"]) * 3


def test_a_journal_that_is_open_takes_nothing_once_its_disk_was_removed(disk: Path) -> None:
    device = DirectoryDevice.open(str(disk))
    put_entries(device, entry(1, b"first"))

    shutil.rmtree(disk)

    with pytest.raises(DeviceGoneError):
        put_entries(device, entry(2, b"second"))
    device.close()


def test_appends_go_on_in_the_same_file_after_a_restart(disk: Path) -> None:
    name = three_frames(disk)
    device = DirectoryDevice.open(str(disk))

    put_entries(device, entry(4, b"four"))

    assert journal_files(disk) == [name]
    assert [one.generation for one in device.journal_list(Generation(0))] == [1, 2, 3, 4]  # type: ignore[union-attr]
    device.close()


@pytest.mark.parametrize("cut", range(0, 2 * BLOCK_BYTES, 64))
def test_a_tail_torn_anywhere_ends_the_journal_and_is_overwritten(disk: Path, cut: int) -> None:
    # The file stays short, so that many cuts are quick: a torn write whose
    # length reached the disk looks the same with zeros behind.
    frames = [encode_frame(Generation(one), Epoch(1), pattern(6000, one)) for one in (1, 2, 3)]
    path = disk / "journal" / f"{1:016x}.log"
    path.write_bytes(frames[0] + frames[1] + frames[2][:cut] + bytes(2 * BLOCK_BYTES - cut))
    device = DirectoryDevice.open(str(disk))
    whole = [entry(1, pattern(6000, 1)), entry(2, pattern(6000, 2))]
    if cut >= 64 + 6000:
        whole.append(entry(3, pattern(6000, 3)))

    assert journal(device) == whole
    put_entries(device, *whole, entry(3, pattern(6000, 3)), entry(4, b"small"))
    after = [*whole[:2], entry(3, pattern(6000, 3)), entry(4, b"small")]
    assert journal(device) == after
    device.close()

    device = DirectoryDevice.open(str(disk))
    assert journal(device) == after
    device.close()
    assert journal_files(disk) == [path.name]


def test_what_a_torn_frame_left_can_never_pass_for_a_frame(disk: Path) -> None:
    # A torn record whose payload holds a whole frame of generation 9: a short
    # frame written over its beginning would leave that one standing. The new
    # frame is too large to have zeros written ahead of its successor.
    inner = encode_frame(Generation(9), Epoch(1), b"not a record of this journal")
    payload = bytes(30 * BLOCK_BYTES - 64) + inner + pattern(BLOCK_BYTES)
    torn = encode_frame(Generation(2), Epoch(1), payload)
    first = encode_frame(Generation(1), Epoch(1), b"one")
    (disk / "journal" / f"{1:016x}.log").write_bytes(first + torn[:-BLOCK_BYTES])
    device = DirectoryDevice.open(str(disk))

    put_entries(device, entry(2, pattern(66_000)))
    device.close()

    device = DirectoryDevice.open(str(disk))
    assert journal(device) == [entry(1, b"one"), entry(2, pattern(66_000))]
    device.close()


@pytest.mark.parametrize("offset", [0, 20, 63, 64, 6063])
def test_rot_in_the_middle_is_a_gap_between_its_neighbours(disk: Path, offset: int) -> None:
    damage(disk, three_frames(disk), 2 * BLOCK_BYTES + offset)
    device = DirectoryDevice.open(str(disk))

    assert journal(device) == [
        entry(1, pattern(6000, 1)),
        JournalGap(Generation(1)),
        entry(3, pattern(6000, 3)),
    ]
    assert journal(device, 3) == [entry(3, pattern(6000, 3))]
    device.close()


def test_rot_of_the_first_frame_is_a_gap_too_and_can_be_filled_again(disk: Path) -> None:
    damage(disk, three_frames(disk), 100)
    device = DirectoryDevice.open(str(disk))
    assert journal(device)[0] == JournalGap(Generation(0))

    put_entries(device, entry(1, pattern(6000, 1)))

    assert journal(device) == [entry(one, pattern(6000, one)) for one in (1, 2, 3)]
    device.close()


def test_rot_at_the_end_of_a_file_is_a_gap_when_another_file_follows(disk: Path) -> None:
    device = DirectoryDevice.open(str(disk))
    put_entries(device, *(entry(one, pattern(7 << 20, one)) for one in (1, 2, 3)))
    device.close()
    assert len(journal_files(disk)) == 2
    damage(disk, f"{1:016x}.log", (7 << 20) + 3 * BLOCK_BYTES)
    device = DirectoryDevice.open(str(disk))

    assert journal(device) == [
        entry(1, pattern(7 << 20, 1)),
        JournalGap(Generation(1)),
        entry(3, pattern(7 << 20, 3)),
    ]
    device.close()


@pytest.mark.parametrize("step", ["write", "fdatasync"])
def test_after_a_failed_append_the_next_goes_to_a_new_file(
    breaking: BreakingDirectoryDevice, disk: Path, step: str
) -> None:
    put_entries(breaking, entry(1, b"one"))
    breaking.calls.failing_step = step
    with pytest.raises(DeviceFailedError):
        put_entries(breaking, entry(2, b"two"))
    assert journal(breaking) == [entry(1, b"one")]
    breaking.calls.failing_step = ""

    put_entries(breaking, entry(2, b"two"), entry(3, b"three"))

    expected = [entry(1, b"one"), entry(2, b"two"), entry(3, b"three")]
    assert journal(breaking) == expected
    assert journal_files(disk) == [f"{1:016x}.log", f"{2:016x}.log"]
    breaking.close()
    again = DirectoryDevice.open(str(disk))
    assert journal(again) == expected
    again.close()


def test_a_disk_that_refuses_every_append_does_not_fill_with_files(
    breaking: BreakingDirectoryDevice, disk: Path
) -> None:
    breaking.calls.failing_step = "fdatasync"
    for _ in range(3):
        with pytest.raises(DeviceFailedError):
            put_entries(breaking, entry(1, b"one"))
    breaking.calls.failing_step, breaking.calls.code = "preallocate", errno.ENOSPC
    with pytest.raises(DeviceFullError):
        put_entries(breaking, entry(1, b"one"))

    assert journal_files(disk) == []


def test_an_unacknowledged_frame_gives_way_to_the_newer_epoch(
    breaking: BreakingDirectoryDevice, disk: Path
) -> None:
    put_entries(breaking, entry(1, b"one"))
    breaking.calls.failing_step = "fdatasync"
    with pytest.raises(DeviceFailedError):
        put_entries(breaking, entry(2, b"never acknowledged"))
    breaking.calls.failing_step = ""
    breaking.journal_set_aside(Generation(2))
    put_entries(breaking, entry(2, b"new", epoch=2))
    breaking.close()

    again = DirectoryDevice.open(str(disk))
    assert journal(again) == [entry(1, b"one"), entry(2, b"new", epoch=2)]
    again.close()


def test_what_is_set_aside_is_kept_whole_in_a_stale_file(disk: Path) -> None:
    name = three_frames(disk)
    device = DirectoryDevice.open(str(disk))

    assert device.journal_set_aside(Generation(2)) == 2

    assert journal_files(disk) == [name, "stale-1-2.log"]
    assert (disk / "journal" / "stale-1-2.log").read_bytes() == b"".join(
        encode_frame(Generation(one), Epoch(1), pattern(6000, one)) for one in (2, 3)
    )
    put_entries(device, entry(2, b"new", epoch=2))
    expected = [entry(1, pattern(6000, 1)), entry(2, b"new", epoch=2)]
    assert journal(device) == expected
    device.close()
    device = DirectoryDevice.open(str(disk))
    assert journal(device) == expected
    device.close()


def test_the_two_newest_of_what_was_set_aside_are_kept(disk: Path) -> None:
    folder = disk / "journal"
    device = DirectoryDevice.open(str(disk))
    (folder / "stale-notes.txt").write_bytes(b"mine")
    for generation in (9, 8, 7, 6):
        put_entries(device, entry(generation, b"never acknowledged"))
        device.journal_set_aside(Generation(generation))
        for age, kept in enumerate(sorted(folder.glob("stale-1-*")), start=1):
            # As if a day lay between; the newest has the lowest generation here.
            os.utime(kept, ns=(0, -age * 10**9 + 10**12))

    assert journal_files(disk) == ["stale-1-6.log", "stale-1-7.log", "stale-notes.txt"]
    assert device.journal_set_aside(Generation(1)) == 0
    device.close()


def test_setting_aside_that_breaks_off_leaves_a_beginning(
    breaking: BreakingDirectoryDevice, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_journal, "JOURNAL_FILE_BYTES", SMALL_FILE_BYTES)
    entries = [entry(one, pattern(SMALL_FILE_BYTES // 2, one)) for one in range(1, 6)]
    put_entries(breaking, *entries)
    assert len(journal_files(disk)) == 5
    breaking.calls.failing_step = "second unlink"

    with pytest.raises(DeviceFailedError):
        breaking.journal_set_aside(Generation(2))

    breaking.close()
    again = DirectoryDevice.open(str(disk))
    left = journal(again)
    assert left == entries[: len(left)]
    assert len(left) == 4
    again.close()


def test_trim_removes_only_files_wholly_below(disk: Path) -> None:
    device = DirectoryDevice.open(str(disk))
    put_entries(device, *(entry(one, pattern(7 << 20, one)) for one in range(1, 6)))
    before = journal_files(disk)
    assert len(before) == 3

    device.journal_trim(Generation(4))
    assert journal_files(disk) == before[1:]
    device.journal_trim(Generation(5))
    assert journal_files(disk) == before[2:]
    device.journal_trim(Generation(6))
    assert journal_files(disk) == []
    put_entries(device, entry(6, b"six"))
    assert journal(device) == [entry(6, b"six")]
    device.close()


def test_a_file_trimmed_while_it_is_listed_is_skipped(disk: Path) -> None:
    device = DirectoryDevice.open(str(disk))
    put_entries(device, *(entry(one, pattern(9 << 20, one)) for one in (1, 2, 3)))
    listing = device.journal_list(Generation(1))
    assert next(listing) == entry(1, pattern(9 << 20, 1))

    device.journal_trim(Generation(3))

    assert list(listing) == [entry(3, pattern(9 << 20, 3))]
    device.close()


def test_foreign_files_in_the_journal_folder_are_left_alone(disk: Path) -> None:
    (disk / "journal" / "notes.txt").write_bytes(b"mine")
    three_frames(disk)
    device = DirectoryDevice.open(str(disk))

    device.journal_trim(Generation(99))

    assert os.listdir(disk / "journal") == ["notes.txt"]
    device.close()
