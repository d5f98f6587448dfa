"""Frozen views of a running pool: what console and command line draw.

A view is taken without a lock that the data path holds. Counters only grow;
whoever wants rates takes two views and divides by ``monotonic_s``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from engine.model.disk import DiskState, Tier


class HealthWord(StrEnum):
    """The pool in one word, worst last."""

    OK = "ok"
    DEGRADED = "degraded"
    AT_RISK = "at risk"
    DATA_LOSS = "data loss"


class ExitCode(IntEnum):
    """What the command line returns."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    DEGRADED = 3
    DATA_LOST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """One sentence, one stable code, one action."""

    word: HealthWord
    code: str
    """``DFS-nnnn``; DFS-0000 is all well."""
    sentence: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureView:
    """Extents (and their user bytes) by how many more losses they survive now."""

    lost_extents: int = 0
    lost_bytes: int = 0
    zero_extents: int = 0
    zero_bytes: int = 0
    one_extents: int = 0
    one_bytes: int = 0
    more_extents: int = 0
    more_bytes: int = 0
    may_fail: int = 0
    """How many more disks may fail, any of them, without loss (metadata too)."""
    degraded_extents: int = 0
    """Extents with fewer intact fragments than their redundancy has."""

    @property
    def extents(self) -> int:
        """All extents."""
        return self.lost_extents + self.zero_extents + self.one_extents + self.more_extents

    @property
    def bytes(self) -> int:
        """User bytes in all extents."""
        return self.lost_bytes + self.zero_bytes + self.one_bytes + self.more_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskView:
    """One disk. Counters are since this process opened the pool."""

    disk_id: int
    name: str
    uuid: str
    path: str
    tier: Tier
    state: DiskState
    present: bool
    total_bytes: int
    free_bytes: int
    fragment_count: int
    fragment_bytes: int
    in_journal_set: bool
    reads: int = 0
    writes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    errors: int = 0
    corruptions: int = 0
    reason: str = ""
    """Why it is not healthy or not present, for people; empty when all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierView:
    """What lies in a tier: its disks' space and the extents placed there."""

    tier: Tier
    disk_count: int
    total_bytes: int
    free_bytes: int
    fragment_bytes: int
    extent_count: int
    user_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityView:
    """User bytes with redundancy counted."""

    total_bytes: int
    free_bytes: int
    used_bytes: int


class WorkState(StrEnum):
    """States of a piece of reconcile work."""

    QUEUED = "queued"
    RUNNING = "running"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItemView:
    """One extent that reconcile works on."""

    extent_id: int
    kind: str
    """``rebuild``, ``narrow`` or ``widen``."""
    state: WorkState
    exposure: int
    """How many more losses it survives now; -1 is lost."""
    done_bytes: int
    total_bytes: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileView:
    """Rebuild progress, in total and for the extents in hand."""

    active: bool = False
    waiting_s: float = 0.0
    """Seconds until the rebuild delay of a missing disk ends; 0 when none runs."""
    waiting_reason: str = ""
    done_items: int = 0
    total_items: int = 0
    pending_items: int = 0
    failed_items: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    written_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    items: tuple[WorkItemView, ...] = ()
    """Running ones first, then pending and failed with reasons, then queued; bounded."""
    last_result: str = ""
    """``finished, n irrecoverable`` and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A fragment that scrub or a read found wanting."""

    extent_id: int
    index: int
    disk: str
    verdict: str
    """``corrupt``, ``missing``, ``misplaced`` or ``parity``."""
    path: str
    """One file that has bytes in the extent; empty when none has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubView:
    """A scrub that runs, or the last one."""

    running: bool = False
    repair: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    done_fragments: int = 0
    total_fragments: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes_s: float = 0.0
    eta_s: float | None = None
    intact: int = 0
    corrupt: int = 0
    missing: int = 0
    misplaced: int = 0
    unreferenced: int = 0
    parity_mismatches: int = 0
    repaired: int = 0
    findings: tuple[FindingView, ...] = ()
    runs_completed: int = 0


class Severity(StrEnum):
    """How loud an event is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One line of the timeline. ``sequence`` only grows."""

    sequence: int
    time_ns: int
    severity: Severity
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityView:
    """Foreground counters since the pool was opened."""

    read_ops: int = 0
    write_ops: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    namespace_ops: int = 0
    syncs: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    degraded_reads: int = 0
    dirty_bytes: int = 0
    """Accepted but not yet durable."""
    groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """Everything a screen needs, taken at one moment."""

    monotonic_s: float
    time_ns: int
    name: str
    uuid: str
    redundancy: str
    narrow: str
    generation: int
    acknowledged_generation: int
    epoch: int
    writable: bool
    read_only_reason: str
    mountpoint: str
    verdict: VerdictView
    exposure: ExposureView
    capacity: CapacityView
    activity: ActivityView
    disks: tuple[DiskView, ...]
    tiers: tuple[TierView, ...]
    reconcile: ReconcileView
    scrub: ScrubView
    events: tuple[EventView, ...]
    """Oldest first, at most a screenful."""
