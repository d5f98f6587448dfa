"""How a device call learns that nobody waits for it any more.

A thread stuck in a dead disk may come back after minutes. What it finds then
must not become visible: an abandoned write never renames (DESIGN 4).
"""

from __future__ import annotations

import threading
from typing import Protocol

from engine.errors import DeviceSlowError


class AbandonableCall(Protocol):
    """A call somebody may give up on."""

    @property
    def abandoned(self) -> bool:
        """Whether its waiter gave up."""


class _Current(threading.local):
    call: AbandonableCall | None = None


_CURRENT = _Current()


def set_current_call(call: AbandonableCall | None) -> None:
    """Say which call this thread runs from now on."""
    _CURRENT.call = call


def refuse_if_abandoned(subject: str) -> None:
    """Raise DeviceSlowError when the waiter of this thread's call gave up."""
    call = _CURRENT.call
    if call is not None and call.abandoned:
        raise DeviceSlowError(f"{subject}: abandoned, not completed")
