"""How the policy of a file or directory is stored: as an extended attribute.

So it is replayed, imported and removed with its inode, like any other.
"""

from __future__ import annotations

from typing import Final

from engine.errors import UsageError
from engine.model.redundancy import Redundancy, parse_redundancy

REDUNDANCY_NAME: Final = b"user.dynamicfs.redundancy"


def encode_policy(redundancy: Redundancy) -> bytes:
    """Return the attribute's value.

    >>> from engine.model.redundancy import Replication
    >>> encode_policy(Replication(3))
    b'copies:3'
    """
    return str(redundancy).encode("ascii")


def decode_policy(value: bytes | None) -> Redundancy | None:
    """Return the policy of an attribute's value; None where there is none.

    An older version took any value here: what is no redundancy is no policy.

    >>> decode_policy(b"copies:3"), decode_policy(b"often")
    (Replication(copies=3), None)
    """
    try:
        return None if value is None else parse_redundancy(value.decode("ascii"))
    except (UsageError, UnicodeDecodeError):
        return None
