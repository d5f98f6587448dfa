"""Mounts that a dead server left behind: found and taken away at the start."""

from __future__ import annotations

import errno
import logging
import os
from typing import Final

from engine.errors import PoolError
from fusebridge.mount_table import (
    KIND,
    Detach,
    MountEntry,
    abort_connection,
    detach,
    find_mount,
    probe,
)

logger = logging.getLogger(__name__)

LOOK_S: Final = 3.0
"""How long a live mount may take to answer."""


def recover_stale(mountpoint: str) -> bool:
    """Take away a dead DynamicFS mount at *mountpoint*; return whether there was one.

    A dead mount answers ENOTCONN; a wedged one does not answer at all, and its
    connection is aborted first. A mount that lives is left alone.

    Raises:
        PoolError: the mount lives, or could not be taken away.
    """
    # Only the parent is resolved: looking at the mount itself might never end.
    folder, name = os.path.split(os.path.abspath(mountpoint))
    real = os.path.join(os.path.realpath(folder), name)
    entry = find_mount(real)
    if entry is None or entry.kind != KIND:
        return False
    error = probe(mountpoint, LOOK_S)
    match error:
        case OSError(errno=errno.ENOTCONN | errno.ECONNABORTED):  # or died during the look
            pass
        case TimeoutError():
            _abort(entry)
        case _:
            if find_mount(real) != entry:
                return False  # The watchdog of the dead server was quicker.
            raise PoolError(f"{mountpoint} is mounted already ({entry.source})")
    failure = detach(entry.mountpoint, Detach.NOW)
    if failure:
        if find_mount(real) != entry:
            return False
        raise PoolError(
            f"a dead mount is at {mountpoint} and cannot be taken away "
            f"({os.strerror(failure)}); run: umount -l {mountpoint}"
        )
    logger.warning("took away a dead mount at %s", mountpoint)
    return True


def _abort(entry: MountEntry) -> None:
    try:
        abort_connection(entry.device, entry.mountpoint)
    except OSError as error:
        raise PoolError(
            f"the mount at {entry.mountpoint} does not answer and its connection cannot be "
            f"aborted: {error.strerror}"
        ) from error
