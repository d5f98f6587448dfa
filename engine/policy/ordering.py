"""In which order reconcile works (DESIGN 6, Reconcile)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from engine.ids import ExtentId


class WorkKind(StrEnum):
    """Why an extent's record differs from what policy would choose today.

    Listed in the order of work among equal exposure.
    """

    REBUILD = "rebuild"
    DRAIN = "drain"
    NARROW = "narrow"
    WIDEN = "widen"
    POLICY = "policy"
    TIER = "tier"
    REBALANCE = "rebalance"
    COMPACT = "compact"


_KIND_ORDER = {kind: order for order, kind in enumerate(WorkKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What the order depends on. A larger ``priority`` goes first (operator's)."""

    extent_id: ExtentId
    kind: WorkKind
    exposure: int
    priority: int = 0
    live_permille: int = 0
    """Of an extent to compact: the live share of its bytes."""


WorkKey: TypeAlias = tuple[bool, bool, int, int, int, int, int]


def work_key(work: WorkOrder) -> WorkKey:
    """Return the sort key: most exposed, operator's priority, kind, id.

    Lost extents (exposure -1) come last: no work can mend them, and those that
    survive no further loss must not wait behind them. Compaction comes behind
    everything else, also where its extents survive fewer losses by their policy:
    it makes nothing safer. The deadest go first, then the oldest.

    >>> works = [
    ...     WorkOrder(extent_id=ExtentId(i), kind=kind, exposure=exposure)
    ...     for i, kind, exposure in [
    ...         (1, WorkKind.TIER, 2), (2, WorkKind.REBUILD, 1), (3, WorkKind.REBUILD, 0),
    ...         (4, WorkKind.DRAIN, 2), (5, WorkKind.REBUILD, -1),
    ...     ]
    ... ]
    >>> [work.extent_id for work in sorted(works, key=work_key)]
    [3, 2, 4, 1, 5]
    """
    return (
        work.exposure < 0,
        work.kind is WorkKind.COMPACT,
        work.exposure,
        -work.priority,
        _KIND_ORDER[work.kind],
        work.live_permille,
        work.extent_id,
    )
