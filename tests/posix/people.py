"""Who makes a call: root, and two users who share a group.

Identities are changed by the bare system calls, for the calling thread alone;
the C library would change them for every thread of the test process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.posix.numbers import SYS_SETGROUPS, SYS_SETRESGID, SYS_SETRESUID

_libc: Final = ctypes.CDLL(None, use_errno=True)
_KEEP: Final = -1


@dataclass(frozen=True, slots=True)
class Person:
    """Effective ids of a caller; anybody but root has no capabilities."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


ROOT: Final = Person("root", 0, 0, ())
TEAM_GID: Final = 2000
ANN: Final = Person("ann", 1001, 1001, (TEAM_GID,))
BEN: Final = Person("ben", 1002, 1002, (TEAM_GID,))
PEOPLE: Final = {person.name: person for person in (ROOT, ANN, BEN)}


def _call(number: int, *arguments: object) -> None:
    if _libc.syscall(number, *arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")


def _set_groups(groups: tuple[int, ...]) -> None:
    _call(SYS_SETGROUPS, len(groups), (ctypes.c_uint32 * max(1, len(groups)))(*groups))


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """Make calls as *person*, this thread only; root again afterwards."""
    if person.uid == 0:
        yield
        return
    groups = tuple(os.getgroups())
    _set_groups(person.groups)
    _call(SYS_SETRESGID, _KEEP, person.gid, _KEEP)
    _call(SYS_SETRESUID, _KEEP, person.uid, _KEEP)
    try:
        yield
    finally:
        _call(SYS_SETRESUID, _KEEP, 0, _KEEP)
        _call(SYS_SETRESGID, _KEEP, 0, _KEEP)
        _set_groups(groups)
