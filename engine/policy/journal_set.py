"""Which disks carry the roots (DESIGN 5, J). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from engine.ids import DiskUuid
from engine.model.disk import DiskRecord, DiskState

_RANK = {
    DiskState.HEALTHY: 0,
    DiskState.DEGRADED: 1,
    DiskState.SUSPECT: 2,
    DiskState.DRAINING: 3,
    DiskState.FAILED: 9,
}


def choose_journal_set(
    disks: Iterable[DiskRecord],
    *,
    present: Collection[DiskUuid],
    current: Collection[DiskUuid],
    tolerance: int,
    spares: Collection[DiskUuid] = (),
) -> tuple[DiskUuid, ...]:
    """Return 2m+1 disks that are there, or all when there are fewer.

    With 2m+1 of them any m may be lost, and what m+1 acknowledged is met by
    every open (P3). Healthy ones first, then members of *current*, since a new
    one must be brought up; ties by id. *spares* come behind all others of their
    state. Failed and missing disks never carry roots, and draining ones, which
    may be taken away at any time, only where m+1 others are not to be had.
    """
    usable = [disk for disk in disks if disk.uuid in present and disk.state is not DiskState.FAILED]
    staying = [disk for disk in usable if disk.state is not DiskState.DRAINING]
    if len(staying) > tolerance:
        usable = staying
    usable.sort(
        key=lambda disk: (
            _RANK[disk.state],
            disk.uuid in spares,
            disk.uuid not in current,
            disk.disk_id,
        )
    )
    chosen = usable[: 2 * tolerance + 1]
    return tuple(disk.uuid for disk in sorted(chosen, key=lambda disk: disk.disk_id))
