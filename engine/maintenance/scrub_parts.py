"""What a scrub is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from engine.clock import Clock
from engine.maintenance.inspection import Inspector
from engine.maintenance.listing import FragmentListing
from engine.maintenance.metadata_scrub import MetadataScrub
from engine.maintenance.progress import ReconcileProgress
from engine.maintenance.reconcile import MendRequests
from engine.maintenance.topology import Topology
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.observe.events import EventLog
from engine.observe.metrics import Metrics


class Repairer(MendRequests, Protocol):
    """Reconcile, as far as a scrub needs it."""

    def progress(self) -> ReconcileProgress:
        """Return where things stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubParts:
    """Parts of the engine, most general first.

    ``zone`` is where the machine's clock on the wall is. ``state_path`` and
    ``records_path`` are files of the scrub's own, which may be lost.
    """

    clock: Clock
    metrics: Metrics
    events: EventLog
    topology: Topology
    tables: Tables
    readers: ReaderPool
    inspector: Inspector
    metadata: MetadataScrub
    listing: FragmentListing
    unreferenced: UnreferencedFiles
    reconcile: Repairer
    zone: tzinfo
    state_path: Path
    records_path: Path
