"""Frozen views of a running pool: what console and command line draw.

A view is taken without a lock that the data path holds. Counters only grow;
whoever wants rates takes two views and divides by ``monotonic_s``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from engine.model.disk import DiskState, Tier
from engine.policy.waiting import WaitCount

VIEW_SCHEMA: Final = 1
"""Grows when a field of ``PoolView`` goes or changes its meaning; new fields do not count."""


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
    subject: str = ""
    """The disk or thread it is about; empty for the pool."""


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
class DiskErrorsView:
    """Errors by kind since the disk joined; growth is the alarm, not the number."""

    io: int = 0
    checksum: int = 0
    timeouts: int = 0
    repaired: int = 0
    """Fragments made good again: information, no error."""
    recent: int = 0
    """Errors of all kinds within the last ten minutes."""


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
    spare: bool = False
    """It takes fragments only to heal."""
    detached: bool = False
    """The operator took it away for maintenance: its absence is no fault."""
    replaced_by: str = ""
    """The disk that takes what this one has; it then leaves by itself."""
    state_since_ns: int = 0
    """When it came into its state; 0 when that is not known."""
    latency_p50_s: float = 0.0
    latency_p99_s: float = 0.0
    """Of the calls of the last minutes; 0 when there were none."""
    lifetime: DiskErrorsView = DiskErrorsView()
    smart: str = ""
    """What the drive says of itself: ``passed``, ``failed: …``, or empty when not asked."""
    temperature_c: int | None = None
    job: str = ""
    """What maintenance does with it: ``drain 31 %``; empty when nothing."""


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
    reclaimable_bytes: int = 0
    """Dead bytes in extents that are worth compacting; as of the last look."""


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
    """Why it differs from what policy wants: a ``WorkKind``."""
    state: WorkState
    exposure: int
    """How many more losses it survives now; -1 is lost."""
    done_bytes: int
    total_bytes: int
    reason: str = ""
    path: str = ""
    """One file that has bytes in it; empty while none is known."""


class WorkPriority(StrEnum):
    """How much reconcile may take from foreground I/O."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """How far one kind of work is."""

    kind: str
    queued_items: int
    queued_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileView:
    """Rebuild progress, in total and for the extents in hand."""

    active: bool = False
    paused: bool = False
    cancelled: bool = False
    """The operator ended this round; what is left waits for ``resume`` or a change of disks."""
    priority: WorkPriority = WorkPriority.NORMAL
    limit_bytes_s: int = 0
    """Bytes written per second at most; 0 is no limit."""
    full_speed_until_ns: int = 0
    """Until then priority is high and no limit holds; 0 when it is not asked for."""
    preferred: tuple[str, ...] = ()
    """Directories and files whose extents go first among equal exposure."""
    compacting: bool = False
    """The operator asked for compaction, and it is not done."""
    started_ns: int = 0
    average_bytes_s: float = 0.0
    """Since the round began; ``rate_bytes_s`` is the last minute's."""
    eta_margin_s: float = 0.0
    """The ETA may be off by so much either way."""
    kinds: tuple[KindView, ...] = ()
    irrecoverable: tuple[str, ...] = ()
    """Files that cannot be mended, at most a screenful."""
    waiting_s: float = 0.0
    """Seconds until the rebuild delay of a missing disk ends; 0 when none runs."""
    waiting_reason: str = ""
    done_items: int = 0
    total_items: int = 0
    pending_items: int = 0
    waits: tuple[WaitCount, ...] = ()
    """What the pending ones wait for, most of them first."""
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
    """A fragment that scrub or a read found wanting, or a copy of the metadata.

    Of the metadata, ``kind`` says what it is; extent and index say nothing.
    """

    extent_id: int
    index: int
    disk: str
    verdict: str
    """``corrupt``, ``missing``, ``misplaced`` or ``parity``."""
    path: str
    """One file that has bytes in the extent; empty when none has."""
    outcome: str = ""
    """What became of it: ``repaired``, ``queued``, ``pending: …``, ``irrecoverable`` or
    ``gone`` with its file; empty when nobody asked for a repair."""
    found_ns: int = 0
    kind: str = "fragment"
    """``fragment``, ``label``, ``journal``, ``checkpoint`` or ``database``."""
    name: str = ""
    """The file below the disk's directory, or the records of a journal."""
    cause: str = ""
    tried: str = ""
    """Which copies there are, and how many it takes."""
    advice: str = ""


class Intensity(StrEnum):
    """How hard a scrub drives the disks: the pause after each batch of extents."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubView:
    """A scrub that runs, or the last one."""

    running: bool = False
    paused: bool = False
    target: str = "all"
    """``all``, ``disk NAME``, ``directory PATH``, ``bad`` or ``older than N d``."""
    intensity: Intensity = Intensity.HIGH
    limit_bytes_s: int = 0
    schedule: str = "manual"
    next_ns: int = 0
    """When the schedule starts the next one; 0 when it does not."""
    metadata_checked: int = 0
    metadata_damaged: int = 0
    """Root records, checkpoints and labels read and verified; findings among them."""
    repair: bool = False
    started_ns: int = 0
    finished_ns: int = 0
    whole_ns: int = 0
    """When one last ended that looked at everything; 0 is never."""
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
    code: str = ""
    """``DFS-nnnn`` when it tells of a condition that came or went."""


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
    conditions: tuple[VerdictView, ...] = ()
    """Everything that is not well, worst first; ``verdict`` is the first of them. Behind
    that, with the word ``ok``, what the operator should only know of."""
    heartbeat_s: float = 0.0
    """Seconds since the engine last made a turn; large when it is stuck."""
    heartbeats: tuple[tuple[str, float], ...] = ()
    """Seconds since each thread's last turn, beyond the rest it asked for."""
    schema_version: int = VIEW_SCHEMA
    exposure: ExposureView
    capacity: CapacityView
    activity: ActivityView
    disks: tuple[DiskView, ...]
    tiers: tuple[TierView, ...]
    reconcile: ReconcileView
    scrub: ScrubView
    events: tuple[EventView, ...]
    """Oldest first, at most a screenful."""
