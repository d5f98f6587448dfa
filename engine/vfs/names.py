"""What can be a name."""

from __future__ import annotations

from engine.errors import InvalidArgumentError, NameTooLongError
from engine.limits import NAME_BYTES_MAX


def check_name(name: bytes) -> None:
    """Refuse what can be no name.

    Raises:
        NameTooLongError: it is longer than any name.
        InvalidArgumentError: it is empty, a dot or two, or has a slash or NUL in it.
    """
    if len(name) > NAME_BYTES_MAX:
        raise NameTooLongError(f"a name of {len(name)} bytes")
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise InvalidArgumentError(f"{name!r} cannot be a name")
