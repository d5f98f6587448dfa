"""Frozen answers to what an operator asks: plans, what-if, where, histories.

Unlike a view these are made on demand and may take a while; none is taken
while the write lock is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """Whether the operator should, should not, or may not."""

    SAFE = "SAFE"
    RISKY = "RISKY"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """Bytes that a plan brings to one disk."""

    disk: str
    bytes: int
    used_ratio_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What a verb would do, found without doing it.

    ``execute`` of a plan names its ``plan_id`` and is refused when ``basis``,
    which tells disks, states and policy apart, is no longer the pool's.
    """

    verb: str
    """``drain``, ``replace``, ``remove``, ``fail``, ``detach``, ``attach``, ``policy``, …"""
    disk: str
    plan_id: str
    basis: str
    judgement: Judgement
    reasons: tuple[str, ...]
    """Why it is risky or blocked; what speaks for it when it is safe."""
    moves_extents: int = 0
    moves_bytes: int = 0
    """On the disks: what is copied to others, or encoded anew for another policy."""
    targets: tuple[TargetView, ...] = ()
    duration_s: float | None = None
    """At the present rate and limit; None when nothing is known of it."""
    may_fail_during: int = 0
    """How many more disks may fail while it runs."""
    used_ratio_before: float = 0.0
    used_ratio_after: float = 0.0
    suggestion: str = ""
    command: str = ""
    """The command line that does the same."""
    typed_name: str = ""
    """What must be typed to confirm; empty when redundancy is not lowered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionView:
    """What compacting now would mean. Nothing is changed.

    Bytes are those on the disks: at most so many are read, and so many written
    if every new extent is full.
    """

    percent: int
    """Extents of which less than this lives would be rewritten."""
    extents: int = 0
    live_bytes: int = 0
    """User bytes that would move."""
    read_bytes: int = 0
    written_bytes: int = 0
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealedView:
    """How the pool stands once what some lost disks had is made again on the others.

    Extents that are lost do not count: nothing heals them.
    """

    redundancy: str = ""
    """What new data gets then; empty when too few healthy disks are left to write any."""
    width: int = 0
    """Fragments of such an extent, each on a disk of its own."""
    may_fail: int = 0
    """How many more disks may fail then, any of them."""
    narrowed_extents: int = 0
    """Those that lie on fewer disks then and survive as many losses as before."""
    short_extents: int = 0
    """Those that go on lacking fragments: no disk or no room is left for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfView:
    """What the loss of some disks would mean, now. Nothing is changed."""

    disks: tuple[str, ...]
    judgement: Judgement
    sentence: str
    lost_extents: int = 0
    lost_bytes: int = 0
    exposed_extents: int = 0
    """Readable, but no further loss is survived."""
    exposed_bytes: int = 0
    degraded_extents: int = 0
    degraded_bytes: int = 0
    unaffected_extents: int = 0
    unaffected_bytes: int = 0
    lost_files: int = 0
    exposed_files: int = 0
    lost_paths: tuple[str, ...] = ()
    """At most a screenful of the files that would lose data."""
    writable: bool = True
    """Whether the journals would still take changes."""
    rebuild_bytes: int = 0
    fits: bool = True
    """Whether the remaining healthy disks have room and number for a rebuild."""
    free_bytes: int = 0
    rebuild_s: float | None = None
    may_fail_during: int = 0
    """How many more disks may fail until then; -1 exactly when something is lost at once."""
    healed: HealedView = HealedView()
    advice: str = ""

    def __post_init__(self) -> None:
        if (self.lost_extents > 0) != (self.may_fail_during < 0):
            raise ValueError("no number of further losses is borne where something is lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentPlaceView:
    """One fragment of an extent: which disk, and how it is."""

    index: int
    disk: str
    state: str
    """``intact``, ``missing``, ``corrupt``, ``draining`` …; from what is known, nothing is read."""
    name: str
    """Its file below the disk's directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentPlaceView:
    """One piece of a file and where it is."""

    offset: int
    length: int
    extent_id: int
    extent_offset: int
    redundancy: str
    tier: str
    exposure: int
    """How many more losses it survives now; -1 is lost."""
    verified_ns: int
    """When a scrub last proved it whole; 0 is never."""
    fragments: tuple[FragmentPlaceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhereView:
    """Where a file is: the answer of ``where`` and of ``user.dynamicfs.*``."""

    path: str
    inode: int
    size: int
    redundancy: str
    """What new data of the file gets; ``policy_from`` says who decided that."""
    policy_from: str
    """``pool``, ``directory PATH`` or ``file``."""
    exposure: int
    """The least of its extents; the tolerance when it has none."""
    health: str
    """``whole``, ``degraded``, ``exposed`` or ``lost``."""
    pending_bytes: int
    """Accepted and not yet in an extent."""
    extent_count: int
    disks: tuple[tuple[str, int], ...]
    """(disk, fragments of this file on it)."""
    extents: tuple[ExtentPlaceView, ...]
    """The first ones; ``extent_count`` is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """A redundancy that was set on a file, or on a directory for all below it."""

    path: str
    is_directory: bool
    redundancy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntryView:
    """One name for the file explorer."""

    name: str
    is_directory: bool
    size: int
    exposure: int
    health: str
    """As in WhereView; a directory is as its worst file, ``unknown`` beyond a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubRunView:
    """One scrub that came to an end."""

    run: int
    started_ns: int
    finished_ns: int
    target: str
    repair: bool
    word: str
    """``finished`` or ``stopped``."""
    fragments: int
    bytes: int
    bad: int
    repaired: int
    unrepaired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeBucketView:
    """How many fragments were last verified within a span of days; the last has no end."""

    days_min: int
    days_max: int | None
    fragments: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubHistoryView:
    """The runs kept, newest first, and the ages of all fragments."""

    runs: tuple[ScrubRunView, ...]
    ages: tuple[AgeBucketView, ...]
    never_fragments: int
    never_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanView:
    """A fragment file that no record names."""

    disk: str
    name: str
    bytes: int
    age_s: float
    removable: bool
    """Old enough, and proven unnamed by a safe root; otherwise ``reason`` says why not."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One line of the audit trail; each carries the hash of the one before."""

    number: int
    time_ns: int
    user: str
    terminal: str
    verb: str
    arguments: str
    judgement: str
    result: str
    duration_s: float
