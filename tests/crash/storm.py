"""A storm of writes with an oracle of what may be found after a crash.

The oracle never asks the file system: it knows what was written, in which
order, and what fsync acknowledged. Contents are made from (seed, name,
version), so a found file is recognised by its bytes alone.
"""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ABSENT: Final = -1
"""The version of a file that is not there."""

SIZES: Final = (90, 5_000, 120_000, 1_500_000)
STORM_END_S: Final = 60.0
SAFE_NAMES: Final = 10
LAZY_NAMES: Final = 6
LOG_LINE: Final = 40


def content_of(seed: int, name: str, version: int) -> bytes:
    """Return what version *version* of file *name* holds.

    >>> content_of(1, "a", 2) == content_of(1, "a", 2) != content_of(1, "a", 3)
    True
    """
    source = random.Random(f"{seed}/{name}/{version}")
    return source.randbytes(source.choice(SIZES))


def line_of(number: int) -> bytes:
    """Return line *number* of the log, LOG_LINE bytes."""
    return f"{number:039}\n".encode()


@dataclass(slots=True)
class Expected:
    """What one file may hold: its acknowledged version or one begun since."""

    durable: int = ABSENT
    begun: list[int] = field(default_factory=list)

    @property
    def versions(self) -> list[int]:
        """Every version that may be found, the newest first."""
        return [*reversed(self.begun), self.durable]

    def acknowledge(self, version: int) -> None:
        """Note that nothing older than *version* may be found any more."""
        self.durable = version
        self.begun.clear()


class Storm:
    """Writes in a directory of its own until it is stopped or the file system dies.

    The directory is below the mount point, so that nothing is written into the bare
    mount point when the mount goes away in the middle. One storm lives through many
    crashes: ``start``, crash, ``wait``, mount again, ``settle``; then the next one.
    """

    def __init__(self, mountpoint: Path, seed: int, *, name: str = "storm") -> None:
        """Make the directory *name*, durably; storms of other names may blow beside it."""
        self.seed = seed
        self.operations = 0
        self.failure: OSError | None = None
        self._folder = mountpoint / name
        self._folder.mkdir()
        _sync_folder(mountpoint)
        self._source = random.Random(seed)
        self._version = 0
        self._safe = {f"safe{number}": Expected() for number in range(SAFE_NAMES)}
        self._lazy = {f"lazy{number}": Expected() for number in range(LAZY_NAMES)}
        self._folders = {f"folder{number}": Expected() for number in range(4)}
        self._log_safe = 0
        self._log_begun = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread()

    # Writing

    def start(self) -> None:
        """Begin to write on a thread of its own."""
        self._stopping.clear()
        self.failure = None
        self._thread = threading.Thread(target=self.blow, name=self._folder.name, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the writing has ended: by an error, or now."""
        self._stopping.set()
        self._thread.join(STORM_END_S)
        assert not self._thread.is_alive(), "the storm is stuck in the mount"

    def blow(self) -> None:
        """Write until stopped; the error that ends it is kept in ``failure``."""
        steps = (self._replace, self._replace, self._overwrite_lazily, self._append, self._turn)
        try:
            while not self._stopping.is_set():
                self._source.choice(steps)()
                self.operations += 1
        except OSError as error:
            self.failure = error

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _replace(self) -> None:
        """Write beside, fsync, rename over, fsync the directory; sometimes remove."""
        name = self._source.choice(list(self._safe))
        expected = self._safe[name]
        if expected.durable != ABSENT and self._source.random() < 0.15:
            expected.begun.append(ABSENT)
            (self._folder / name).unlink()
            _sync_folder(self._folder)
            expected.acknowledge(ABSENT)
            return
        version = self._next_version()
        expected.begun.append(version)
        descriptor = os.open(
            self._folder / f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644
        )
        try:
            os.write(descriptor, content_of(self.seed, name, version))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        (self._folder / f"{name}.new").rename(self._folder / name)
        _sync_folder(self._folder)
        expected.acknowledge(version)

    def _overwrite_lazily(self) -> None:
        """Write beside and rename over without any fsync."""
        name = self._source.choice(list(self._lazy))
        version = self._next_version()
        self._lazy[name].begun.append(version)
        (self._folder / f"{name}.new").write_bytes(content_of(self.seed, name, version))
        (self._folder / f"{name}.new").rename(self._folder / name)

    def _append(self) -> None:
        """Append some lines to the log and fsync it."""
        count = self._source.randrange(1, 40)
        lines = b"".join(line_of(self._log_begun + number) for number in range(count))
        self._log_begun += count
        descriptor = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._log_safe = self._log_begun

    def _turn(self) -> None:
        """Make a directory, or remove it, and fsync its parent."""
        name = self._source.choice(list(self._folders))
        expected = self._folders[name]
        if expected.durable == ABSENT:
            version = self._next_version()
            expected.begun.append(version)
            (self._folder / name).mkdir()
        else:
            version = ABSENT
            expected.begun.append(version)
            (self._folder / name).rmdir()
        _sync_folder(self._folder)
        expected.acknowledge(version)

    # Judging

    def settle(self) -> list[str]:
        """Compare what is there now with what may be; return each contradiction.

        What is found is what must be found from now on.
        """
        found = [self._judge_safe(name) for name in self._safe]
        found += [self._judge_lazy(name) for name in self._lazy]
        found += [self._judge_folder(name) for name in self._folders]
        found.append(self._judge_log())
        for leftover in self._folder.glob("*.new"):
            leftover.unlink()
        _sync_folder(self._folder)  # Or what was removed here may be found after the next crash.
        return [text for text in found if text]

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _judge_safe(self, name: str) -> str:
        """Old or new, whole, and never older than what was acknowledged."""
        expected, data = self._safe[name], self._read(name)
        for version in expected.versions:
            if data == (None if version == ABSENT else content_of(self.seed, name, version)):
                expected.acknowledge(version)
                return ""
        return f"{name} {_told(data)} is none of its versions {expected.versions}"

    def _judge_lazy(self, name: str) -> str:
        """Old, or a prefix of a newer one: the kernel may not have sent the rest."""
        expected, data = self._lazy[name], self._read(name)
        for version in expected.versions:
            if data is None:
                if version == ABSENT:
                    return ""
            elif version != ABSENT and content_of(self.seed, name, version) == data:
                expected.acknowledge(version)
                return ""
        for version in expected.begun:
            wanted = content_of(self.seed, name, version)
            if data is not None and wanted.startswith(data):
                # From now on it is this prefix until it is replaced: give it a fresh start.
                (self._folder / name).unlink()
                expected.acknowledge(ABSENT)
                return ""
        return f"{name} {_told(data)} is no prefix of any of {expected.versions}"

    def _judge_folder(self, name: str) -> str:
        expected = self._folders[name]
        is_there = (self._folder / name).is_dir()
        for version in expected.versions:
            if is_there == (version != ABSENT):
                expected.acknowledge(version)
                return ""
        return f"{name} is {'there' if is_there else 'absent'}, against {expected.versions}"

    def _judge_log(self) -> str:
        """All acknowledged lines, and after them only lines that were begun, in order."""
        data = self._read("log") or b""
        wanted = b"".join(line_of(number) for number in range(self._log_begun))
        whole = len(data) // LOG_LINE
        if not wanted.startswith(data) or whole < self._log_safe:
            return f"log {_told(data)}: {whole} lines, {self._log_safe} acknowledged"
        if data:
            with (self._folder / "log").open("r+b") as log:
                log.truncate(whole * LOG_LINE)
                os.fsync(log.fileno())
        self._log_safe = self._log_begun = whole
        return ""


def _told(data: bytes | None) -> str:
    return "(absent)" if data is None else f"({len(data)} bytes)"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
