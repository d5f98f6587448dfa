"""What the kernel's mount table says, and how a mount is taken away.

The table is read from ``/proc``, never through the mount: any look at a mount
whose server is stuck blocks for good.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")
CONNECTIONS: Final = Path("/sys/fs/fuse/connections")
KIND: Final = "fuse.dynamicfs"
"""What the mount table calls our mounts; the subtype given when mounting."""

FUSERMOUNT_S: Final = 10.0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.umount2.restype = ctypes.c_int
_libc.syncfs.argtypes = (ctypes.c_int,)
_libc.syncfs.restype = ctypes.c_int


class Detach(Enum):
    """How to unmount. Values are flags of umount2(2)."""

    WHEN_UNUSED = 0
    """Writes dirty data out first; refuses while files are open."""
    ABORTING = 1
    """Ends the connection first, in use or not; root only."""
    NOW = 2
    """Takes the name away at once; open files live on while they are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One line of mountinfo. ``device`` is ``major:minor``."""

    device: str
    mountpoint: str
    kind: str
    source: str


def read_mounts() -> list[MountEntry]:
    """Return every mount of this namespace, later ones last."""
    return [parse_mount(line) for line in MOUNTINFO.read_text().splitlines()]


def parse_mount(line: str) -> MountEntry:
    r"""Read one line of mountinfo.

    >>> parse_mount(r"36 35 0:57 / /a\040b rw - fuse.dynamicfs dynamicfs:tank rw").mountpoint
    '/a b'
    """
    left, _, right = line.partition(" - ")
    fields = left.split()
    kind, source = right.split()[:2]
    return MountEntry(
        device=fields[2], mountpoint=_unescape(fields[4]), kind=kind, source=_unescape(source)
    )


def find_mount(mountpoint: str) -> MountEntry | None:
    """Return the uppermost mount at exactly *mountpoint* (a resolved path)."""
    found = [entry for entry in read_mounts() if entry.mountpoint == mountpoint]
    return found[-1] if found else None


def is_mounted(mountpoint: str, device: str) -> bool:
    """Whether *device*, and nothing that came after it, is mounted there."""
    entry = find_mount(mountpoint)
    return entry is not None and entry.device == device


def detach(mountpoint: str, how: Detach) -> int:
    """Unmount; return 0 or the errno. Blocks while dirty data is written out.

    Without the right to unmount, asks fusermount3, which has it for mounts of
    its own user.
    """
    if os.geteuid() == 0:
        done = _libc.umount2(os.fsencode(mountpoint), how.value) == 0
        return 0 if done else ctypes.get_errno()
    options = "-uz" if how is Detach.NOW else "-u"
    return subprocess.run(
        ["fusermount3", options, "--", mountpoint],
        capture_output=True,
        timeout=FUSERMOUNT_S,
        check=False,
    ).returncode


def detach_or_raise(mountpoint: str, how: Detach) -> None:
    """Unmount as ``detach`` does; raise OSError when refused.

    fusermount3 does not say why it refused; in use is by far the most likely.
    """
    failure = detach(mountpoint, how)
    if failure:
        number = failure if os.geteuid() == 0 else errno.EBUSY
        raise OSError(number, os.strerror(number), mountpoint)


def write_out(mountpoint: str) -> None:
    """Have the kernel send its dirty pages to the server (syncfs(2)).

    pyfuse3's own syncfs keeps the interpreter lock, which on one's own mount
    is a deadlock (trap 12); this one gives it up.
    """
    descriptor = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), mountpoint)
    finally:
        os.close(descriptor)


def abort_connection(device: str, mountpoint: str) -> None:
    """End the connection whatever the server does; every waiting client gets an error.

    Where the kernel's list of connections is not mounted, a forced unmount
    does the same (do_umount calls umount_begin, which aborts, before it looks
    whether the mount is in use). May leave the mount in the table (trap 14).

    Raises:
        OSError: no right to, or there is no such connection.
    """
    try:
        (CONNECTIONS / device.partition(":")[2] / "abort").write_text("1")
    except FileNotFoundError:
        if not is_mounted(mountpoint, device):
            raise
        detach(mountpoint, Detach.ABORTING)


def probe(mountpoint: str, limit_s: float) -> BaseException | None:
    """Return None if the mount answers, ENOTCONN's error if its server is dead,
    TimeoutError if it is stuck.

    statfs is what always becomes a request: attributes may come from the
    kernel's cache long after the server died.
    """
    return call_with_limit(lambda: os.statvfs(mountpoint), limit_s)


def call_with_limit(function: Callable[[], object], limit_s: float) -> BaseException | None:
    """Run *function* on a thread of its own; return what it raised, if anything.

    Returns TimeoutError when it takes longer than *limit_s* seconds; the thread
    is then left behind, since nothing ends a call that is stuck in the kernel.
    """
    outcome: list[BaseException | None] = []

    def run() -> None:
        try:
            function()
        except Exception as error:  # handed to the caller
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=run, name="mount-probe", daemon=True)
    thread.start()
    thread.join(limit_s)
    return outcome[0] if outcome else TimeoutError(f"no answer in {limit_s} s")


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
