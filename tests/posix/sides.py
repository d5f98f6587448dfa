"""Two directories, one of ours and one of the kernel's, and what a call on each comes to."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

_libc: Final = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD: Final = -100
_PAGE_BYTES: Final = 4096
_MAPPED_BYTES_MAX: Final = 1 << 20

_UTIME_NOW: Final = (1 << 30) - 1
_UTIME_OMIT: Final = (1 << 30) - 2


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


Result: TypeAlias = "None | bool | int | bytes | tuple[Result, ...]"
"""What a call gives back, in a form that can be compared."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A call failed with this errno."""

    number: int

    def __repr__(self) -> str:
        return errno.errorcode.get(self.number, str(self.number))


@dataclass(slots=True)
class Side:
    """One of the two directories, and the descriptors that are open below it."""

    root: Path
    slots: dict[int, int] = field(default_factory=dict)

    def at(self, path: bytes) -> bytes:
        """Return where *path* lies on this side; the empty path is the empty path."""
        return os.fsencode(self.root) + b"/" + path if path else b""

    def fd(self, slot: int) -> int:
        """Return the descriptor in *slot*, or in another one: an empty slot shows little.

        Raises:
            OSError: EBADF; nothing is open.
        """
        if not self.slots:
            raise OSError(errno.EBADF, "nothing is open")
        return self.slots[sorted(self.slots)[slot % len(self.slots)]]

    def close(self, slot: int) -> None:
        """Close *slot*; an empty one is fine."""
        fd = self.slots.pop(slot, None)
        if fd is not None:
            os.close(fd)

    def open(self, slot: int, path: bytes, flags: int, mode: int) -> None:
        """Open *path* into *slot*, in place of what was there."""
        self._keep(slot, os.open(self.at(path), flags, mode))

    def _keep(self, slot: int, opened: int) -> None:
        self.close(slot)
        self.slots[slot] = opened

    def folder(self, slot: int) -> int:
        """Return a descriptor of a directory where any is open, else one of anything.

        Raises:
            OSError: EBADF; nothing is open.
        """
        folders = [fd for _, fd in sorted(self.slots.items()) if _is_directory(fd)]
        return folders[slot % len(folders)] if folders else self.fd(slot)

    def reopen(self, slot: int, flags: int) -> None:
        """Open what *slot* holds once more, whether or not it has a name, in its place."""
        before = self.fd(slot)
        number = next(number for number, fd in self.slots.items() if fd == before)
        self.slots[number] = os.open(f"/proc/self/fd/{before}", flags)
        os.close(before)

    def open_below(self, slot: int, path: bytes, flags: int, mode: int) -> None:
        """Open *path*, which begins at the directory in *slot*, into *slot*."""
        self._keep(slot, os.open(path, flags, mode, dir_fd=self.folder(slot)))

    def set_one_time(self, path: bytes, which: int, seconds: int) -> None:
        """Call utimensat(2) for the access or the modification time alone; 0 s means now."""
        wanted = _Moment(seconds, 0 if seconds else _UTIME_NOW)
        moments = (_Moment * 2)(_Moment(0, _UTIME_OMIT), _Moment(0, _UTIME_OMIT))
        moments[which] = wanted
        if _libc.utimensat(_AT_FDCWD, self.at(path), moments, 0):
            raise OSError(ctypes.get_errno(), "utimensat")

    def rename(self, old: bytes, new: bytes, flags: int) -> None:
        """Call renameat2(2)."""
        if _libc.renameat2(_AT_FDCWD, self.at(old), _AT_FDCWD, self.at(new), flags):
            raise OSError(ctypes.get_errno(), "renameat2")

    def paths(self) -> Iterator[bytes]:
        """Yield every path below the root, in one order on every file system."""
        waiting = [b""]
        while waiting:
            above = waiting.pop()
            for name in sorted(os.listdir(os.fsencode(self.root) + b"/" + above)):
                path = above + b"/" + name if above else name
                yield path
                if stat.S_ISDIR(os.lstat(self.at(path)).st_mode):
                    waiting.append(path)

    def end(self) -> None:
        """Close every descriptor."""
        for slot in list(self.slots):
            self.close(slot)


def _is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def look(seen: os.stat_result) -> tuple[int, ...]:
    """Return what stat(2) says that is no file system's own affair; times apart."""
    size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
    return seen.st_mode, seen.st_nlink, seen.st_uid, seen.st_gid, size, seen.st_rdev


def list_while_names_go(place: bytes, victims: tuple[bytes, ...]) -> Result:
    """List a directory and remove names meanwhile: what stays is shown, and once."""
    before = set(os.listdir(place))
    with os.scandir(place) as entries:
        found = [next(entries).name] if before else []
        for name in victims:
            if name in before and not os.path.isdir(place + b"/" + name):
                os.unlink(place + b"/" + name)
        found += [entry.name for entry in entries]
    left = set(os.listdir(place))
    return len(found) == len(set(found)), left <= set(found) <= before, tuple(sorted(left))


def change_mapped(fd: int, offset: int, data: bytes, kind: int) -> Result:
    """Read and change a file through a mapping; what lies beyond the end is never touched."""
    seen = os.fstat(fd)
    size = seen.st_size
    if (
        not stat.S_ISREG(seen.st_mode)
        or not data
        or offset + len(data) > size
        or size > _MAPPED_BYTES_MAX
    ):
        return None
    with mmap.mmap(fd, size, flags=kind) as view:
        before = view[:]
        view[offset : offset + len(data)] = data
        after = view[:]
        if kind == mmap.MAP_SHARED:
            view.flush()
    return before, after


def write_direct(place: bytes, page: int, byte: int) -> int | None:
    """Write a page of a regular file with O_DIRECT, from memory aligned as it wants it."""
    if not os.path.isfile(place):
        return None
    fd = os.open(place, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, _PAGE_BYTES) as memory:
            memory[:] = bytes([byte]) * _PAGE_BYTES
            return os.pwrite(fd, memory, page * _PAGE_BYTES)
    finally:
        os.close(fd)
