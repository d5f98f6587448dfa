"""Who asks for a verb: the user, the process and the terminal, for the audit trail."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One who asks. ``terminal`` is empty for a script without one."""

    user: str
    process: int
    terminal: str


def describe_actor(*, user_id: int, process: int) -> Actor:
    """Return the actor behind a process of this machine, as far as the system tells."""
    return Actor(user=_user_name(user_id), process=process, terminal=_terminal_of(process))


@cache
def _user_name(user_id: int) -> str:
    """Return the login name; the number where nobody has one."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _terminal_of(process: int) -> str:
    """Return the terminal that a process reads from or writes to; empty without one."""
    for descriptor in (0, 2):
        try:
            target = os.readlink(Path("/proc") / str(process) / "fd" / str(descriptor))
        except OSError:  # It ended meanwhile, or is another user's.
            continue
        if target.startswith(("/dev/pts/", "/dev/tty")):
            return target
    return ""


_ASKING: ContextVar[Actor | None] = ContextVar("asking", default=None)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Let verbs that this thread calls meanwhile be *actor*'s."""
    token = _ASKING.set(actor)
    try:
        yield
    finally:
        _ASKING.reset(token)


def current_actor() -> Actor:
    """Return who asks in this thread: the peer of the socket, or else this process."""
    actor = _ASKING.get()
    if actor is None:
        return describe_actor(user_id=os.geteuid(), process=os.getpid())
    return actor
