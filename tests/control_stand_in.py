"""A pool control that answers with canned views and notes what it was asked.

For what stands in front of an engine: the control socket and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.errors import EngineError, UsageError
from engine.model.disk import DiskState, Tier
from engine.status.views import (
    ActivityView,
    CapacityView,
    DiskView,
    EventView,
    ExposureView,
    HealthWord,
    PoolView,
    ReconcileView,
    ScrubView,
    Severity,
    TierView,
    VerdictView,
)
from engine.units import GIB, MIB
from tests.canned_facets import (
    CannedDisks,
    CannedFiles,
    CannedJournal,
    CannedScrubs,
    CannedWork,
)


def disk_view(disk_id: int, *, state: DiskState = DiskState.HEALTHY, reason: str = "") -> DiskView:
    """Return a disk of 10 GiB that is a tenth full."""
    return DiskView(
        disk_id=disk_id,
        name=f"disk-{disk_id}",
        uuid=f"0000000{disk_id}-aaaa-bbbb-cccc-000000000000",
        path=f"disks/{disk_id}",
        tier=Tier.HOT,
        state=state,
        present=state is not DiskState.FAILED,
        total_bytes=10 * GIB,
        free_bytes=9 * GIB,
        fragment_count=100,
        fragment_bytes=GIB,
        in_journal_set=True,
        reason=reason,
    )


def healthy_view() -> PoolView:
    """Return a pool of three disks with nothing wrong."""
    return PoolView(
        monotonic_s=10.0,
        time_ns=1_700_000_000_000_000_000,
        name="archive",
        uuid="11111111-2222-3333-4444-555555555555",
        redundancy="rs:2+1",
        narrow="auto",
        generation=7,
        acknowledged_generation=7,
        epoch=2,
        writable=True,
        read_only_reason="",
        mountpoint="",
        verdict=VerdictView(
            word=HealthWord.OK, code="DFS-0000", sentence="All is well.", action="Nothing to do."
        ),
        exposure=ExposureView(one_extents=12, one_bytes=90 * MIB, may_fail=1),
        capacity=CapacityView(total_bytes=20 * GIB, free_bytes=18 * GIB, used_bytes=2 * GIB),
        activity=ActivityView(read_ops=3),
        disks=(disk_view(1), disk_view(2), disk_view(3)),
        tiers=(
            TierView(
                tier=Tier.HOT,
                disk_count=3,
                total_bytes=30 * GIB,
                free_bytes=27 * GIB,
                fragment_bytes=3 * GIB,
                extent_count=12,
                user_bytes=90 * MIB,
            ),
        ),
        reconcile=ReconcileView(),
        scrub=ScrubView(),
        events=(
            EventView(sequence=1, time_ns=5, severity=Severity.INFO, source="pool", text="opened"),
        ),
    )


def degraded_view() -> PoolView:
    """Return the pool with a failed disk: everything readable, no loss affordable."""
    view = healthy_view()
    return replace(
        view,
        verdict=VerdictView(
            word=HealthWord.DEGRADED,
            code="DFS-0102",
            sentence="One disk failed.",
            action="Add one.",
        ),
        exposure=ExposureView(
            zero_extents=12, zero_bytes=90 * MIB, may_fail=0, degraded_extents=12
        ),
        disks=(*view.disks[:2], disk_view(3, state=DiskState.FAILED, reason="set by operator")),
    )


def lost_view() -> PoolView:
    """Return the pool with two extents that nothing can bring back."""
    return replace(
        degraded_view(),
        verdict=VerdictView(
            word=HealthWord.DATA_LOSS, code="DFS-0201", sentence="Data is lost.", action="Restore."
        ),
        exposure=ExposureView(lost_extents=2, lost_bytes=16 * MIB, may_fail=0),
    )


class CannedControl:
    """Answers with *views* in turn, the last one for good; ``asked`` notes the verbs."""

    def __init__(self, *views: PoolView) -> None:
        self._views = list(views) or [healthy_view()]
        self.asked: list[str] = []
        self.refusal: EngineError | None = None
        """Raised by the next verbs, but not by ``view``."""
        self.contradictions: tuple[str, ...] = ()
        self.disks = CannedDisks(self._hear)
        self.work = CannedWork(self._hear)
        self.scrubs = CannedScrubs(self._hear)
        self.files = CannedFiles(self._hear)
        self.journal = CannedJournal(self._hear)

    def _hear(self, *call: object) -> None:
        self._note(" ".join(map(str, call)))

    def _note(self, text: str) -> str:
        self.asked.append(text)
        if self.refusal is not None:
            raise self.refusal
        return f"done: {text}"

    def view(self) -> PoolView:
        return self._views.pop(0) if len(self._views) > 1 else self._views[0]

    def start_scrub(self, *, repair: bool) -> str:
        return self._note(f"start_scrub repair={repair}")

    def stop_scrub(self) -> str:
        return self._note("stop_scrub")

    def start_rebuild(self) -> str:
        return self._note("start_rebuild")

    def probe_disks(self) -> Sequence[str]:
        self._note("probe_disks")
        return ("disk-1: healthy", "disk-2: healthy")

    def set_disk_health(
        self, disk: str, state: str, basis: str = "", *, force: bool = False
    ) -> str:
        if disk == "nowhere":
            raise UsageError(f"no disk is called {disk!r}")
        words = ["set_disk_health", disk, state, *filter(None, [basis]), *["force"] * force]
        return self._note(" ".join(words))

    def add_disk(self, path: str, tier: str, *, spare: bool = False) -> str:
        return self._note(f"add_disk {path} {tier}" + (" spare" if spare else ""))

    def sync(self) -> str:
        return self._note("sync")

    def check(self) -> Sequence[str]:
        self._note("check")
        return self.contradictions

    def list_extents(self, limit: int) -> Sequence[Mapping[str, object]]:
        self._note(f"list_extents {limit}")
        return [
            {
                "extent_id": number,
                "redundancy": "rs:2+1",
                "tier": "hot",
                "length_bytes": 8 * MIB,
                "fragments": ["disk-1", "disk-2", "disk-3"],
            }
            for number in range(1, min(limit, 3) + 1)
        ]

    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        self._note("metrics")
        return {"device_reads": {"disk-1": 4.0, "disk-2": 5.0}, "groups": {"": 7.0}}
