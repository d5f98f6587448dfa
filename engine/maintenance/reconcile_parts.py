"""What reconcile is put together from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.extents.disks import DiskSource
from engine.extents.rebuild import ExtentRebuilder
from engine.extents.writer import ExtentWriter
from engine.maintenance.pacer import ForegroundBytes
from engine.maintenance.room import Room
from engine.maintenance.topology import ExtentPolicies, Topology
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.observe.events import EventLog
from engine.observe.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileParts:
    """What reconcile works with. ``state_path``: where wishes and totals are kept."""

    clock: Clock
    metrics: Metrics
    events: EventLog
    topology: Topology
    policies: ExtentPolicies
    tables: Tables
    readers: ReaderPool
    disks: DiskSource
    rebuilder: ExtentRebuilder
    writer: ExtentWriter
    room: Room
    foreground: ForegroundBytes
    state_path: Path
