"""Reaching a pool: through the process that has it open, or by opening it here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from dynamicfs_tui.cli.command import Session
from dynamicfs_tui.cli.gateway import Access
from engine.errors import PoolBusyError, PoolError
from engine.status.control import PoolControl

BUSY_LOOKS: Final = 30
BUSY_LOOK_S: Final = 0.1
"""How often, and how far apart, a pool is looked at that is being opened or closed."""


class Owner(Enum):
    """Which process has the pool open."""

    OTHER = "another process"
    OURS = "this command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Control of a pool, and whose engine does the work.

    Work that goes on after the verb returns ends with this command when the
    engine is ours.
    """

    control: PoolControl
    owner: Owner


@contextmanager
def connect(session: Session, pool: str, *, access: Access) -> Iterator[Connection]:
    """Give control of the pool directory *pool*; *access* counts when nobody has it open.

    A process that has the pool but no socket is just opening or closing it, or
    is another short command: it is waited for, at most BUSY_LOOKS times.

    Raises:
        PoolError: no such directory, or the engine refuses it.
        PoolBusyError: another process has it and does not answer.
    """
    pool_dir = pool_path(pool)
    with ExitStack() as stack:
        for look in range(BUSY_LOOKS):
            owner = session.engine.reach_owner(pool_dir)
            if owner is not None:
                control = stack.enter_context(owner)
                break
            try:
                control = stack.enter_context(session.engine.open_pool(pool_dir, access=access))
                break
            except PoolBusyError:
                if look == BUSY_LOOKS - 1:
                    raise
                session.pause(BUSY_LOOK_S)
        yield Connection(control=control, owner=Owner.OURS if owner is None else Owner.OTHER)


def pool_path(pool: str) -> Path:
    """Return *pool* as a path; PoolError when no directory is there."""
    path = Path(pool).absolute()
    if not path.is_dir():
        raise PoolError(f"there is no pool directory {pool}")
    return path
