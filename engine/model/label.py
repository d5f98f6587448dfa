"""What a disk says of itself in ``dynamicfs-disk.json``."""

from __future__ import annotations

from dataclasses import dataclass

from engine.ids import DiskUuid, Epoch, PoolUuid
from engine.model.disk import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLabel:
    """Identity of a disk and the newest epoch and journal set it was told of."""

    pool_uuid: PoolUuid
    pool_name: str
    disk_uuid: DiskUuid
    disk_name: str
    tier: Tier
    epoch: Epoch
    journal_set: tuple[DiskUuid, ...]
    retired: bool = False
    """It was taken out of its pool: whatever it holds belongs to nobody any more."""
