"""The rows of the table: each a small program a user might run, timed."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much work one measurement does."""

    stream_bytes: int = 256 * MIB
    files: int = 2000
    fsyncs: int = 300
    fsync_s_max: float = 3.0
    """fsync on a slow disk is cut off here; the rate stays right."""
    direct_reads: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A directory that is measured, and how to make its contents durable."""

    name: str
    path: Path
    make_durable: Callable[[], None]


Measurement = tuple[str, Callable[[Path, Target, Size], float]]


def measure(target: Target, size: Size) -> dict[str, float]:
    """Return one figure per row, measured in a fresh directory that is removed."""
    folder = target.path / f"bench-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir()
    try:
        return {name: function(folder, target, size) for name, function in ROWS}
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        target.make_durable()


def stream_write_mb_s(folder: Path, target: Target, size: Size) -> float:
    """Write a file in 1 MiB calls, fsync inside the time. MB are 10^6 bytes."""
    block = random.Random(1).randbytes(MIB)
    with elapsed() as clock:
        file = os.open(folder / "stream", os.O_CREAT | os.O_WRONLY)
        for _ in range(size.stream_bytes // MIB):
            os.write(file, block)
        os.fsync(file)
        os.close(file)
    return size.stream_bytes / 1e6 / clock.seconds


def stream_read_mb_s(folder: Path, target: Target, size: Size) -> float:
    """Read that file in 1 MiB calls after the kernel dropped its caches."""
    drop_caches()
    with elapsed() as clock:
        file = os.open(folder / "stream", os.O_RDONLY)
        while os.read(file, MIB):
            pass
        os.close(file)
    return size.stream_bytes / 1e6 / clock.seconds


def create_per_s(folder: Path, target: Target, size: Size) -> float:
    """Create, write 4 KiB and close many files; durable inside the time."""
    block = random.Random(2).randbytes(4096)
    with elapsed() as clock:
        for number in range(size.files):
            file = os.open(small(folder, number), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(file, block)
            os.close(file)
        target.make_durable()
    return size.files / clock.seconds


def fsync_per_s(folder: Path, target: Target, size: Size) -> float:
    """Append 4 KiB to one file and fsync, over and over."""
    block = random.Random(3).randbytes(4096)
    file = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    count = 0
    with elapsed() as clock:
        while count < size.fsyncs and clock.seconds_so_far() < size.fsync_s_max:
            os.write(file, block)
            os.fsync(file)
            count += 1
    os.close(file)
    return count / clock.seconds


def stat_per_s(folder: Path, target: Target, size: Size) -> float:
    """Look every small file up after the kernel dropped its caches."""
    drop_caches()
    with elapsed() as clock:
        for number in range(size.files):
            os.stat(small(folder, number))
    return size.files / clock.seconds


def open_read_per_s(folder: Path, target: Target, size: Size) -> float:
    """Open, read and close every small file after the kernel dropped its caches."""
    drop_caches()
    with elapsed() as clock:
        for number in range(size.files):
            file = os.open(small(folder, number), os.O_RDONLY)
            os.read(file, 4096)
            os.close(file)
    return size.files / clock.seconds


def direct_read_per_s(folder: Path, target: Target, size: Size) -> float:
    """Read 4 KiB past the kernel's cache: one request each."""
    buffer = mmap.mmap(-1, 4096)  # O_DIRECT wants an aligned buffer.
    file = os.open(folder / "stream", os.O_RDONLY | os.O_DIRECT)
    with elapsed() as clock:
        for number in range(size.direct_reads):
            os.preadv(file, [buffer], number % (size.stream_bytes // 4096) * 4096)
    os.close(file)
    buffer.close()
    return size.direct_reads / clock.seconds


ROWS: Final[tuple[Measurement, ...]] = (
    ("stream write MB/s", stream_write_mb_s),
    ("cold stream read MB/s", stream_read_mb_s),
    ("create 4 KiB durable /s", create_per_s),
    ("4 KiB write+fsync /s", fsync_per_s),
    ("cold stat /s", stat_per_s),
    ("cold open+read 4 KiB /s", open_read_per_s),
    ("direct read 4 KiB /s", direct_read_per_s),
)


class Stopwatch:
    """Seconds since it was made, and the seconds it was stopped at."""

    def __init__(self) -> None:
        self._start_s = time.perf_counter()
        self.seconds = 0.0

    def seconds_so_far(self) -> float:
        """Return the seconds until now."""
        return time.perf_counter() - self._start_s


@contextmanager
def elapsed() -> Iterator[Stopwatch]:
    """Time the block."""
    clock = Stopwatch()
    yield clock
    clock.seconds = clock.seconds_so_far()


def small(folder: Path, number: int) -> Path:
    """Return the name of a small file."""
    return folder / f"small-{number:06}"


def drop_caches() -> None:
    """Have the kernel drop clean pages, names and inodes; needs root.

    What a server keeps in its own memory stays.
    """
    os.sync()
    DROP_CACHES.write_text("3")


def sync_file_system(path: Path) -> None:
    """syncfs(2): enough for a disk, never reaches the server of a FUSE mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
