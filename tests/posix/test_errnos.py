"""What each verb is refused with, by name: the mount and a plain directory agree with the table.

The table is of the manual pages and of what Linux file systems do where those
leave a choice. The plain directory proves the table, the mount is what is tested.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.posix.people import ANN, BEN, ROOT, Person, acting_as
from tests.posix.sides import Side

pytestmark = pytest.mark.fuse

NOREPLACE, EXCHANGE, UNKNOWN = 1, 2, 8
Call = Callable[[Side], object]
Row = tuple[str, Person, Call, int]


def _furnish(side: Side) -> None:
    """Make what the rows of the table name; all is root's unless a name says otherwise."""
    root = Path(os.fsdecode(side.root))
    for name in ("dir", "full", "full/inner", "deep", "deep/below", "shut", "sticky", "open"):
        (root / name).mkdir()
    for name in ("file", "other", "shut/file", "sticky/ben", "dir/file", "full/inner/x"):
        (root / name).write_bytes(b"content")
    (root / "shut").chmod(0o700)
    (root / "sticky").chmod(0o1777)
    (root / "open").chmod(0o777)
    (root / "secret").write_bytes(b"secret")
    (root / "secret").chmod(0o600)
    os.chown(root / "sticky" / "ben", BEN.uid, BEN.gid)
    (root / "link").symlink_to("file")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "fifo")


def _open(path: bytes, flags: int) -> Call:
    return lambda side: os.close(os.open(side.at(path), flags))


def _with(path: bytes, flags: int, act: Callable[[int], object]) -> Call:
    def call(side: Side) -> object:
        fd = os.open(side.at(path), flags)
        try:
            return act(fd)
        finally:
            os.close(fd)

    return call


def _rename(old: bytes, new: bytes, flags: int = 0) -> Call:
    return lambda side: side.rename(old, new, flags)


LONG: Final = b"n" * 256

TABLE: Final[tuple[Row, ...]] = (
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"file")), errno.EEXIST),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"dangling")), errno.EEXIST),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"file/x")), errno.ENOTDIR),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"no/x")), errno.ENOENT),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(LONG)), errno.ENAMETOOLONG),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"loop/x")), errno.ELOOP),
    ("mkdir", ROOT, lambda s: os.mkdir(s.at(b"dir/..")), errno.EEXIST),
    ("mkdir", ANN, lambda s: os.mkdir(s.at(b"dir/x")), errno.EACCES),
    ("mkdir", ANN, lambda s: os.mkdir(s.at(b"shut/x")), errno.EACCES),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"file")), errno.ENOTDIR),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"full")), errno.ENOTEMPTY),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"dir/.")), errno.EINVAL),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"dir/..")), errno.ENOTEMPTY),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"no")), errno.ENOENT),
    ("rmdir", ROOT, lambda s: os.rmdir(s.at(b"link")), errno.ENOTDIR),
    ("rmdir", ANN, lambda s: os.rmdir(s.at(b"deep/below")), errno.EACCES),
    ("unlink", ROOT, lambda s: os.unlink(s.at(b"dir")), errno.EISDIR),
    ("unlink", ROOT, lambda s: os.unlink(s.at(b"no")), errno.ENOENT),
    ("unlink", ROOT, lambda s: os.unlink(s.at(b"file/x")), errno.ENOTDIR),
    ("unlink", ROOT, lambda s: os.unlink(s.at(b"file/")), errno.ENOTDIR),
    ("unlink", ANN, lambda s: os.unlink(s.at(b"sticky/ben")), errno.EPERM),
    ("unlink", ANN, lambda s: os.unlink(s.at(b"dir/file")), errno.EACCES),
    ("rename", ROOT, _rename(b"no", b"x"), errno.ENOENT),
    ("rename", ROOT, _rename(b"dir", b"file"), errno.ENOTDIR),
    ("rename", ROOT, _rename(b"file", b"dir"), errno.EISDIR),
    ("rename", ROOT, _rename(b"dir", b"full"), errno.ENOTEMPTY),
    ("rename", ROOT, _rename(b"deep", b"deep/below/x"), errno.EINVAL),
    ("rename", ROOT, _rename(b"deep/below", b"deep"), errno.ENOTEMPTY),
    ("rename", ROOT, _rename(b"file", b"x/"), errno.ENOTDIR),
    ("rename", ROOT, _rename(b"file", LONG), errno.ENAMETOOLONG),
    ("rename", ROOT, _rename(b"dir/.", b"x"), errno.EBUSY),
    ("rename", ROOT, _rename(b"file", b"other", NOREPLACE), errno.EEXIST),
    ("rename", ROOT, _rename(b"file", b"no", EXCHANGE), errno.ENOENT),
    ("rename", ROOT, _rename(b"deep", b"deep/below", EXCHANGE), errno.EINVAL),
    ("rename", ROOT, _rename(b"file", b"x", NOREPLACE | EXCHANGE), errno.EINVAL),
    ("rename", ROOT, _rename(b"file", b"x", UNKNOWN), errno.EINVAL),
    ("rename", ANN, _rename(b"sticky/ben", b"open/x"), errno.EPERM),
    ("rename", ANN, _rename(b"dir/file", b"open/x"), errno.EACCES),
    ("link", ROOT, lambda s: os.link(s.at(b"dir"), s.at(b"x")), errno.EPERM),
    ("link", ROOT, lambda s: os.link(s.at(b"file"), s.at(b"other")), errno.EEXIST),
    ("link", ROOT, lambda s: os.link(s.at(b"no"), s.at(b"x")), errno.ENOENT),
    ("link", ROOT, lambda s: os.link(s.at(b"file"), s.at(b"other/x")), errno.ENOTDIR),
    ("link", ROOT, lambda s: os.link(s.at(b"file"), s.at(LONG)), errno.ENAMETOOLONG),
    ("symlink", ROOT, lambda s: os.symlink(b"t", s.at(b"file")), errno.EEXIST),
    ("symlink", ROOT, lambda s: os.symlink(b"", s.at(b"x")), errno.ENOENT),
    ("symlink", ROOT, lambda s: os.symlink(b"t" * 4096, s.at(b"x")), errno.ENAMETOOLONG),
    ("readlink", ROOT, lambda s: os.readlink(s.at(b"file")), errno.EINVAL),
    ("readlink", ROOT, lambda s: os.readlink(s.at(b"dir")), errno.EINVAL),
    ("mknod", ROOT, lambda s: os.mknod(s.at(b"file"), stat.S_IFIFO), errno.EEXIST),
    ("mknod", ANN, lambda s: os.mknod(s.at(b"open/x"), stat.S_IFCHR, 1), errno.EPERM),
    ("mknod", ROOT, lambda s: os.mknod(s.at(b"x"), stat.S_IFDIR), errno.EPERM),
    ("open", ROOT, _open(b"no", os.O_RDONLY), errno.ENOENT),
    ("open", ROOT, _open(b"dir", os.O_WRONLY), errno.EISDIR),
    ("open", ROOT, _open(b"dir", os.O_RDONLY | os.O_CREAT), errno.EISDIR),
    ("open", ROOT, _open(b"file", os.O_CREAT | os.O_EXCL), errno.EEXIST),
    ("open", ROOT, _open(b"dangling", os.O_CREAT | os.O_EXCL), errno.EEXIST),
    ("open", ROOT, _open(b"file", os.O_DIRECTORY), errno.ENOTDIR),
    ("open", ROOT, _open(b"link", os.O_NOFOLLOW), errno.ELOOP),
    ("open", ROOT, _open(b"loop", os.O_RDONLY), errno.ELOOP),
    ("open", ROOT, _open(b"file/", os.O_RDONLY), errno.ENOTDIR),
    ("open", ROOT, _open(b"x/", os.O_WRONLY | os.O_CREAT), errno.EISDIR),
    ("open", ROOT, _open(b"fifo", os.O_WRONLY | os.O_NONBLOCK), errno.ENXIO),
    ("open", ANN, _open(b"secret", os.O_RDONLY), errno.EACCES),
    ("open", ANN, _open(b"file", os.O_RDONLY | os.O_TRUNC), errno.EACCES),
    ("open", ANN, _open(b"file", os.O_RDONLY | os.O_NOATIME), errno.EPERM),
    ("open", ANN, _open(b"sticky/ben", os.O_WRONLY | os.O_CREAT), errno.EACCES),
    ("truncate", ROOT, lambda s: os.truncate(s.at(b"dir"), 0), errno.EISDIR),
    ("truncate", ROOT, lambda s: os.truncate(s.at(b"file"), -1), errno.EINVAL),
    ("truncate", ROOT, lambda s: os.truncate(s.at(b"fifo"), 0), errno.EINVAL),
    ("truncate", ANN, lambda s: os.truncate(s.at(b"file"), 0), errno.EACCES),
    ("ftruncate", ROOT, _with(b"file", os.O_RDONLY, lambda fd: os.ftruncate(fd, 0)), errno.EINVAL),
    ("read", ROOT, _with(b"dir", os.O_RDONLY, lambda fd: os.read(fd, 1)), errno.EISDIR),
    ("read", ROOT, _with(b"file", os.O_WRONLY, lambda fd: os.read(fd, 1)), errno.EBADF),
    ("read", ROOT, _with(b"file", os.O_RDONLY, lambda fd: os.pread(fd, 1, -1)), errno.EINVAL),
    ("write", ROOT, _with(b"file", os.O_RDONLY, lambda fd: os.write(fd, b"x")), errno.EBADF),
    (
        "write",
        ROOT,
        _with(b"file", os.O_WRONLY, lambda fd: os.pwrite(fd, b"xy", 2**63 - 1)),
        errno.EINVAL,
    ),
    ("seek", ROOT, _with(b"file", os.O_RDONLY, lambda fd: os.lseek(fd, -1, 0)), errno.EINVAL),
    ("seek", ROOT, _with(b"file", os.O_RDONLY, lambda fd: os.lseek(fd, 8, 3)), errno.ENXIO),
    ("chmod", ANN, lambda s: os.chmod(s.at(b"file"), 0o666), errno.EPERM),
    ("chmod", ROOT, lambda s: os.chmod(s.at(b"dangling"), 0), errno.ENOENT),
    ("chown", ANN, lambda s: os.chown(s.at(b"file"), ANN.uid, -1), errno.EPERM),
    ("chown", BEN, lambda s: os.chown(s.at(b"sticky/ben"), -1, ANN.gid), errno.EPERM),
    ("utime", ANN, lambda s: os.utime(s.at(b"file"), (1, 1)), errno.EPERM),
    ("utime", ANN, lambda s: os.utime(s.at(b"file")), errno.EACCES),
    ("setxattr", ROOT, lambda s: os.setxattr(s.at(b"file"), b"bogus", b""), errno.EOPNOTSUPP),
    ("setxattr", ROOT, lambda s: os.setxattr(s.at(b"file"), b"user.", b""), errno.EINVAL),
    (
        "setxattr",
        ROOT,
        lambda s: os.setxattr(s.at(b"file"), b"user." + b"x" * 251, b""),
        errno.ERANGE,
    ),
    (
        "setxattr",
        ROOT,
        lambda s: os.setxattr(s.at(b"file"), b"user.a", b"", os.XATTR_REPLACE),
        errno.ENODATA,
    ),
    (
        "setxattr",
        ROOT,
        lambda s: os.setxattr(s.at(b"file"), b"user.a", bytes(65_537)),
        errno.E2BIG,
    ),
    ("setxattr", ROOT, lambda s: os.setxattr(s.at(b"fifo"), b"user.a", b""), errno.EPERM),
    (
        "setxattr",
        ROOT,
        lambda s: os.setxattr(s.at(b"link"), b"user.a", b"", follow_symlinks=False),
        errno.EPERM,
    ),
    ("setxattr", ANN, lambda s: os.setxattr(s.at(b"file"), b"user.a", b""), errno.EACCES),
    ("setxattr", ANN, lambda s: os.setxattr(s.at(b"open"), b"trusted.a", b""), errno.EPERM),
    ("getxattr", ROOT, lambda s: os.getxattr(s.at(b"file"), b"user.no"), errno.ENODATA),
    ("getxattr", ANN, lambda s: os.getxattr(s.at(b"open"), b"trusted.a"), errno.ENODATA),
    ("removexattr", ROOT, lambda s: os.removexattr(s.at(b"file"), b"user.no"), errno.ENODATA),
    ("listxattr", ROOT, lambda s: os.listxattr(s.at(b"no")), errno.ENOENT),
    ("list", ROOT, lambda s: os.listdir(s.at(b"file")), errno.ENOTDIR),
    ("list", ANN, lambda s: os.listdir(s.at(b"shut")), errno.EACCES),
    ("statvfs", ROOT, lambda s: os.statvfs(s.at(b"no")), errno.ENOENT),
)


def _refusal(row: Row, side: Side) -> str:
    _, person, call, _ = row
    try:
        with acting_as(person):
            call(side)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


@pytest.mark.parametrize("verb", sorted({row[0] for row in TABLE}))
def test_a_verb_is_refused_with_the_errno_of_linux(verb: str, folder: Path, plain: Path) -> None:
    rows = [row for row in TABLE if row[0] == verb]
    wanted = [errno.errorcode[row[3]] for row in rows]
    ours, theirs = Side(folder), Side(plain)
    for side in (theirs, ours):
        _furnish(side)

    found = {side.root: [_refusal(row, side) for row in rows] for side in (theirs, ours)}

    assert found[plain] == wanted, "the table is wrong, or the plain file system is another one"
    assert found[folder] == wanted
