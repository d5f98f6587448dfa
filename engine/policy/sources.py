"""From which disks to read when several hold what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.ids import DiskId
from engine.model.disk import HEALTH_SCORE, DiskState

LATENCY_FLOOR_S: Final = 0.0002
"""Below this, differences in latency are noise and must not outweigh health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """A disk as a source: its health, calls in flight and recent call latency."""

    disk_id: DiskId
    state: DiskState
    in_flight: int
    latency_s: float


def source_cost(source: SourceState) -> float:
    """Return the expected wait in seconds, weighted by health; less is better.

    >>> idle = SourceState(disk_id=DiskId(1), state=DiskState.HEALTHY,
    ...                    in_flight=0, latency_s=0.001)
    >>> source_cost(idle)
    0.001
    """
    wait_s = (1 + source.in_flight) * max(source.latency_s, LATENCY_FLOOR_S)
    return wait_s * HEALTH_SCORE[DiskState.HEALTHY] / max(1, HEALTH_SCORE[source.state])


def order_sources(sources: Iterable[SourceState]) -> tuple[DiskId, ...]:
    """Return all *sources*, best first, ties by id.

    Failed disks are last whatever their speed, yet named: every byte is
    verified, and the last copy may be theirs (P4).

    >>> order_sources([
    ...     SourceState(disk_id=DiskId(1), state=DiskState.FAILED, in_flight=0, latency_s=0.0),
    ...     SourceState(disk_id=DiskId(2), state=DiskState.HEALTHY, in_flight=3, latency_s=0.1),
    ...     SourceState(disk_id=DiskId(3), state=DiskState.HEALTHY, in_flight=0, latency_s=0.1),
    ... ])
    (3, 2, 1)
    """
    ordered = sorted(
        sources,
        key=lambda source: (
            source.state is DiskState.FAILED,
            source_cost(source),
            source.disk_id,
        ),
    )
    return tuple(source.disk_id for source in ordered)
