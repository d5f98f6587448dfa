"""The pool as maintenance sees it (``engine.maintenance.topology.Topology``)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ids import Generation
from engine.maintenance.topology import DiskStatus
from engine.model.redundancy import Redundancy
from engine.pool.assembly import Engine
from engine.pool.properties import Narrow

SAFE_S_MAX = 60.0


class PoolTopology:
    """Disks, properties and safety of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def disks(self) -> Sequence[DiskStatus]:
        """Return every member, present or not."""
        return [
            DiskStatus(
                disk_id=one.record.disk_id,
                name=one.record.name,
                state=one.record.state,
                present=one.present,
                absent_since_s=one.absent_since_s,
                detached=one.marks.detached,
            )
            for one in self._engine.base.disks.presences()
        ]

    def wanted_redundancy(self) -> Redundancy:
        """Return what extents should have today."""
        return self._engine.properties.redundancy

    def narrow_auto(self) -> bool:
        """Whether extents may be re-encoded narrower without asking."""
        return self._engine.properties.narrow is Narrow.AUTO

    def rebuild_delay_s(self) -> float:
        """Return how long a disk may be missing before its fragments are rebuilt."""
        return self._engine.properties.rebuild_delay_s

    def widen_delay_s(self) -> float:
        """Return how long the full width must be healthy before it is used again."""
        return self._engine.properties.widen_delay_s

    def compact_percent(self) -> int:
        """Return the live share below which extents are compacted; 0 for never."""
        return self._engine.properties.compact_percent

    def acknowledged(self) -> Generation:
        """Return the newest generation that is safe."""
        shipper = self._engine.base.shipper
        return (
            self._engine.base.store.template.generation if shipper is None else shipper.acknowledged
        )

    def make_safe(self, generation: Generation) -> None:
        """Commit up to *generation* and wait until it is acknowledged."""
        self._engine.make_safe(generation, SAFE_S_MAX)
