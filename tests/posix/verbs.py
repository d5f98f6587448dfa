"""Every verb of the differ: what a step means, made on one side."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Final

from tests.posix.people import PEOPLE, acting_as
from tests.posix.sides import (
    Refused,
    Result,
    Side,
    change_mapped,
    list_while_names_go,
    look,
    write_direct,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call: who makes it, on what. A verb uses the fields that it has a use for."""

    verb: str
    person: str = "root"
    path: bytes = b""
    other: bytes = b""
    slot: int = 0
    flags: int = 0
    mode: int = 0
    offset: int = 0
    length: int = 0
    name: bytes = b""
    data: bytes = b""
    uid: int = -1
    gid: int = -1
    times_ns: tuple[int, int] | None = None
    umask: int = 0o022

    def __str__(self) -> str:
        """Show what differs from the defaults, long values cut."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "verb"}
        shown = (f"{name}={_cut(value)}" for name, value in given.items() if value)
        return f"{self.verb} {' '.join(shown)}"


def _cut(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 40:
        return f"{value[:12]!r}*{len(value)}"
    return repr(value)


def _open(side: Side, step: Step) -> Result:
    place = side.at(step.path)
    if os.path.exists(place) and not (os.path.isfile(place) or os.path.isdir(place)):
        return None  # A FIFO would wait, and what a device does is no matter of file systems.
    side.open(step.slot, step.path, step.flags, step.mode)
    return None


def _seek(side: Side, step: Step) -> Result:
    fd = side.fd(step.slot)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return None  # Positions in directories are each file system's own affair.
    return os.lseek(fd, step.offset, step.flags)


def _mapped(side: Side, step: Step) -> Result:
    kind = mmap.MAP_SHARED if step.flags else mmap.MAP_PRIVATE
    seen = change_mapped(side.fd(step.slot), step.offset, step.data, kind)
    if step.flags and seen is not None:
        # A file in the kernel's memory keeps its old time when a mapping changes it.
        os.utime(side.fd(step.slot))
    return seen


def _statvfs(side: Side, step: Step) -> Result:
    seen = os.statvfs(side.at(step.path))
    return seen.f_namemax, seen.f_bavail <= seen.f_bfree <= seen.f_blocks


def _drop_pages(side: Side, step: Step) -> Result:
    os.fsync(side.fd(step.slot))
    os.posix_fadvise(side.fd(step.slot), 0, 0, os.POSIX_FADV_DONTNEED)
    return None


def _copy_range(side: Side, step: Step) -> Result:
    source, target = side.fd(step.slot), side.fd(step.flags)
    return os.copy_file_range(source, target, step.length, step.offset, step.mode)


def _sendfile(side: Side, step: Step) -> Result:
    return os.sendfile(side.fd(step.flags), side.fd(step.slot), step.offset, step.length)


def _open_at(side: Side, step: Step) -> Result:
    folder = side.folder(step.slot)
    with suppress(OSError):
        seen = os.stat(step.path, dir_fd=folder)
        if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
            return None  # As above.
    side.open_below(step.slot, step.path, step.flags, step.mode)
    return None


def _is_removed_directory(fd: int) -> bool:
    """Whether the pool has let go of its attributes; test_not_expressed has it."""
    seen = os.fstat(fd)
    return stat.S_ISDIR(seen.st_mode) and seen.st_nlink == 0


def _set_by_descriptor(side: Side, step: Step) -> Result:
    fd = side.fd(step.slot)
    if not _is_removed_directory(fd):
        os.setxattr(fd, step.name, step.data, step.flags)
    return None


def _get_by_descriptor(side: Side, step: Step) -> Result:
    fd = side.fd(step.slot)
    return None if _is_removed_directory(fd) else os.getxattr(fd, step.name)


Verb = Callable[[Side, Step], Result]

NAME_VERBS: Final[dict[str, Verb]] = {
    "mkdir": lambda side, s: os.mkdir(side.at(s.path), s.mode),
    "rmdir": lambda side, s: os.rmdir(side.at(s.path)),
    "unlink": lambda side, s: os.unlink(side.at(s.path)),
    "rename": lambda side, s: side.rename(s.path, s.other, s.flags),
    "link": lambda side, s: os.link(side.at(s.path), side.at(s.other), follow_symlinks=False),
    "symlink": lambda side, s: os.symlink(s.data, side.at(s.path)),
    "readlink": lambda side, s: os.readlink(side.at(s.path)),
    "mknod": lambda side, s: os.mknod(side.at(s.path), s.mode, s.flags),
    "chmod": lambda side, s: os.chmod(side.at(s.path), s.mode),
    "chown": lambda side, s: os.chown(side.at(s.path), s.uid, s.gid),
    "lchown": lambda side, s: os.lchown(side.at(s.path), s.uid, s.gid),
    "utime": lambda side, s: (
        os.utime(side.at(s.path), ns=s.times_ns, follow_symlinks=False)
        if s.times_ns
        else os.utime(side.at(s.path))
    ),
    "utime_part": lambda side, s: side.set_one_time(s.path, s.flags, s.offset),
    "access": lambda side, s: os.access(side.at(s.path), s.mode, effective_ids=True),
    "stat": lambda side, s: look(os.stat(side.at(s.path))),
    "lstat": lambda side, s: look(os.lstat(side.at(s.path))),
    "list": lambda side, s: tuple(sorted(os.listdir(side.at(s.path) or b"/none"))),
    "list_going": lambda side, s: list_while_names_go(
        side.at(s.path) or b"/none", (s.name, s.other)
    ),
    "setxattr": lambda side, s: os.setxattr(
        side.at(s.path), s.name, s.data, s.flags, follow_symlinks=False
    ),
    "getxattr": lambda side, s: os.getxattr(side.at(s.path), s.name, follow_symlinks=False),
    "listxattr": lambda side, s: tuple(
        sorted(map(os.fsencode, os.listxattr(side.at(s.path), follow_symlinks=False)))
    ),
    "removexattr": lambda side, s: os.removexattr(side.at(s.path), s.name, follow_symlinks=False),
    "truncate": lambda side, s: os.truncate(side.at(s.path), s.length),
    "write_direct": lambda side, s: write_direct(side.at(s.path), s.offset, s.length),
    "statvfs": _statvfs,
    "open": _open,
    "open_folder": lambda side, s: side.open(s.slot, s.path, os.O_RDONLY | os.O_DIRECTORY, 0),
}
"""Verbs that go by a path."""

DESCRIPTOR_VERBS: Final[dict[str, Verb]] = {
    "close": lambda side, s: side.close(s.slot),
    "read": lambda side, s: os.read(side.fd(s.slot), s.length),
    "pread": lambda side, s: os.pread(side.fd(s.slot), s.length, s.offset),
    "write": lambda side, s: os.write(side.fd(s.slot), s.data),
    "pwrite": lambda side, s: os.pwrite(side.fd(s.slot), s.data, s.offset),
    "seek": _seek,
    "ftruncate": lambda side, s: os.ftruncate(side.fd(s.slot), s.length),
    "fsync": lambda side, s: os.fsync(side.fd(s.slot)),
    "fdatasync": lambda side, s: os.fdatasync(side.fd(s.slot)),
    "fchmod": lambda side, s: os.fchmod(side.fd(s.slot), s.mode),
    "fchown": lambda side, s: os.fchown(side.fd(s.slot), s.uid, s.gid),
    "futime": lambda side, s: (
        os.utime(side.fd(s.slot), ns=s.times_ns) if s.times_ns else os.utime(side.fd(s.slot))
    ),
    "fstat": lambda side, s: look(os.fstat(side.fd(s.slot))),
    "mapped": _mapped,
    "copy_range": _copy_range,
    "sendfile": _sendfile,
    "write_behind_all": lambda side, s: os.pwritev(side.fd(s.slot), [s.data], 0, os.RWF_APPEND),
    "fsetxattr": _set_by_descriptor,
    "fgetxattr": _get_by_descriptor,
    "reopen": lambda side, s: side.reopen(s.slot, s.flags),
    "open_at": _open_at,
    "mkdir_at": lambda side, s: os.mkdir(s.path, s.mode, dir_fd=side.folder(s.slot)),
    "unlink_at": lambda side, s: os.unlink(s.path, dir_fd=side.folder(s.slot)),
    "symlink_at": lambda side, s: os.symlink(s.other, s.path, dir_fd=side.folder(s.slot)),
    "rename_at": lambda side, s: os.rename(
        s.path, s.other, src_dir_fd=side.folder(s.slot), dst_dir_fd=side.folder(s.flags)
    ),
    "link_at": lambda side, s: os.link(
        s.path, side.at(s.other), src_dir_fd=side.folder(s.slot), follow_symlinks=False
    ),
    "stat_at": lambda side, s: look(os.stat(s.path, dir_fd=side.folder(s.slot))),
    "drop_pages": _drop_pages,
}
"""Verbs that go by a descriptor."""

VERBS: Final[dict[str, Verb]] = {**NAME_VERBS, **DESCRIPTOR_VERBS}


def make(side: Side, step: Step) -> Result | Refused:
    """Make the call on one side; return what came of it."""
    before = os.umask(step.umask)
    try:
        with acting_as(PEOPLE[step.person]):
            return VERBS[step.verb](side, step)
    except OSError as error:
        return Refused(error.errno or 0)
    finally:
        os.umask(before)
