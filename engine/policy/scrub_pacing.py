"""How hard a scrub drives the disks: a pause after each batch, and a limit. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ScrubIntensity(StrEnum):
    """What an operator chooses."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Batch:
    """So many extents in a row, then a pause (seconds)."""

    extents: int
    pause_s: float


BATCHES: Final[Mapping[ScrubIntensity, Batch]] = MappingProxyType(
    {
        ScrubIntensity.LOW: Batch(1, 0.100),
        ScrubIntensity.MEDIUM: Batch(5, 0.050),
        ScrubIntensity.HIGH: Batch(20, 0.010),
    }
)


def pause_s(intensity: ScrubIntensity, extents_in_a_row: int) -> float:
    """Return how long to pause after so many extents without one.

    >>> pause_s(ScrubIntensity.MEDIUM, 4), pause_s(ScrubIntensity.MEDIUM, 5)
    (0.0, 0.05)
    """
    batch = BATCHES[intensity]
    return batch.pause_s if extents_in_a_row >= batch.extents else 0.0


def limit_s(limit_bytes_s: int, read_bytes: int) -> float:
    """Return how long *read_bytes* have to take; 0 without a limit.

    >>> limit_s(1000, 500), limit_s(0, 500)
    (0.5, 0.0)
    """
    return read_bytes / limit_bytes_s if limit_bytes_s else 0.0
