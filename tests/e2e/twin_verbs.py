"""What programs do to a directory, as rules: each on ours and on a plain one beside it."""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.e2e.twins import LONG_AGO_NS, SLOTS, Side, Twins

TOO_LONG: Final = "n" * 256
COMPONENTS = st.sampled_from(["a", "b", "c", "d"])
ODD = ["a/", "b/.", "a/..", "d/a", TOO_LONG, "n" * 255]


@dataclass(frozen=True, slots=True)
class Pick:
    """Which path a step means; resolved when it runs, by what is there then."""

    what: str
    number: int
    name: str


PATHS = st.builds(
    Pick,
    what=st.sampled_from(["there", "there", "there", "new", "odd"]),
    number=st.integers(0, 30),
    name=COMPONENTS,
)
NEW_PATHS = st.builds(
    Pick,
    what=st.sampled_from(["there", "new", "new", "new", "odd"]),
    number=st.integers(0, 30),
    name=COMPONENTS,
)
FILES = st.builds(
    Pick,
    what=st.sampled_from(["file", "file", "file", "file", "there", "odd"]),
    number=st.integers(0, 30),
    name=COMPONENTS,
)
SLOT = st.sampled_from(list(SLOTS))
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o2644, 0o1777, 0, 0o4755, 0o6755])
DIRECTORY_MODES = st.sampled_from([0o755, 0o2755, 0o1777, 0o700])
OFFSETS = st.one_of(st.integers(0, 40), st.sampled_from([4095, 4096, 9001, 131_071, 300_001]))
LENGTHS = st.one_of(st.integers(0, 40), st.sampled_from([4096, 70_001, 400_000]))
DATA = st.one_of(
    st.binary(max_size=20),
    st.builds(
        lambda byte, count: bytes([byte]) * count,
        st.integers(1, 255),
        st.sampled_from([4096, 5001, 70_000, 300_000]),
    ),
)
ACCESS = st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR])
FLAGS = st.sets(
    st.sampled_from(
        [
            os.O_CREAT,
            os.O_EXCL,
            os.O_TRUNC,
            os.O_APPEND,
            os.O_NOFOLLOW,
            os.O_DIRECTORY,
            os.O_SYNC,
        ]
    ),
    max_size=2,
)
TIMES = st.integers(0, LONG_AGO_NS - 1)
ATTRIBUTES = st.sampled_from(["user.a", "user.b", "trusted.c", "user." + "x" * 251, "bogus"])
SPECIAL = st.sampled_from([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFREG, stat.S_IFBLK])
_DIRECT_BYTES: Final = 4096


class TwinMachine(RuleBasedStateMachine):
    """Two directories with a few things in them to begin with."""

    twins: Twins

    def fill(self) -> None:
        """Make a directory of each kind of thing, so that steps have something to work on."""
        for side in (self.twins.ours, self.twins.theirs):
            os.makedirs(side.at("a/b"))
            for path, count in (("b", 7), ("a/c", 5000), ("a/b/d", 0)):
                Path(side.at(path)).write_bytes(path.encode() * count)
            os.symlink("a/c", side.at("d"))
            os.link(side.at("b"), side.at("a/a"))

    def path(self, pick: Pick) -> str:
        """Return the path a step means: something there, or a name that may be free."""
        if pick.what == "odd":
            return ODD[pick.number % len(ODD)]
        side = self.twins.theirs
        there = list(side.paths())
        if pick.what == "new":
            there = [path for path in there if os.path.isdir(side.at(path))]
        if pick.what == "file":
            there = [path for path in there if os.path.isfile(side.at(path))] or there
        path = there[pick.number % len(there)]
        # The first one is the top itself, whose name is not the machine's to change.
        return path if path and pick.what != "new" else f"{path}/{pick.name}"


class NameVerbs(TwinMachine):
    """Names, links, modes, times and attributes."""

    @rule(path=NEW_PATHS, mode=DIRECTORY_MODES)
    def mkdir(self, path: Pick, mode: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.mkdir(side.at(place), mode))

    @rule(path=PATHS)
    def rmdir(self, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.rmdir(side.at(place)))

    @rule(path=PATHS)
    def unlink(self, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.unlink(side.at(place)))

    @rule(old=PATHS, new=NEW_PATHS)
    def rename(self, old: Pick, new: Pick) -> None:
        source = self.path(old)
        into = self.path(new)
        self.twins.same(lambda side: os.rename(side.at(source), side.at(into)))

    @rule(old=PATHS, new=NEW_PATHS, flags=st.sampled_from([1, 2, 2, 3]))
    def rename_with_flags(self, old: Pick, new: Pick, flags: int) -> None:
        """1 is RENAME_NOREPLACE, 2 RENAME_EXCHANGE; together they are refused."""
        source = self.path(old)
        into = self.path(new)
        self.twins.same(lambda side: side.rename2(source, into, flags))

    @rule(old=PATHS, new=NEW_PATHS)
    def link(self, old: Pick, new: Pick) -> None:
        source = self.path(old)
        into = self.path(new)
        self.twins.same(lambda side: os.link(side.at(source), side.at(into), follow_symlinks=False))

    @rule(path=NEW_PATHS, leads_to=st.sampled_from(["a", "b/c", "../a", "nowhere", "t" * 4095]))
    def symlink(self, path: Pick, leads_to: str) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.symlink(leads_to, side.at(place)))

    @rule(path=PATHS)
    def readlink(self, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.readlink(side.at(place)))

    @rule(path=NEW_PATHS, kind=SPECIAL, mode=MODES)
    def mknod(self, path: Pick, kind: int, mode: int) -> None:
        place = self.path(path)
        device = os.makedev(7, 300) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
        self.twins.same(lambda side: os.mknod(side.at(place), kind | mode, device))

    @rule(path=PATHS, mode=MODES)
    def chmod(self, path: Pick, mode: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.chmod(side.at(place), mode))

    @rule(path=PATHS, uid=st.sampled_from([-1, 0, 7]), gid=st.sampled_from([-1, 0, 9]))
    def lchown(self, path: Pick, uid: int, gid: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.lchown(side.at(place), uid, gid))

    @rule(path=PATHS, atime=TIMES, mtime=TIMES)
    def utime(self, path: Pick, atime: int, mtime: int) -> None:
        place = self.path(path)

        def set_and_look(side: Side) -> tuple[int, int]:
            os.utime(side.at(place), ns=(atime, mtime), follow_symlinks=False)
            seen = os.lstat(side.at(place))
            return seen.st_atime_ns, seen.st_mtime_ns

        self.twins.same(set_and_look)

    @rule(path=PATHS)
    def touch(self, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.utime(side.at(place)))

    @rule(path=PATHS, mode=st.sampled_from([os.F_OK, os.R_OK, os.W_OK, os.X_OK]))
    def access(self, path: Pick, mode: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.access(side.at(place), mode))

    @rule(
        path=PATHS,
        name=ATTRIBUTES,
        value=st.binary(max_size=9),
        flags=st.sampled_from([0, 0, os.XATTR_CREATE, os.XATTR_REPLACE]),
    )
    def setxattr(self, path: Pick, name: str, value: bytes, flags: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.setxattr(side.at(place), name, value, flags))

    @rule(path=PATHS, name=ATTRIBUTES)
    def getxattr(self, path: Pick, name: str) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.getxattr(side.at(place), name))

    @rule(path=PATHS, name=ATTRIBUTES)
    def removexattr(self, path: Pick, name: str) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.removexattr(side.at(place), name))

    @rule(path=PATHS)
    def listdir(self, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: sorted(os.listdir(side.at(place))))

    @rule(path=PATHS, names=st.lists(COMPONENTS, max_size=3))
    def list_while_names_go(self, path: Pick, names: list[str]) -> None:
        """A listing under way shows what stays, once, whatever goes meanwhile."""
        place = self.path(path)

        def listing(side: Side) -> set[str]:
            before = set(os.listdir(side.at(place)))
            with os.scandir(side.at(place)) as entries:
                found = [next(entries).name] if before else []
                for name in names:
                    if name in before and not os.path.isdir(f"{side.at(place)}/{name}"):
                        os.unlink(f"{side.at(place)}/{name}")
                found += [entry.name for entry in entries]
            assert len(found) == len(set(found))
            left = set(os.listdir(side.at(place)))
            assert left <= set(found) <= before
            return left

        self.twins.same(listing)


class DataVerbs(TwinMachine):
    """Descriptors, bytes and sizes."""

    @rule(slot=SLOT, path=FILES, access=ACCESS, flags=FLAGS, mode=MODES)
    def open(self, slot: int, path: Pick, access: int, flags: set[int], mode: int) -> None:
        place = self.path(path)
        wanted = access | sum(flags)
        self.twins.same(lambda side: self._open(side, slot, place, wanted, mode))

    def _open(self, side: Side, slot: int, place: str, flags: int, mode: int) -> None:
        side.close(slot)
        if _is_file_or_directory(side.at(place)):
            side.open(slot, place, flags, mode)

    @rule(slot=SLOT, path=FILES)
    def create(self, slot: int, path: Pick) -> None:
        place = self.path(path)
        self.twins.same(lambda side: self._open(side, slot, place, os.O_RDWR | os.O_CREAT, 0o644))

    @rule(slot=SLOT)
    def close(self, slot: int) -> None:
        self.twins.same(lambda side: side.close(slot))

    @rule(slot=SLOT, offset=OFFSETS, length=LENGTHS)
    def pread(self, slot: int, offset: int, length: int) -> None:
        self.twins.same(lambda side: os.pread(side.fd(slot), length, offset))

    @rule(slot=SLOT, offset=OFFSETS, data=DATA)
    def pwrite(self, slot: int, offset: int, data: bytes) -> None:
        self.twins.same(lambda side: os.pwrite(side.fd(slot), data, offset))

    @rule(slot=SLOT, data=DATA)
    def write(self, slot: int, data: bytes) -> None:
        self.twins.same(lambda side: os.write(side.fd(slot), data))

    @rule(slot=SLOT, length=LENGTHS)
    def read(self, slot: int, length: int) -> None:
        self.twins.same(lambda side: os.read(side.fd(slot), length))

    @rule(slot=SLOT, offset=OFFSETS, whence=st.sampled_from([os.SEEK_SET, os.SEEK_END]))
    def seek(self, slot: int, offset: int, whence: int) -> None:
        self.twins.same(lambda side: _seek_file(side.fd(slot), offset, whence))

    @rule(slot=SLOT, size=OFFSETS)
    def ftruncate(self, slot: int, size: int) -> None:
        self.twins.same(lambda side: os.ftruncate(side.fd(slot), size))

    @rule(path=FILES, size=OFFSETS)
    def truncate(self, path: Pick, size: int) -> None:
        place = self.path(path)
        self.twins.same(lambda side: os.truncate(side.at(place), size))

    @rule(slot=SLOT)
    def fsync(self, slot: int) -> None:
        self.twins.same(lambda side: os.fsync(side.fd(slot)))

    @rule(slot=SLOT)
    def fdatasync(self, slot: int) -> None:
        self.twins.same(lambda side: os.fdatasync(side.fd(slot)))

    @rule(slot=SLOT)
    def forget_cached_pages(self, slot: int) -> None:
        """Write out and drop what the kernel caches, so that reads ask the pool."""

        def drop(side: Side) -> None:
            os.fsync(side.fd(slot))
            os.posix_fadvise(side.fd(slot), 0, 0, os.POSIX_FADV_DONTNEED)

        self.twins.same(drop)

    @rule(slot=SLOT, other=SLOT, length=LENGTHS, at=OFFSETS, to=OFFSETS)
    def copy_range(self, slot: int, other: int, length: int, at: int, to: int) -> None:
        self.twins.same(
            lambda side: os.copy_file_range(side.fd(slot), side.fd(other), length, at, to)
        )

    @rule(slot=SLOT)
    def fstat(self, slot: int) -> None:
        def look(side: Side) -> tuple[int, int, int]:
            seen = os.fstat(side.fd(slot))
            size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
            return seen.st_mode, seen.st_nlink, size

        self.twins.same(look)

    @rule(path=FILES, pages=st.integers(0, 3), byte=st.integers(0, 255))
    def write_direct(self, path: Pick, pages: int, byte: int) -> None:
        """O_DIRECT wants aligned memory, which an anonymous mapping is."""
        place = self.path(path)
        self.twins.same(lambda side: _write_direct(side.at(place), pages, byte))

    @rule(path=FILES, offset=st.integers(0, 5000), data=st.binary(min_size=1, max_size=9))
    def write_mapped(self, path: Pick, offset: int, data: bytes) -> None:
        place = self.path(path)

        def change(side: Side) -> bytes:
            size = os.stat(side.at(place)).st_size if _is_file(side.at(place)) else 0
            room = size - len(data)
            if room <= 0:
                return b""
            before = side.write_mapped(place, offset % room, data)
            # Files in the kernel's memory keep their old time when a mapping changes them.
            os.utime(side.at(place))
            return before

        self.twins.same(change)

    @invariant()
    def both_sides_show_the_same(self) -> None:
        self.twins.compare()

    @rule()
    def links_are_the_same(self) -> None:
        self.twins.compare_inodes()


def _is_file(place: str) -> bool:
    return os.path.isfile(place)


def _is_file_or_directory(place: str) -> bool:
    """Whether it is no device, FIFO or socket; what is nothing is fine, too."""
    return not os.path.exists(place) or os.path.isfile(place) or os.path.isdir(place)


def _seek_file(fd: int, offset: int, whence: int) -> int:
    """Positions in directories are each file system's own affair."""
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return 0
    return os.lseek(fd, offset, whence)


def _write_direct(place: str, pages: int, byte: int) -> int:
    if not _is_file(place):
        return 0
    fd = os.open(place, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, _DIRECT_BYTES) as page:
            page[:] = bytes([byte]) * _DIRECT_BYTES
            return os.pwrite(fd, page, pages * _DIRECT_BYTES)
    finally:
        os.close(fd)
