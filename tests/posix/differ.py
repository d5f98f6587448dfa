"""The same steps on two directories, and the demand that nothing tells them apart.

Compared are: what each call returns or refuses; then of every path its type,
mode, owner, links, size and device, which times the step moved, and to what;
now and then every byte, name and extended attribute.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.posix.generator import LONG_AGO_NS, Generator
from tests.posix.sides import Refused, Result, Side, look
from tests.posix.verbs import Step, make

CLOCK_STEP_NS: Final = 20_000_000
"""Two moments this close may be one to a file system: the kernel's coarse clock ticks."""

DEEP_LOOK_STEPS: Final = 25
"""Every so many steps all bytes and attributes are compared too."""

READING_VERBS: Final = ("read", "pread", "mapped", "copy_range", "sendfile")
SHOWN_BYTES_MAX: Final = 16 << 20
"""Larger files are sparse by far; of those only the beginning is read."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one inode on one side, nanoseconds, and what decides which may move."""

    access: int
    modify: int
    change: int
    size_bytes: int
    is_file: bool

    @classmethod
    def of(cls, seen: os.stat_result) -> Times:
        """Return those in an answer of stat(2)."""
        times = seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns
        return cls(*times, seen.st_size, stat.S_ISREG(seen.st_mode))


class DifferenceError(AssertionError):
    """The two sides can be told apart."""


@dataclass(slots=True)
class Differ:
    """Two sides that get the same calls. ``steps`` is what was done so far."""

    ours: Side
    plain: Side
    steps: list[Step] = field(default_factory=list)
    paths: list[bytes] = field(default_factory=list)
    """What lies on both sides; looking for it would move access times on one only."""
    folders: list[bytes] = field(default_factory=list)
    granted: int = 0
    """Calls that were not refused."""
    _times: dict[tuple[int, int], tuple[Times, Times]] = field(default_factory=dict)

    def fill(self) -> None:
        """Make one of each kind of thing on both sides, open to everybody."""
        for side in (self.ours, self.plain):
            os.chmod(side.root, 0o1777)
            os.makedirs(side.at(b"a/b"))
            for path in (b"a", b"a/b"):
                os.chmod(side.at(path), 0o777)
            for path, count in ((b"b", 7), (b"a/c", 5000), (b"a/b/d", 0)):
                Path(os.fsdecode(side.at(path))).write_bytes(path * count)
                os.chmod(side.at(path), 0o666)
            os.symlink(b"a/c", side.at(b"d"))
            os.symlink(b"loop", side.at(b"loop"))
            os.symlink(b"nowhere", side.at(b"dangling"))
            os.symlink(b"a", side.at(b"here"))
            os.link(side.at(b"b"), side.at(b"a/a"))
        self._compare_stats(0)

    def take(self, step: Step) -> Result | Refused:
        """Make a call on both sides and compare.

        Raises:
            DifferenceError: the outcomes or what lies there differ.
        """
        self.steps.append(step)
        began_ns = time.time_ns()
        wanted, found = make(self.plain, step), make(self.ours, step)
        self._demand_equal(f"result of {step.verb}", found, wanted)
        self.granted += not isinstance(wanted, Refused)
        self._compare_stats(began_ns)
        if len(self.steps) % DEEP_LOOK_STEPS == 0:
            self.compare_contents()
        return wanted

    def run(self, generator: Generator, count: int) -> None:
        """Take *count* steps from *generator*, then look at everything."""
        for _ in range(count):
            self.take(generator.next_step(self.paths, self.folders))
        self.compare_contents()

    # What lies there

    def _compare_stats(self, began_ns: int) -> None:
        paths = list(self.plain.paths())
        self._demand_equal("paths", tuple(self.ours.paths()), tuple(paths))
        self.paths, self.folders = paths, []
        times = {}
        for path in (b".", *paths):
            ours, plain = os.lstat(self.ours.at(path)), os.lstat(self.plain.at(path))
            if path != b".":
                self._demand_equal(f"stat of {path!r}", look(ours), look(plain))
            if stat.S_ISDIR(plain.st_mode) and path != b".":
                self.folders.append(path)
            inodes = ours.st_ino, plain.st_ino
            times[inodes] = Times.of(ours), Times.of(plain)
            before = self._times.get(inodes)
            if before is not None:
                self._compare_times(path, before, times[inodes], began_ns)
        self._demand_equal("links", len(times), len({ours for ours, _ in times}))
        self._times = times

    def _compare_times(
        self,
        path: bytes,
        before: tuple[Times, Times],
        after: tuple[Times, Times],
        began_ns: int,
    ) -> None:
        """Demand that the same times moved, and to the same or to now."""
        for name in ("access", "modify", "change"):
            ours, plain = (getattr(side, name) for side in after)
            earlier = tuple(getattr(side, name) for side in before)
            moved = ours != earlier[0], plain != earlier[1]
            is_old = max(earlier) < began_ns - CLOCK_STEP_NS
            if is_old and not self._may_differ(name, moved, before[0], after[0]):
                self._demand_equal(f"{name} time of {path!r} moved", moved[0], moved[1])
            if plain < LONG_AGO_NS:
                self._demand_equal(f"{name} time of {path!r}", ours, plain)
            elif all(moved):
                is_now = began_ns - CLOCK_STEP_NS <= ours <= time.time_ns()
                self._demand_equal(f"{name} time of {path!r} is now", [is_now], [True])

    def _may_differ(self, name: str, moved: tuple[bool, bool], before: Times, after: Times) -> bool:
        """Whether one side's time may stay where the other's moves."""
        verb = self.steps[-1].verb
        if verb.endswith("setxattr") and moved == (True, False):
            return True  # ext4 saves itself the work where the attribute has that value already.
        if not after.is_file:
            return False
        if name == "access":
            # A read that the kernel answers from its pages is heard of by nobody here, so
            # ours may stay, and move by a later read that no longer moves the other.
            return moved == (False, True) or verb in READING_VERBS
        # The kernel keeps these times itself, and moves them only with the size.
        is_same_size = before.size_bytes == after.size_bytes
        return moved == (False, True) and verb.endswith("truncate") and is_same_size

    def compare_contents(self) -> None:
        """Demand equal bytes, link targets and extended attributes, and honest blocks."""
        for path in self.paths:
            ours, plain = self.ours.at(path), self.plain.at(path)
            for what, show in (("attributes", _attributes), ("content", _content)):
                self._demand_equal(f"{what} of {path!r}", show(ours), show(plain))
            self._check_blocks(ours)
        # Looking moved access times on either side, which is no step's doing.
        self._times.clear()

    def _check_blocks(self, place: bytes) -> None:
        """Every byte that is not zero is stored, and holes are not."""
        seen = os.lstat(place)
        if stat.S_ISREG(seen.st_mode):
            data = _content(place)
            stored = seen.st_blocks * 512
            is_honest = len(data) - data.count(0) <= stored < seen.st_size + 512
            self._demand_equal(f"blocks of {place!r}", [is_honest], [True])

    def _demand_equal(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            last = "\n  ".join(str(step) for step in self.steps[:-12:-1])
            both = f"ours {_brief(found)}, plain {_brief(wanted)}"
            raise DifferenceError(f"{what}: {both}; the last step first:\n  {last}")


def _attributes(place: bytes) -> tuple[tuple[str, bytes], ...]:
    names = sorted(os.listxattr(place, follow_symlinks=False))
    return tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in names)


def _content(place: bytes) -> bytes:
    mode = os.lstat(place).st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(place)
    if not stat.S_ISREG(mode):
        return b""
    with Path(os.fsdecode(place)).open("rb") as file:
        return file.read(SHOWN_BYTES_MAX)


def _brief(value: object) -> str:
    return repr(value)[:700]
