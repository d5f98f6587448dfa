"""The attributes ``user.dynamicfs.*``: policy to set, and where a file is to read.

They are of this pool, so a listing names none of them but a redundancy that
was set: a copy that keeps attributes takes along what somebody decided, and
nothing that is only true here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from engine.errors import (
    InvalidArgumentError,
    NoAttributeError,
    NotPermittedError,
    NotSupportedError,
    UsageError,
)
from engine.ids import InodeId
from engine.metadata.policies import REDUNDANCY_NAME
from engine.model.redundancy import Redundancy, parse_redundancy

PREFIX: Final = b"user.dynamicfs."
READ_ONLY: Final = frozenset(
    PREFIX + name for name in (b"disks", b"exposure", b"extents", b"health", b"policy", b"where")
)
"""Names that are answered for regular files and cannot be set."""

INHERIT: Final = "inherit"
"""What takes a policy away again, besides an empty value."""

Describe: TypeAlias = Callable[[InodeId, str], bytes | None]
"""Returns the value of one of READ_ONLY, by the name behind the prefix; None: it has none."""


def nothing_known(_inode_id: InodeId, _name: str) -> bytes | None:
    """Describe no file: an engine without a pool around it."""
    return None


def is_virtual(name: bytes) -> bool:
    """Whether *name* is ours, and no attribute that programs keep here.

    >>> is_virtual(b"user.dynamicfs.health"), is_virtual(b"user.mime_type")
    (True, False)
    """
    return name.startswith(PREFIX)


def read_virtual(name: bytes, inode_id: InodeId, describe: Describe) -> bytes:
    """Return the value of a read-only attribute; NoAttributeError where there is none."""
    word = name.removeprefix(PREFIX).decode("ascii", "replace")
    value = describe(inode_id, word) if name in READ_ONLY else None
    if value is None:
        raise NoAttributeError(repr(name))
    return value


def refuse_change(name: bytes) -> None:
    """Raise for every name of ours but that of the redundancy."""
    if name in READ_ONLY:
        raise NotPermittedError(f"{name!r} tells, it cannot be set")
    if name != REDUNDANCY_NAME:
        raise NotSupportedError(f"{name!r} means nothing here")


def wanted_policy(value: bytes) -> Redundancy | None:
    """Return what *value* asks for; None to follow the directory again.

    >>> wanted_policy(b"copies:3"), wanted_policy(b"inherit")
    (Replication(copies=3), None)

    Raises:
        InvalidArgumentError: it is no redundancy.
    """
    try:
        text = value.decode("ascii").strip()
        return None if text in ("", INHERIT) else parse_redundancy(text)
    except (UsageError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{value!r}: write rs:4+2, copies:3 or inherit") from error
