"""Steps from a seed: every verb, three people, names of many shapes, arguments that are refused.

What a step works on is chosen by what lies there when it is made, so equal
seeds give equal steps.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Sequence
from typing import Final

from tests.posix.people import TEAM_GID
from tests.posix.verbs import DESCRIPTOR_VERBS, NAME_VERBS, Step

LONG_AGO_NS: Final = 1_500_000_000_000_000_000
"""Times that steps set lie before this, the clock behind it."""

PATHS_MAX: Final = 40
"""Above so many paths names are mostly taken away."""

SLOTS: Final = range(5)

NAMES: Final = (b"a", b"b", b"c", b"d", b"\xff\xfe\x01", b"with space", b"line\nend", b"...")
NAMES_BELOW: Final = (*NAMES, b".", b"..", b"missing/x", b"n" * 256)
"""What is looked for below a descriptor."""

ODD_ENDS: Final = (b"/", b"/.", b"/..", b"/x", b"/missing/x", b"//b")
ODD_PATHS: Final = (
    b"",
    b"n" * 255,
    b"n" * 256,
    b"missing/x",
    b"loop",
    b"loop/x",
    b"p/" * 2500,
    b".",
    b"dangling",
    b"dangling/",
    b"here/a",
)
TARGETS: Final = (b"a", b"b/c", b"../a", b"nowhere", b".", b"t" * 4095, b"t" * 4096, b"", b"loop")
FILE_MODES: Final = (0o644, 0o600, 0o666, 0o755, 0o4755, 0o2755, 0o6777, 0o1777, 0, 0o070, 0o6666)
DIRECTORY_MODES: Final = (0o755, 0o777, 0o2777, 0o2775, 0o1777, 0o700, 0o750, 0o3777)
KINDS: Final = (
    stat.S_IFREG,
    stat.S_IFIFO,
    stat.S_IFSOCK,
    stat.S_IFCHR,
    stat.S_IFBLK,
    stat.S_IFDIR,
    0,
    0o030000,
)
OPEN_FLAGS: Final = (
    os.O_CREAT,
    os.O_CREAT,
    os.O_CREAT | os.O_EXCL,
    os.O_TRUNC,
    os.O_APPEND,
    os.O_NOFOLLOW,
    os.O_DIRECTORY,
    os.O_SYNC,
    os.O_CREAT | os.O_DIRECTORY,
)
FURTHER_FLAGS: Final = (0, 0, 0, 0, os.O_TRUNC, os.O_APPEND, os.O_EXCL, os.O_NOATIME)
ATTRIBUTES: Final = (
    *(b"user.a", b"user.a", b"user.a", b"user.a", b"user.a", b"user.a", b"user.b", b"user.b"),
    b"user.",
    b"user." + b"x" * 250,
    b"user." + b"x" * 251,
    b"trusted.c",
    b"trusted.",
    b"security.d",
    b"bogus",
    b"bogus.e",
    b"system.f",
    b"",
)
SIZES: Final = (0, 1, 7, 100, 4095, 4096, 5001, 70_001, 300_000)
WHO: Final = ("root", "ann", "ann", "ben")

_WEIGHTED: Final = (
    *NAME_VERBS,
    *DESCRIPTOR_VERBS,
    *("open", "open", "open", "open", "write", "write", "pwrite", "pread", "mkdir", "rename"),
    *("open_folder", "open_folder", "rmdir", "setxattr"),
    *("rename", "link", "chmod", "chown", "unlink", "mkdir", "truncate", "utime", "symlink"),
)


class Generator:
    """An endless source of steps."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._folders: Sequence[bytes] = ()

    def next_step(self, there: Sequence[bytes], folders: Sequence[bytes]) -> Step:
        """Return the next call to make; *folders* are those of *there* that are directories."""
        one = self._random
        self._folders = folders
        verb = one.choice(_WEIGHTED)
        if len(there) > PATHS_MAX:
            verb = one.choice((verb, "unlink", "rmdir"))
        # Who maps and may not set times would leave them as the file system has them.
        person = one.choice(WHO) if verb != "mapped" else "root"
        is_time_set = one.random() < 0.6
        mode = self._mode(verb)
        return Step(
            verb=verb,
            person=person,
            path=self._path_of(verb, there),
            other=self._path(there, 0.6)
            if verb not in ("list_going", "rename_at")
            else one.choice(NAMES),
            slot=one.choice(SLOTS),
            flags=self._flags(verb),
            mode=mode,
            offset=one.choice(SIZES) if verb != "write_direct" else one.randrange(4),
            length=self._length(verb),
            name=one.choice(NAMES if verb == "list_going" else ATTRIBUTES),
            data=self._data(verb),
            uid=one.choice((-1, -1, 0, 1001, 1002)),
            gid=one.choice((-1, -1, 0, 1001, TEAM_GID)),
            times_ns=(one.randrange(LONG_AGO_NS), one.randrange(LONG_AGO_NS))
            if is_time_set
            else None,
            umask=one.choice((0o022, 0o022, 0, 0o077)),
        )

    def _path_of(self, verb: str, there: Sequence[bytes]) -> bytes:
        if verb.endswith("_at"):
            return self._random.choice(NAMES_BELOW)
        if verb == "open_folder" and self._folders:
            return self._random.choice(self._folders)
        return self._path(there, self._share_of_new(verb))

    def _share_of_new(self, verb: str) -> float:
        return {"mkdir": 0.7, "mknod": 0.7, "symlink": 0.7, "open": 0.3}.get(verb, 0.05)

    def _path(self, there: Sequence[bytes], share_of_new: float) -> bytes:
        one = self._random
        kind = one.random()
        if kind < 0.06:
            return one.choice(ODD_PATHS)
        if kind < 0.14 and there:
            return one.choice(there) + one.choice(ODD_ENDS)
        if one.random() < share_of_new or not there:
            folder = one.choice([b"", *self._folders])
            name = one.choice(NAMES)
            return folder + b"/" + name if folder else name
        return one.choice(there)

    def _flags(self, verb: str) -> int:
        one = self._random
        match verb:
            case "open" | "open_at" | "reopen":
                access = one.choice((os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR))
                return int(access | one.choice((0, *OPEN_FLAGS)) | one.choice(FURTHER_FLAGS))
            case "rename":
                return one.choice((0, 0, 0, 1, 2, 2, 3, 8))
            case "setxattr" | "fsetxattr":
                return one.choice((0, 0, os.XATTR_CREATE, os.XATTR_REPLACE))
            case "mknod":
                return os.makedev(7, one.choice((0, 300)))
            case "seek":
                return one.choice((os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, 9))
            case "copy_range" | "sendfile" | "rename_at":
                return one.choice(SLOTS)
            case _:
                return one.randrange(2)

    def _mode(self, verb: str) -> int:
        one = self._random
        match verb:
            case "mkdir" | "mkdir_at":
                return one.choice(DIRECTORY_MODES)
            case "mknod":
                return one.choice(KINDS) | one.choice(FILE_MODES)
            case "access":
                return one.choice((os.F_OK, os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.W_OK))
            case "copy_range":
                return one.choice(SIZES)
            case _:
                return one.choice(FILE_MODES + DIRECTORY_MODES)

    def _length(self, verb: str) -> int:
        one = self._random
        if verb in ("truncate", "ftruncate"):
            return one.choice((*SIZES, *SIZES, -1, 2**40 + 1))
        return one.choice(SIZES) if verb != "write_direct" else one.randrange(1, 256)

    def _data(self, verb: str) -> bytes:
        one = self._random
        if verb == "symlink":
            return one.choice(TARGETS)
        if verb in ("setxattr", "fsetxattr"):
            return bytes([one.randrange(256)]) * one.choice((0, 1, 9, 300, 65_537))
        return bytes([one.randrange(1, 256)]) * one.choice(SIZES)
