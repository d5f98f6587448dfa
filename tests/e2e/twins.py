"""Two directories that get the very same system calls: one of ours, one of the kernel's.

The second one is the oracle: a plain directory on another file system. Whatever
a call returns or refuses, and whatever lies there afterwards, must be the same.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

SLOTS: Final = range(4)
"""Descriptors a machine keeps open at once."""

CLOCK_STEP_NS: Final = 20_000_000
"""How far the clocks of two file systems may differ: the kernel's coarse one ticks."""

LONG_AGO_NS: Final = 1_500_000_000_000_000_000
"""Times a test sets lie before this, those of the clock behind it."""

CALL_S: Final = 60.0
"""How long a program that maps a file may take."""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD: Final = -100

_MAPPER: Final = """
import mmap, os, sys
path, offset, data = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
fd = os.open(path, os.O_RDWR)
with mmap.mmap(fd, 0) as view:
    os.close(fd)
    sys.stdout.buffer.write(view[:])
    view[offset:offset + len(data)] = data
    view.flush()
"""
"""Runs in a process of its own: a mapping whose file cannot be read kills with SIGBUS."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Refused:
    """A system call failed with this errno."""

    errno: int


@dataclass(slots=True)
class Side:
    """One of the two directories, and what is open below it."""

    root: Path
    slots: dict[int, int] = field(default_factory=dict)

    def at(self, path: str) -> str:
        """Return where *path* lies on this side."""
        return f"{self.root}/{path}"

    def fd(self, slot: int) -> int:
        """Return the descriptor in *slot*, or in another one: an empty slot shows little.

        Raises:
            OSError: EBADF; nothing is open.
        """
        if not self.slots:
            raise OSError(errno.EBADF, "nothing is open")
        return self.slots[sorted(self.slots)[slot % len(self.slots)]]

    def open(self, slot: int, path: str, flags: int, mode: int) -> None:
        """Open *path* into *slot*, closing what was there."""
        self.close(slot)
        self.slots[slot] = os.open(self.at(path), flags, mode)

    def close(self, slot: int) -> None:
        """Close *slot*; an empty one is fine."""
        fd = self.slots.pop(slot, None)
        if fd is not None:
            os.close(fd)

    def write_mapped(self, path: str, offset: int, data: bytes) -> bytes:
        """Change a file through a shared mapping; return what was mapped before."""
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MAPPER, self.at(path), str(offset), data.hex()],
            capture_output=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def rename2(self, old: str, new: str, flags: int) -> None:
        """Call renameat2(2); the standard library has no name for its flags."""
        where = (_AT_FDCWD, os.fsencode(self.at(old)), _AT_FDCWD, os.fsencode(self.at(new)))
        if _libc.renameat2(*where, flags):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), old, None, new)

    def paths(self) -> Iterator[str]:
        """Yield every path, directories before what they hold."""
        waiting = [""]
        while waiting:
            above = waiting.pop()
            yield above
            if stat.S_ISDIR(os.lstat(self.at(above)).st_mode):
                waiting += [f"{above}/{name}" for name in sorted(os.listdir(self.at(above)))]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a path shows to any program; times apart, for clocks differ."""

    mode: int
    links: int
    owner: tuple[int, int]
    size_bytes: int
    device: int
    names: tuple[str, ...]
    data: bytes
    target: str
    attributes: tuple[tuple[str, bytes], ...]


def shown(place: str) -> Shown:
    """Read all that *place* shows. Sizes of directories mean nothing and are left out."""
    seen = os.lstat(place)
    kind = stat.S_IFMT(seen.st_mode)
    is_directory, is_file = kind == stat.S_IFDIR, kind == stat.S_IFREG
    names = os.listxattr(place, follow_symlinks=False)
    return Shown(
        mode=seen.st_mode,
        links=seen.st_nlink,
        owner=(seen.st_uid, seen.st_gid),
        size_bytes=0 if is_directory else seen.st_size,
        device=seen.st_rdev,
        names=tuple(sorted(os.listdir(place))) if is_directory else (),
        data=Path(place).read_bytes() if is_file else b"",
        target=os.readlink(place) if kind == stat.S_IFLNK else "",
        attributes=tuple(
            (name, os.getxattr(place, name, follow_symlinks=False)) for name in sorted(names)
        ),
    )


class Twins:
    """Makes every call on both sides and demands one outcome."""

    def __init__(self, ours: Path, theirs: Path) -> None:
        self.began_ns = time.time_ns()
        self.ours, self.theirs = Side(ours), Side(theirs)

    def same(self, call: Callable[[Side], Result]) -> Result | Refused:
        """Make one call on both sides; return its outcome.

        Raises:
            AssertionError: the outcomes differ.
        """
        wanted, found = _outcome(call, self.theirs), _outcome(call, self.ours)
        assert found == wanted, f"ours: {_brief(found)}; theirs: {_brief(wanted)}"
        return wanted

    def compare(self) -> None:
        """Demand the same tree on both sides: names, links, modes, bytes, attributes, times."""
        paths = list(self.theirs.paths())
        assert list(self.ours.paths()) == paths
        for path in paths:
            self._compare_path(path)

    def _compare_path(self, path: str) -> None:
        found, wanted = shown(self.ours.at(path)), shown(self.theirs.at(path))
        assert found == wanted, f"{path}: ours {_brief(found)}; theirs {_brief(wanted)}"
        ours, theirs = os.lstat(self.ours.at(path)), os.lstat(self.theirs.at(path))
        if theirs.st_mtime_ns < LONG_AGO_NS:
            assert ours.st_mtime_ns == theirs.st_mtime_ns, path
        else:
            assert abs(ours.st_mtime_ns - theirs.st_mtime_ns) < self._clock_spread_ns(), path
        assert self.began_ns - CLOCK_STEP_NS <= ours.st_ctime_ns <= time.time_ns(), path
        _check_blocks(ours, found)

    def _clock_spread_ns(self) -> int:
        """Return how far the times of one call may lie apart: both lie in this example."""
        return time.time_ns() - self.began_ns + CLOCK_STEP_NS

    def compare_inodes(self) -> None:
        """Demand that on our side, too, exactly the same paths are one inode."""
        assert _groups(self.ours) == _groups(self.theirs)

    def close(self) -> None:
        """Close every descriptor."""
        for side in (self.ours, self.theirs):
            for slot in SLOTS:
                side.close(slot)


def _check_blocks(seen: os.stat_result, found: Shown) -> None:
    """Every byte that is not zero is stored, and no more than the size is."""
    stored_bytes = seen.st_blocks * 512
    if stat.S_ISREG(seen.st_mode):
        assert stored_bytes >= len(found.data) - found.data.count(0)
        assert stored_bytes < seen.st_size + 512


def _groups(side: Side) -> set[frozenset[str]]:
    by_inode: dict[int, set[str]] = {}
    for path in side.paths():
        by_inode.setdefault(os.lstat(side.at(path)).st_ino, set()).add(path)
    return {frozenset(paths) for paths in by_inode.values()}


def _outcome(call: Callable[[Side], Result], side: Side) -> Result | Refused:
    try:
        return call(side)
    except OSError as error:
        return Refused(error.errno or 0)


def _brief(value: object) -> str:
    return repr(value)[:600]
