"""The facets of a pool that only pretends: canned answers, every verb noted.

``record`` hears ``facet.verb`` and the arguments, and may raise. Answers are
attributes: a test replaces what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.status.answers import (
    AgeBucketView,
    AuditView,
    CompactionView,
    DirectoryEntryView,
    ExtentPlaceView,
    FragmentPlaceView,
    HealedView,
    Judgement,
    OrphanView,
    PlanView,
    PolicyView,
    ScrubHistoryView,
    ScrubRunView,
    TargetView,
    WhatIfView,
    WhereView,
)
from engine.status.views import EventView, WorkItemView
from engine.units import GIB, MIB

Record = Callable[..., None]

PLAN = PlanView(
    verb="drain",
    disk="d1",
    plan_id="5f2c",
    basis="8812",
    judgement=Judgement.SAFE,
    reasons=("redundancy stays whole",),
    moves_extents=120,
    moves_bytes=3 * GIB,
    targets=(TargetView(disk="d2", bytes=3 * GIB, used_ratio_after=0.4),),
    duration_s=900.0,
    may_fail_during=2,
    used_ratio_before=0.3,
    used_ratio_after=0.35,
    command="dynamicfs drain POOL d1 --yes",
)
WHAT_IF = WhatIfView(
    disks=("d1",),
    judgement=Judgement.RISKY,
    sentence="Nothing is lost, and one more disk may fail.",
    degraded_extents=120,
    degraded_bytes=3 * GIB,
    unaffected_extents=20,
    unaffected_bytes=160 * MIB,
    rebuild_bytes=3 * GIB,
    free_bytes=40 * GIB,
    rebuild_s=900.0,
    may_fail_during=1,
    healed=HealedView(redundancy="rs:4+2", width=6, may_fail=2),
)
WHERE = WhereView(
    path="/vm/db.img",
    inode=12,
    size=8 * MIB,
    redundancy="rs:4+2",
    policy_from="pool",
    exposure=2,
    health="whole",
    pending_bytes=0,
    extent_count=1,
    disks=(("d1", 1), ("d2", 1)),
    extents=(
        ExtentPlaceView(
            offset=0,
            length=8 * MIB,
            extent_id=7,
            extent_offset=0,
            redundancy="rs:4+2",
            tier="hot",
            exposure=2,
            verified_ns=0,
            fragments=(
                FragmentPlaceView(index=0, disk="d1", state="intact", name="fragments/0/7.1.0"),
                FragmentPlaceView(index=1, disk="d2", state="intact", name="fragments/0/7.1.1"),
            ),
        ),
    ),
)
HISTORY = ScrubHistoryView(
    runs=(
        ScrubRunView(
            run=3,
            started_ns=1_700_000_000_000_000_000,
            finished_ns=1_700_000_360_000_000_000,
            target="all",
            repair=True,
            word="finished",
            fragments=720,
            bytes=5 * GIB,
            bad=2,
            repaired=2,
            unrepaired=0,
        ),
    ),
    ages=(
        AgeBucketView(days_min=0, days_max=1, fragments=700, bytes=5 * GIB),
        AgeBucketView(days_min=1, days_max=None, fragments=20, bytes=100 * MIB),
    ),
    never_fragments=0,
    never_bytes=0,
)


class CannedDisks:
    """``DiskControl`` with canned answers."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.answer = PLAN
        self.loss = WHAT_IF
        self.losses: dict[tuple[str, ...], WhatIfView] = {}
        """Answers about single sets of disks; ``loss`` is that about all others."""

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        self._record("disks.plan", verb, disk, replacement)
        return self.answer

    def drain(self, disk: str, basis: str = "") -> str:
        self._record("disks.drain", disk, *filter(None, [basis]))
        return "done: drain"

    def replace(self, disk: str, path: str, tier: str, basis: str = "") -> str:
        self._record("disks.replace", disk, path, tier, *filter(None, [basis]))
        return "done: replace"

    def remove(self, disk: str, basis: str = "") -> str:
        self._record("disks.remove", disk, *filter(None, [basis]))
        return "done: remove"

    def detach(self, disk: str, basis: str = "") -> str:
        self._record("disks.detach", disk, *filter(None, [basis]))
        return "done: detach"

    def attach(self, disk: str, path: str) -> str:
        self._record("disks.attach", disk, path)
        return "done: attach"

    def set_spare(self, disk: str, *, spare: bool) -> str:
        self._record("disks.set_spare", disk, spare)
        return "done: set_spare"

    def what_if(self, disks: Sequence[str]) -> WhatIfView:
        self._record("disks.what_if", disks)
        return self.losses.get(tuple(disks), self.loss)


class CannedWork:
    """``WorkControl`` with canned answers."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.items: Sequence[WorkItemView] = ()

    def pause(self) -> str:
        self._record("work.pause")
        return "done: pause"

    def resume(self) -> str:
        self._record("work.resume")
        return "done: resume"

    def cancel(self) -> str:
        self._record("work.cancel")
        return "done: cancel"

    def limit(self, bytes_s: int) -> str:
        self._record("work.limit", bytes_s)
        return "done: limit"

    def set_priority(self, priority: str) -> str:
        self._record("work.set_priority", priority)
        return "done: set_priority"

    def full_speed(self, seconds: int) -> str:
        self._record("work.full_speed", seconds)
        return "done: full_speed"

    def prefer(self, path: str) -> str:
        self._record("work.prefer", path)
        return "done: prefer"

    def rebalance(self) -> str:
        self._record("work.rebalance")
        return "done: rebalance"

    def compact(self) -> str:
        self._record("work.compact")
        return "done: compact"

    def plan_compaction(self) -> CompactionView:
        self._record("work.plan_compaction")
        return CompactionView(
            percent=50,
            extents=3,
            live_bytes=1000,
            read_bytes=9000,
            written_bytes=2000,
            freed_bytes=7000,
        )

    def set_compaction(self, percent: int) -> str:
        self._record("work.set_compaction", percent)
        return "done: set_compaction"

    def list_work(self, limit: int) -> Sequence[WorkItemView]:
        self._record("work.list_work", limit)
        return self.items[:limit]


class CannedScrubs:
    """``ScrubControl`` with canned answers."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.past = HISTORY

    def start(self, target: str, *, repair: bool) -> str:
        self._record("scrubs.start", target, repair)
        return "done: start"

    def pause(self) -> str:
        self._record("scrubs.pause")
        return "done: pause"

    def resume(self) -> str:
        self._record("scrubs.resume")
        return "done: resume"

    def set_intensity(self, intensity: str) -> str:
        self._record("scrubs.set_intensity", intensity)
        return "done: set_intensity"

    def limit(self, bytes_s: int) -> str:
        self._record("scrubs.limit", bytes_s)
        return "done: limit"

    def schedule(self, when: str) -> str:
        self._record("scrubs.schedule", when)
        return "done: schedule"

    def history(self) -> ScrubHistoryView:
        self._record("scrubs.history")
        return self.past


POLICY_PLAN = PlanView(
    verb="policy",
    disk="",
    plan_id="4b1d",
    basis="cafe",
    judgement=Judgement.SAFE,
    reasons=("it survives the loss of 2 disks, as now",),
    command="dynamicfs change-policy /srv/pool /vm copies:3",
)


class CannedFiles:
    """``FileControl`` with canned answers."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.place = WHERE
        self.plan = POLICY_PLAN
        self.entries: Sequence[DirectoryEntryView] = ()
        self.folders: dict[str, Sequence[DirectoryEntryView]] = {}
        """Entries of single folders; ``entries`` are those of all others."""
        self.policies: Sequence[PolicyView] = ()
        self.orphans: Sequence[OrphanView] = ()

    def where(self, path: str) -> WhereView:
        self._record("files.where", path)
        return self.place

    def list_directory(self, path: str, limit: int) -> Sequence[DirectoryEntryView]:
        self._record("files.list_directory", path, limit)
        return self.folders.get(path, self.entries)[:limit]

    def plan_redundancy(self, path: str, redundancy: str) -> PlanView:
        self._record("files.plan_redundancy", path, redundancy)
        return self.plan

    def set_redundancy(self, path: str, redundancy: str) -> str:
        self._record("files.set_redundancy", path, redundancy)
        return "done: set_redundancy"

    def list_policies(self, limit: int) -> Sequence[PolicyView]:
        self._record("files.list_policies", limit)
        return self.policies[:limit]

    def find_orphans(self, limit: int, min_age_h: int) -> Sequence[OrphanView]:
        self._record("files.find_orphans", limit, min_age_h)
        return self.orphans[:limit]

    def clean_orphans(self, min_age_h: int) -> str:
        self._record("files.clean_orphans", min_age_h)
        return "done: clean_orphans"


class CannedJournal:
    """``JournalControl`` with canned answers."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.events: Sequence[EventView] = ()
        self.lines: Sequence[AuditView] = ()

    def events_since(self, sequence: int, limit: int) -> Sequence[EventView]:
        self._record("journal.events_since", sequence, limit)
        return self.events[:limit]

    def audit(self, limit: int) -> Sequence[AuditView]:
        self._record("journal.audit", limit)
        return self.lines[:limit]

    def verify_audit(self) -> str:
        self._record("journal.verify_audit")
        return "done: verify_audit"
