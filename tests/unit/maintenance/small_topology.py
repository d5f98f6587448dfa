"""A topology that a test sets by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.clock import ManualClock
from engine.errors import NoSpaceError, QuorumError
from engine.ids import DiskId, ExtentId, Generation
from engine.maintenance.topology import DiskStatus
from engine.metadata.store import MetadataStore
from engine.model.disk import DiskState
from engine.model.redundancy import ErasureCoding, Redundancy
from tests.unit.extents.memory_pool import MemoryPool

RS = ErasureCoding(4, 2)


@dataclass
class SmallPolicies:
    """What files want for themselves, by extent."""

    wanted: dict[ExtentId, Redundancy] = field(default_factory=dict)
    changes: int = 0

    def version(self) -> int:
        return self.changes

    def refresh(self) -> None:
        """Answers are always fresh here."""

    def wanted_of(self, extent_id: ExtentId) -> Redundancy | None:
        return self.wanted.get(extent_id)

    def want(self, extent_id: ExtentId, redundancy: Redundancy) -> None:
        self.wanted[extent_id] = redundancy
        self.changes += 1


@dataclass
class SmallRoom:
    """An account that refuses while less is free than is asked for."""

    free: int = 1 << 60
    taken: int = 0
    lent: int = 0
    """How often room was lent."""

    def take(self, file_bytes: int, count: int) -> int:
        needed = file_bytes * count
        if needed > self.free - self.taken:
            raise NoSpaceError(f"needs {needed} bytes of room")
        self.taken += needed
        return needed

    @property
    def is_promised(self) -> bool:
        return self.taken > 0

    def lend(self, file_bytes: int, count: int) -> int:
        if self.taken:
            raise NoSpaceError(f"{self.taken} bytes are promised")
        self.lent += 1
        self.taken += file_bytes * count
        return file_bytes * count

    def give_back(self, taken: int, *, written: bool) -> None:
        self.taken -= taken
        if written:
            self.free -= taken

    def free_bytes(self) -> int:
        return self.free


@dataclass
class SmallTopology:
    """What an operator and the disks' probes would have told."""

    pool: MemoryPool
    store: MetadataStore
    clock: ManualClock
    wanted: Redundancy = RS
    narrow: bool = False
    delay_s: float = 600.0
    widen_s: float = 86400.0
    safe: Generation = Generation(0)
    has_quorum: bool = True
    absent: dict[DiskId, float] = field(default_factory=dict)
    made_safe: int = 0
    percent: int = 50

    def disks(self) -> list[DiskStatus]:
        disks = self.pool.disks
        return [
            DiskStatus(
                disk_id=disk_id,
                name=f"d{disk_id}",
                state=disks.states.get(disk_id, DiskState.HEALTHY),
                present=disk_id not in disks.missing,
                absent_since_s=self.absent.get(disk_id),
            )
            for disk_id in disks.devices
        ]

    def wanted_redundancy(self) -> Redundancy:
        return self.wanted

    def narrow_auto(self) -> bool:
        return self.narrow

    def rebuild_delay_s(self) -> float:
        return self.delay_s

    def widen_delay_s(self) -> float:
        return self.widen_s

    def compact_percent(self) -> int:
        return self.percent

    def acknowledged(self) -> Generation:
        return self.safe

    def make_safe(self, generation: Generation) -> None:
        if not self.has_quorum:
            raise QuorumError("no quorum")
        self.made_safe += 1
        self.store.close_group(self.safe)
        self.safe = self.store.template.generation
