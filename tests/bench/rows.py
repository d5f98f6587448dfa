"""The rows of the table: each a small program a user might run, timed.

Every row makes what it needs when no row before it left that behind, outside of
the time. All rates are per second, so more is always better.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.systems import MIB, Subject

BLOCK: Final = 4096
ROW_S_MAX: Final = 5.0
"""A row of single requests is cut off here on a slow system; the rate stays right."""

GIT: Final = ("git", "-c", "user.name=bench", "-c", "user.email=bench", "-c", "gc.auto=0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much work one measurement does."""

    stream_bytes: int = 256 * MIB
    files: int = 2000
    random_reads: int = 1000
    syncs: int = 300
    tree_files: int = 1500


QUICK: Final = Size(stream_bytes=16 * MIB, files=100, random_reads=100, syncs=20, tree_files=100)


class Stage:
    """One row on one system: where it works, and the time it took."""

    def __init__(self, subject: Subject, size: Size, tarball: Path) -> None:
        self.subject = subject
        self.size = size
        self.tarball = tarball
        self.folder = subject.path / "bench"
        self.seconds = 0.0
        self.server_cpu_s = 0.0
        self._begun_s = 0.0

    @property
    def stream(self) -> Path:
        """The large file."""
        return self.folder / "stream"

    @property
    def tree(self) -> Path:
        """The unpacked tree."""
        return self.folder / "tree"

    def small(self, number: int, prefix: str = "small") -> Path:
        """Return the name of a small file; they share a directory."""
        return self.folder / "small" / f"{prefix}-{number:06}"

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the block, and what it cost the servers."""
        cpu_s = self.subject.server_cpu_s()
        self._begun_s = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - self._begun_s
        self.server_cpu_s = self.subject.server_cpu_s() - cpu_s

    def is_out_of_time(self) -> bool:
        """Whether the timed block has run for ROW_S_MAX."""
        return time.perf_counter() - self._begun_s > ROW_S_MAX

    # What rows need

    def settle(self) -> None:
        """Have nothing wait to be written, that a later row would pay for."""
        self.subject.make_durable()

    def need_stream(self) -> None:
        """Have the large file."""
        if not self.stream.exists():
            write_stream(self)
        self.settle()

    def need_small(self) -> None:
        """Have the small files under their first names."""
        if not self.small(0).exists():
            make_small(self)
        self.settle()

    def need_repository(self) -> None:
        """Have the tree, all of it committed to git."""
        if not self.tree.exists():
            unpack(self)
        if not (self.tree / ".git").exists():
            run(*GIT, "init", "-q", folder=self.tree)
            run(*GIT, "add", "-A", folder=self.tree)
            run(*GIT, "commit", "-q", "-m", "all", folder=self.tree)
        self.settle()


def run(*words: str, folder: Path) -> None:
    """Run a program in *folder*; raise when it fails."""
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_tarball(path: Path, size: Size) -> None:
    """Pack the first files of Python's own library: a real tree that is everywhere."""
    library = Path(sysconfig.get_path("stdlib"))
    names = sorted(
        name
        for name in library.rglob("*.py")
        if "site-packages" not in name.parts and name.is_file()
    )
    with tarfile.open(path, "w") as archive:
        for name in names[: size.tree_files]:
            archive.add(name, arcname=name.relative_to(library))


def write_stream(stage: Stage) -> None:
    """Write the large file in 1 MiB calls and fsync it."""
    block = random.Random(1).randbytes(MIB)
    file = os.open(stage.stream, os.O_CREAT | os.O_WRONLY)
    for _ in range(stage.size.stream_bytes // MIB):
        os.write(file, block)
    os.fsync(file)
    os.close(file)


def make_small(stage: Stage) -> None:
    """Create, write 4 KiB and close many files; then all of them durable."""
    stage.small(0).parent.mkdir(exist_ok=True)
    block = random.Random(2).randbytes(BLOCK)
    for number in range(stage.size.files):
        file = os.open(stage.small(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(file, block)
        os.close(file)
    stage.subject.make_durable()


def unpack(stage: Stage) -> None:
    """Unpack the tree; then all of it durable."""
    stage.tree.mkdir()
    run("tar", "-xf", str(stage.tarball), folder=stage.tree)
    stage.subject.make_durable()


def stream_write(stage: Stage) -> float:
    """Write the large file in 1 MiB calls, fsync inside."""
    stage.stream.unlink(missing_ok=True)
    stage.settle()
    with stage.timed():
        write_stream(stage)
    return stage.size.stream_bytes / 1e6


def stream_read(stage: Stage) -> float:
    """Read the large file in 1 MiB calls, cold."""
    stage.need_stream()
    stage.subject.cool()
    buffer = bytearray(MIB)
    with stage.timed():
        file = os.open(stage.stream, os.O_RDONLY)
        while os.readv(file, [buffer]):
            pass
        os.close(file)
    return stage.size.stream_bytes / 1e6


def random_read(stage: Stage) -> float:
    """Read blocks at random from the large file, cold."""
    stage.need_stream()
    stage.subject.cool()
    places = random.Random(3)
    count = 0
    file = os.open(stage.stream, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    with stage.timed():
        while count < stage.size.random_reads and not stage.is_out_of_time():
            os.pread(file, BLOCK, places.randrange(stage.size.stream_bytes // BLOCK) * BLOCK)
            count += 1
    os.close(file)
    return count


def random_write(stage: Stage) -> float:
    """Write blocks at random into a file of 16 MiB, fdatasync after each."""
    path, blocks = stage.folder / "random", 16 * MIB // BLOCK
    block = random.Random(4).randbytes(BLOCK)
    if not path.exists():
        path.write_bytes(bytes(blocks * BLOCK))
    stage.settle()
    places = random.Random(5)
    count = 0
    file = os.open(path, os.O_WRONLY)
    with stage.timed():
        while count < stage.size.syncs and not stage.is_out_of_time():
            os.pwrite(file, block, places.randrange(blocks) * BLOCK)
            os.fdatasync(file)
            count += 1
    os.close(file)
    return count


def small_writes(stage: Stage) -> float:
    """Write a file from its beginning to its end in 4 KiB calls, fsync at the end."""
    path = stage.folder / "buffered"
    path.unlink(missing_ok=True)
    stage.settle()
    block = random.Random(6).randbytes(BLOCK)
    amount = stage.size.stream_bytes // 4
    with stage.timed():
        file = os.open(path, os.O_CREAT | os.O_WRONLY)
        for _ in range(amount // BLOCK):
            os.write(file, block)
        os.fsync(file)
        os.close(file)
    return amount / 1e6


def create(stage: Stage) -> float:
    """Create, write 4 KiB and close many files in one directory, durable."""
    shutil.rmtree(stage.small(0).parent, ignore_errors=True)
    stage.settle()
    with stage.timed():
        make_small(stage)
    return stage.size.files


def list_long(stage: Stage) -> float:
    """Run ``ls -l`` in the directory of the small files, cold."""
    stage.need_small()
    stage.subject.cool()
    with stage.timed():
        run("ls", "-ln", folder=stage.small(0).parent)
    return stage.size.files


def small_reads(stage: Stage) -> float:
    """Open, read and close every small file, cold."""
    stage.need_small()
    stage.subject.cool()
    with stage.timed():
        for number in range(stage.size.files):
            file = os.open(stage.small(number), os.O_RDONLY)
            os.read(file, BLOCK)
            os.close(file)
    return stage.size.files


def rename(stage: Stage) -> float:
    """Rename every small file within its directory, durable."""
    stage.need_small()
    with stage.timed():
        for number in range(stage.size.files):
            os.rename(stage.small(number), stage.small(number, "other"))
        stage.subject.make_durable()
    for number in range(stage.size.files):
        os.rename(stage.small(number, "other"), stage.small(number))
    return stage.size.files


def unlink(stage: Stage) -> float:
    """Unlink every small file, durable."""
    stage.need_small()
    with stage.timed():
        for number in range(stage.size.files):
            os.unlink(stage.small(number))
        stage.subject.make_durable()
    return stage.size.files


def delete_large(stage: Stage) -> float:
    """Unlink the large file, durable."""
    stage.need_stream()
    with stage.timed():
        stage.stream.unlink()
        stage.subject.make_durable()
    return 1


def untar(stage: Stage) -> float:
    """Unpack a real tree, durable."""
    shutil.rmtree(stage.tree, ignore_errors=True)
    stage.settle()
    with stage.timed():
        unpack(stage)
    return stage.size.tree_files


def git_status(stage: Stage) -> float:
    """Run ``git status`` in that tree, cold."""
    stage.need_repository()
    stage.subject.cool()
    with stage.timed():
        run(*GIT, "status", folder=stage.tree)
    return stage.size.tree_files


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured, and how its figure is called."""

    name: str
    unit: str
    measure: Callable[[Stage], float]
    """Returns how much was done within the time."""
    needs_contents: bool = False


ROWS: Final = (
    Row("stream-write", "MB/s", stream_write),
    Row("stream-read-cold", "MB/s", stream_read),
    Row("random-read-cold", "4 KiB/s", random_read),
    Row("random-write-fdatasync", "4 KiB/s", random_write),
    Row("small-writes", "MB/s", small_writes),
    Row("create", "files/s", create),
    Row("ls-cold", "files/s", list_long),
    Row("small-reads-cold", "files/s", small_reads),
    Row("rename", "files/s", rename),
    Row("unlink", "files/s", unlink),
    Row("delete-large", "files/s", delete_large),
    Row("untar", "files/s", untar),
    Row("git-status-cold", "files/s", git_status, needs_contents=True),
)
"""In an order in which each finds what the ones before it left. MB are 10^6 bytes."""
