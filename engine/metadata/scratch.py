"""Room for scratch files beside the database: commits never miss what these take (P6, C8).

A checkpoint and its proof are files as large as the database, in the file system
that commits and deletes need room in. So the room is looked at before a copy
begins and while it grows; one that would come too near to what commits need is
given up, and removed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import apsw

from engine.errors import PoolError, RetryableError
from engine.limits import POOL_RESERVE_BYTES, WAL_CHECKPOINT_BYTES
from engine.metadata.files import companions, remove_database
from engine.units import format_bytes

RESERVES_BEFORE: Final = 4
"""So many times the reserve is left when scratch files have their whole size."""

RESERVES_SPARED: Final = 2
"""With less left a copy is given up: what is accepted meanwhile comes on top of it.
Above one, at which everything new would be refused for the sake of a copy."""

assert RESERVES_SPARED > 1
assert RESERVES_BEFORE > RESERVES_SPARED

COPY_NAME: Final = "checkpoint.copy"
PROOF_NAME: Final = "checkpoint.proof"
CONTAINER_NAME: Final = "checkpoint.put"

_DAMAGE: Final = frozenset(
    {
        apsw.SQLITE_IOERR_DATA,
        apsw.SQLITE_IOERR_READ,
        apsw.SQLITE_IOERR_SHORT_READ,
        apsw.SQLITE_IOERR_CORRUPTFS,
    }
)
"""Errors of reading what is there; all other I/O errors are of a file that grows."""


class ScratchError(RetryableError):
    """The pool directory did not take what a checkpoint needs for a while."""


def require_room(folder: Path, needed_bytes: int = 0, *, reserves: int = RESERVES_SPARED) -> None:
    """Check that scratch files of *needed_bytes* fit into *folder*, and commits beside them.

    Raises:
        ScratchError: not with *reserves* times the reserve left; says how much is missing.
    """
    try:
        facts = os.statvfs(folder)
    except OSError as error:
        raise ScratchError(f"{folder} does not take scratch files: {error}") from error
    free_bytes = facts.f_bavail * facts.f_frsize
    needed_bytes += reserves * POOL_RESERVE_BYTES
    if free_bytes < needed_bytes:
        raise ScratchError(
            f"no room for a checkpoint in {folder}: {format_bytes(free_bytes)} are free,"
            f" {format_bytes(needed_bytes)} needed"
        )


def require_checkpoint_room(database: Path, folder: Path) -> None:
    """Check that *folder* takes a copy of *database*, and its proof or its container.

    What an interrupted checkpoint left goes first: it would count as used for ever.

    Raises:
        ScratchError: it does not; nothing was begun.
    """
    remove_scratch(folder)
    size = 0
    for file in (database, *companions(database)):
        try:
            size += file.stat().st_size
        except FileNotFoundError:
            continue
    require_room(folder, 2 * size + WAL_CHECKPOINT_BYTES, reserves=RESERVES_BEFORE)


def remove_scratch(folder: Path) -> None:
    """Remove the scratch files of a checkpoint; nobody may be making one.

    Raises:
        ScratchError: something that is no file has one of the names.
    """
    for name in (COPY_NAME, PROOF_NAME, CONTAINER_NAME):
        try:
            remove_database(folder / name)
        except PoolError as error:
            raise ScratchError(str(error)) from error


def is_of_scratch(error: apsw.Error) -> bool:
    """Whether *error* is of a file that could not grow, rather than of damage."""
    if isinstance(error, apsw.IOError):
        return getattr(error, "extendedresult", 0) not in _DAMAGE
    return isinstance(error, apsw.FullError)
