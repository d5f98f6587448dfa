"""What can be measured: a system is made, mounted, cooled and taken away again."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

MIB: Final = 1 << 20
DISKS: Final = 6
"""Directories or files, all on one device, that stand for disks."""

BUSY_S_MAX: Final = 15.0
"""How long a mount may stay busy after its last user left."""

COMMAND_S_MAX: Final = 120.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")


class CommandError(Exception):
    """A program that makes or takes away a system failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A mounted file system that is measured."""

    name: str
    path: Path
    folder: Path
    """All its files are below; processes that name it in their arguments are its servers."""
    make_durable: Callable[[], None]
    """Returns when all that was written is safe."""
    cool: Callable[[], None]
    """Leaves nothing of it in any cache."""
    keeps_contents: bool = True
    """Whether what is read is what was written."""

    def server_cpu_s(self) -> float:
        """Return user and system time of its servers so far; the kernel's own is not in it."""
        named = os.fsencode(self.folder)
        ticks = 0
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):  # It just ended.
                if named in (process / "cmdline").read_bytes():
                    # Behind the name in brackets, counted from there: utime and stime.
                    fields = (process / "stat").read_text().rpartition(")")[2].split()
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS_PER_S


class System(Protocol):
    """A kind of file system that can be made here."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    def why_not(self) -> str:
        """Return why it cannot be measured here; empty when it can."""

    def version(self) -> str:
        """Return what goes into the stored result."""

    def mounted(self, folder: Path) -> AbstractContextManager[Subject]:
        """Make and mount it inside the empty *folder*; leave nothing behind at the end.

        Raises:
            CommandError: it could not be made, or not be taken away.
        """


def find_program(name: str) -> str | None:
    """Return where *name* is; daemons and mkfs are not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))


def command(*words: str | Path, seconds_max: float = COMMAND_S_MAX) -> str:
    """Run a program; return what it printed.

    Raises:
        CommandError: it failed; with what it said.
    """
    try:
        done = subprocess.run(
            [find_program(str(words[0])) or str(words[0]), *map(str, words[1:])],
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{words[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"code {done.returncode}"
        raise CommandError(f"{' '.join(str(word) for word in words[:3])}: {said}")
    return done.stdout


def until_not_busy(*words: str | Path) -> None:
    """Run a program again and again until it does not fail, for BUSY_S_MAX.

    A mount is busy for a moment after its last file was closed.
    """
    end_s = time.monotonic() + BUSY_S_MAX
    while True:
        try:
            command(*words)
        except CommandError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)
        else:
            return


def drop_kernel_caches() -> None:
    """Have the kernel drop clean pages, names and inodes of everybody; needs root."""
    os.sync()
    _DROP_CACHES.write_text("3")


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
