"""How hard maintenance may work beside foreground I/O (P7). Pure.

While the foreground is busy, maintenance works a fixed share of the time and
rests for the other: whatever a piece of work costs the foreground while it
runs, it cannot cost more than that share over time. What a rest is for does
not matter here; the disks, the interpreter and the codec are all free in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.units import KIB, MIB


class Priority(StrEnum):
    """How much maintenance may take from foreground I/O."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


IN_FLIGHT_MAX: Final = 4
"""Extents in work at once: reading one, encoding one, two on their way to disks."""

BUSY_BYTES_S: Final = 1 * MIB
"""A foreground that moves less than this each second does not notice."""

OPERATION_BYTES: Final = 16 * KIB
"""What an operation without payload counts for: a name, an fsync."""

_BUSY_SHARE: Final = {Priority.LOW: 0.05, Priority.NORMAL: 0.15, Priority.HIGH: 1.0}
_IDLE_SHARE: Final = {Priority.LOW: 0.5, Priority.NORMAL: 1.0, Priority.HIGH: 1.0}
_IN_FLIGHT: Final = {Priority.LOW: 1, Priority.NORMAL: 1, Priority.HIGH: IN_FLIGHT_MAX}

assert _BUSY_SHARE[Priority.NORMAL] <= 0.3  # A stream may lose 30 % to it, and no more.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``share``: of the time that may be worked, in (0, 1]. ``limit_bytes_s`` 0: none."""

    share: float
    in_flight: int
    limit_bytes_s: int = 0


def choose_pace(priority: Priority, *, foreground_bytes_s: float, limit_bytes_s: int = 0) -> Pace:
    """Return the pace for a foreground that moved so much in the last moments.

    >>> choose_pace(Priority.NORMAL, foreground_bytes_s=0.0).share
    1.0
    >>> choose_pace(Priority.NORMAL, foreground_bytes_s=200e6).share
    0.15
    >>> choose_pace(Priority.HIGH, foreground_bytes_s=200e6).in_flight
    4
    """
    shares = _BUSY_SHARE if foreground_bytes_s >= BUSY_BYTES_S else _IDLE_SHARE
    return Pace(share=shares[priority], in_flight=_IN_FLIGHT[priority], limit_bytes_s=limit_bytes_s)


def share_rest_s(pace: Pace, worked_s: float) -> float:
    """Return how long to rest after *worked_s* of work, for the foreground's sake.

    >>> share_rest_s(Pace(share=0.25, in_flight=1), 0.1)
    0.3
    """
    return round(worked_s / pace.share - worked_s, 9)


def limit_s(pace: Pace, written_bytes: int) -> float:
    """Return the time that writing so much has to take, from its beginning.

    >>> limit_s(Pace(share=1.0, in_flight=1, limit_bytes_s=100), 250)
    2.5
    """
    return written_bytes / pace.limit_bytes_s if pace.limit_bytes_s else 0.0
