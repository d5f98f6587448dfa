"""What only a directory can show: O_DIRECT, locks, crashes, a path that moves."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.addresses import address_of
from engine.device.abandonment import set_current_call
from engine.device.calls import FileSystemCalls
from engine.device.direct_io import SCRATCH_BYTES, aligned_batches
from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.errors_map import device_error
from engine.device.protocol import Buffer
from engine.errors import (
    DeviceDeniedError,
    DeviceError,
    DeviceFailedError,
    DeviceFullError,
    DeviceGoneError,
    DeviceSlowError,
    NameAbsentError,
    NameTakenError,
)
from engine.limits import BLOCK_BYTES
from engine.units import MIB
from tests.contracts.device import pattern

NAME = "fragments/0/1.1.0"


class BreakingCalls(FileSystemCalls):
    """Fails one step with one errno, or writes what was not given."""

    def __init__(self) -> None:
        self.failing_step = ""
        self.code = errno.EIO
        self.fdatasyncs = 0
        self.corrupt_at: int | None = None
        self.unlinked: list[str] = []

    def _may_fail(self, step: str) -> None:
        if step == self.failing_step:
            raise OSError(self.code, os.strerror(self.code))

    def preallocate(self, descriptor: int, length_bytes: int) -> None:
        self._may_fail("preallocate")
        super().preallocate(descriptor, length_bytes)

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        self._may_fail("write")
        super().write(descriptor, parts, offset)

    def unlink(self, folder: int, name: str) -> None:
        if self.unlinked:
            self._may_fail("second unlink")
        self.unlinked.append(name)
        super().unlink(folder, name)

    def fdatasync(self, descriptor: int) -> None:
        self.fdatasyncs += 1
        self._may_fail("fdatasync")
        super().fdatasync(descriptor)
        if self.corrupt_at is not None:
            with open(f"/proc/self/fd/{descriptor}", "r+b") as file:
                file.seek(self.corrupt_at)
                file.write(b"\xff")
                os.fsync(file.fileno())

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        self._may_fail("rename_new")
        super().rename_new(source, name, target, new_name)


class BreakingDirectoryDevice(DirectoryDevice):
    _calls: BreakingCalls

    @staticmethod
    def _make_calls() -> BreakingCalls:
        return BreakingCalls()

    @property
    def calls(self) -> BreakingCalls:
        return self._calls


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    prepare_disk(str(path))
    return path


@pytest.fixture
def device(disk: Path) -> Iterator[DirectoryDevice]:
    device = DirectoryDevice.open(str(disk))
    yield device
    device.close()


@pytest.fixture
def breaking(disk: Path) -> Iterator[BreakingDirectoryDevice]:
    device = BreakingDirectoryDevice.open(str(disk))
    yield device
    device.close()


def files_below(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def aligned(length: int) -> memoryview:
    view = memoryview(mmap.mmap(-1, length))
    view[:] = pattern(length)
    return view


def test_fragments_are_written_around_the_page_cache_here(device: DirectoryDevice) -> None:
    assert device.direct_io


def test_a_file_system_without_direct_io_works_all_the_same(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.device.directory.takes_direct_io", lambda _: False)
    device = DirectoryDevice.open(str(disk))

    device.put(NAME, [aligned(BLOCK_BYTES), b"tail"])

    assert not device.direct_io
    assert (disk / NAME).read_bytes() == pattern(BLOCK_BYTES) + b"tail"
    device.close()


def test_the_stored_file_is_exactly_the_given_bytes(device: DirectoryDevice, disk: Path) -> None:
    parts: list[Buffer] = [
        aligned(2 * BLOCK_BYTES),
        aligned(2 * MIB)[: MIB + 77],
        b"unaligned",
        aligned(5000),
    ]

    device.put(NAME, parts)

    assert (disk / NAME).read_bytes() == b"".join(bytes(part) for part in parts)


@pytest.mark.parametrize("odd", [0, 1, BLOCK_BYTES - 1, SCRATCH_BYTES - 1, SCRATCH_BYTES + 1])
def test_every_batch_is_aligned_and_nothing_is_lost(odd: int) -> None:
    view = aligned(4 * SCRATCH_BYTES)
    parts: list[Buffer] = [view[: 3 * BLOCK_BYTES], view[:odd], view[:SCRATCH_BYTES], b"end"]

    joined = b""
    for batch in aligned_batches(parts):
        for one in batch:
            assert address_of(one) % BLOCK_BYTES == 0
            assert len(one) % BLOCK_BYTES == 0
            joined += bytes(one)

    expected = b"".join(bytes(part) for part in parts)
    assert joined[: len(expected)] == expected
    assert not joined[len(expected) :].strip(b"\0")
    assert len(joined) - len(expected) < BLOCK_BYTES


def test_an_aligned_part_is_not_copied() -> None:
    view = aligned(MIB)

    (batch,) = aligned_batches([view.toreadonly()])

    assert [address_of(one) for one in batch] == [address_of(view)]


@pytest.mark.parametrize("step", ["preallocate", "write", "fdatasync", "rename_new"])
def test_a_put_that_failed_leaves_nothing(
    breaking: BreakingDirectoryDevice, disk: Path, step: str
) -> None:
    breaking.calls.failing_step = step
    before = files_below(disk)

    with pytest.raises(DeviceFailedError):
        breaking.put(NAME, [pattern(9000)])

    assert files_below(disk) == before
    with pytest.raises(NameAbsentError):
        breaking.stat(NAME)


def test_a_failed_flush_is_never_repeated(breaking: BreakingDirectoryDevice) -> None:
    breaking.calls.failing_step = "fdatasync"

    with pytest.raises(DeviceFailedError):
        breaking.put(NAME, [pattern(9000)])

    assert breaking.calls.fdatasyncs == 1


@pytest.mark.parametrize("position", [0, 8191, MIB - 65536, MIB - 1])
def test_a_write_that_did_not_arrive_as_given_never_gets_its_name(
    breaking: BreakingDirectoryDevice, position: int
) -> None:
    breaking.calls.corrupt_at = position

    with pytest.raises(DeviceFailedError, match="read back"):
        breaking.put(NAME, [bytes(MIB)])

    assert list(breaking.list("fragments")) == []


def test_an_abandoned_write_never_gets_its_name(device: DirectoryDevice) -> None:
    class Abandoned:
        abandoned = True

    set_current_call(Abandoned())
    try:
        with pytest.raises(DeviceSlowError):
            device.put(NAME, [b"late"])
    finally:
        set_current_call(None)

    assert list(device.list("fragments")) == []
    assert list(device.list("")) == []


def test_leftovers_of_a_crash_are_removed_at_open(disk: Path) -> None:
    (disk / "tmp" / "0.1.1.0").write_bytes(b"half")

    DirectoryDevice.open(str(disk)).close()

    assert list((disk / "tmp").iterdir()) == []


def test_more_names_than_descriptors_can_be_read(device: DirectoryDevice) -> None:
    wanted = {f"fragments/0/{one}": b"%d" % one for one in range(200)}
    for name, data in wanted.items():
        device.put(name, [data])
    before = len(os.listdir("/proc/self/fd"))

    read = {name: bytes(device.get(name, offset=0, length=9)) for name in wanted}

    assert read == wanted
    assert len(os.listdir("/proc/self/fd")) - before <= 64


def test_close_gives_every_descriptor_back(disk: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    device = DirectoryDevice.open(str(disk))
    device.put(NAME, [b"x"])
    device.get(NAME, offset=0, length=1)
    device.journal_put(1, 1, b"x")  # type: ignore[arg-type]

    device.close()

    assert sorted(os.listdir("/proc/self/fd")) == before


# The path, the label and the lock


def test_a_disk_is_never_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError):
        DirectoryDevice.open(str(tmp_path / "absent"))
    with pytest.raises(DeviceGoneError):
        prepare_disk(str(tmp_path / "absent"))
    with pytest.raises(DeviceGoneError, match="holds no disk"):
        DirectoryDevice.open(str(tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_a_labelled_disk_is_not_prepared_again(device: DirectoryDevice) -> None:
    prepare_disk(device.path)
    device.set_label(b"mine")

    with pytest.raises(NameTakenError):
        prepare_disk(device.path)


def test_another_label_is_refused_at_open_and_seen_by_a_probe(disk: Path) -> None:
    (disk / "dynamicfs-disk.json").write_bytes(b"mine")
    with pytest.raises(DeviceGoneError, match="another label"):
        DirectoryDevice.open(str(disk), lambda label: label == b"other")
    device = DirectoryDevice.open(str(disk), lambda label: label == b"mine")
    device.check_presence()

    (disk / "dynamicfs-disk.json").write_bytes(b"rotten")

    with pytest.raises(DeviceGoneError, match="another label"):
        device.check_presence()
    (disk / "dynamicfs-disk.json").unlink()
    with pytest.raises(DeviceGoneError, match="cannot be read"):
        device.check_presence()
    device.close()


def test_a_directory_moved_away_is_missing_and_one_in_its_place_is_another(
    device: DirectoryDevice, disk: Path
) -> None:
    device.set_label(b"mine")
    device.check_presence()

    disk.rename(disk.with_name("elsewhere"))
    with pytest.raises(DeviceGoneError, match="missing"):
        device.check_presence()
    disk.mkdir()
    with pytest.raises(DeviceGoneError, match="another directory"):
        device.check_presence()

    device.put(NAME, [b"x"])
    assert files_below(disk) == []
    assert (disk.with_name("elsewhere") / NAME).read_bytes() == b"x"


def test_a_removed_directory_is_gone_and_its_names_not_merely_absent(
    device: DirectoryDevice, disk: Path
) -> None:
    for one in sorted(disk.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    disk.rmdir()

    with pytest.raises(DeviceGoneError):
        device.stat(NAME)
    with pytest.raises(DeviceGoneError):
        device.put(NAME, [b"x"])


def test_a_disk_in_use_by_another_process_is_refused(disk: Path) -> None:
    program = (
        "import sys; from engine.device.directory import DirectoryDevice;"
        "d = DirectoryDevice.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(disk)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"

        with pytest.raises(DeviceDeniedError, match="another process"):
            DirectoryDevice.open(str(disk))

        other.communicate(b"")
    DirectoryDevice.open(str(disk)).close()


def test_a_call_that_hangs_keeps_the_disk_locked_after_close(disk: Path) -> None:
    device = DirectoryDevice.open(str(disk))
    handle = device._handle
    handle.enter()

    device.close()

    with pytest.raises(DeviceDeniedError):
        DirectoryDevice.open(str(disk))
    handle.leave()
    DirectoryDevice.open(str(disk)).close()


@pytest.mark.parametrize(
    ("code", "leaf"),
    [
        (errno.ENOENT, NameAbsentError),
        (errno.EEXIST, NameTakenError),
        (errno.ENOSPC, DeviceFullError),
        (errno.EDQUOT, DeviceFullError),
        (errno.EROFS, DeviceDeniedError),
        (errno.EACCES, DeviceDeniedError),
        (errno.EPERM, DeviceDeniedError),
        (errno.ENODEV, DeviceGoneError),
        (errno.ENOTCONN, DeviceGoneError),
        (errno.ESTALE, DeviceGoneError),
        (errno.EBADF, DeviceGoneError),
        (errno.EIO, DeviceFailedError),
        (errno.ENOMEM, DeviceFailedError),
    ],
)
def test_each_errno_has_its_leaf(code: int, leaf: type[DeviceError]) -> None:
    assert type(device_error(OSError(code, "said so"), "put a")) is leaf


def test_a_full_disk_is_full_and_not_failed(breaking: BreakingDirectoryDevice) -> None:
    breaking.calls.failing_step = "preallocate"
    breaking.calls.code = errno.ENOSPC

    with pytest.raises(DeviceFullError):
        breaking.put(NAME, [b"x"])
