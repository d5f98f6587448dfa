"""A pool with something to say on every page: damage, past scrubs, files, audit lines."""

from __future__ import annotations

from dataclasses import replace

from engine.status.answers import (
    AgeBucketView,
    AuditView,
    DirectoryEntryView,
    HealedView,
    Judgement,
    ScrubHistoryView,
    ScrubRunView,
    WhatIfView,
)
from engine.status.views import FindingView, Intensity, PoolView, ScrubView
from engine.units import GIB, MIB, NS_PER_S, TIB
from tests.canned_facets import HISTORY, WHAT_IF, WHERE
from tests.console.canned import CannedControl
from tests.console.canned_healing import healing
from tests.console.canned_views import NOW_NS

LOST_PATH = "/photos/lost.raw"

FINDINGS = (
    FindingView(extent_id=7, index=2, disk="d4", verdict="corrupt", path="/vm/db.img",
                outcome="repaired", found_ns=NOW_NS - 60 * NS_PER_S),
    FindingView(extent_id=8, index=0, disk="d1", verdict="missing", path="/vm/[b]odd[/b]",
                outcome="queued", found_ns=NOW_NS - 50 * NS_PER_S),
    FindingView(extent_id=91, index=1, disk="d3", verdict="corrupt", path=LOST_PATH,
                outcome="irrecoverable: 3 intact of 4 needed", found_ns=NOW_NS - 40 * NS_PER_S),
    FindingView(extent_id=92, index=5, disk="d2", verdict="parity", path="", outcome=""),
)  # fmt: skip


def damaged(**changes: object) -> PoolView:
    """Return the healing pool while a scrub with repair runs and has found damage."""
    job = ScrubView(
        running=True,
        target="disk d4",
        intensity=Intensity.MEDIUM,
        limit_bytes_s=100 * MIB,
        schedule="every 6 h",
        next_ns=NOW_NS + 7_200 * NS_PER_S,
        repair=True,
        started_ns=NOW_NS - 600 * NS_PER_S,
        done_fragments=71_000,
        total_fragments=100_000,
        done_bytes=7 * TIB,
        total_bytes=10 * TIB,
        rate_bytes_s=410.0 * MIB,
        eta_s=900.0,
        intact=70_996,
        corrupt=2,
        missing=1,
        parity_mismatches=1,
        repaired=1,
        metadata_checked=12,
        findings=FINDINGS,
        runs_completed=3,
    )
    return replace(healing(), scrub=replace(job, **changes))  # type: ignore[arg-type]


def _run(number: int, *, bad: int = 0, left: int = 0, word: str = "finished") -> ScrubRunView:
    day_ns = 86_400 * NS_PER_S
    began_ns = NOW_NS - (10 - number) * day_ns
    return replace(
        HISTORY.runs[0],
        run=number,
        started_ns=began_ns,
        finished_ns=began_ns + 4_320 * NS_PER_S,
        word=word,
        repair=bool(bad),
        bad=bad,
        repaired=bad - left,
        unrepaired=left,
    )


PAST = ScrubHistoryView(
    runs=(
        _run(3, bad=3, left=1), _run(2, word="stopped"), _run(1, bad=2), _run(0),
    ),
    ages=(
        AgeBucketView(days_min=0, days_max=1, fragments=60_000, bytes=5 * TIB),
        AgeBucketView(days_min=1, days_max=7, fragments=30_000, bytes=3 * TIB),
        AgeBucketView(days_min=7, days_max=None, fragments=8_000, bytes=1 * TIB),
    ),
    never_fragments=2_000,
    never_bytes=200 * GIB,
)  # fmt: skip


def entry(name: str, *, folder: bool = False, health: str = "whole") -> DirectoryEntryView:
    """Return one name."""
    size = 0 if folder else 9 * MIB
    return DirectoryEntryView(
        name=name, is_directory=folder, size=size, exposure=2, health=health
    )  # fmt: skip


FOLDERS = {
    "/": (entry("readme.txt"), entry("vm", folder=True, health="degraded"),
          entry("photos", folder=True, health="lost")),
    "/vm": (entry("db.img", health="degraded"), entry("[b]odd[/b]", health="exposed")),
    "/photos": (entry("lost.raw", health="lost"),),
}  # fmt: skip

PLACE = replace(
    WHERE,
    health="degraded",
    exposure=0,
    extent_count=40,
    disks=(("d1", 1), ("d2", 1)),
    extents=(
        replace(
            WHERE.extents[0],
            exposure=0,
            verified_ns=NOW_NS,
            fragments=(
                replace(WHERE.extents[0].fragments[0], state="intact"),
                replace(WHERE.extents[0].fragments[1], state="missing"),
            ),
        ),
    ),
)

DATA_LOSS = WhatIfView(
    disks=("d0", "d1"),
    judgement=Judgement.BLOCKED,
    sentence="61.0 GiB in 1,204 extents could not be read any more.",
    lost_extents=1_204,
    lost_bytes=61 * GIB,
    exposed_extents=9_880,
    exposed_bytes=80 * GIB,
    lost_files=38,
    lost_paths=(LOST_PATH, "/vm/db.img"),
    writable=False,
    rebuild_bytes=5 * TIB,
    free_bytes=4 * TIB,
    fits=False,
    rebuild_s=22_800.0,
    may_fail_during=-1,
    healed=HealedView(redundancy="rs:1+2", width=3, may_fail=0, short_extents=9_880),
    advice="Do not take d0, d1 away; drain one of them first, and wait until it is empty.",
)

AUDIT = (
    AuditView(number=1, time_ns=NOW_NS - 90 * NS_PER_S, user="ada", terminal="pts/3",
              verb="disks.drain", arguments="d2", judgement="SAFE", result="d2 is emptied",
              duration_s=0.2),
    AuditView(number=2, time_ns=NOW_NS - 80 * NS_PER_S, user="bob", terminal="",
              verb="disks.remove", arguments="d2", judgement="BLOCKED",
              result="UsageError: d2 still has fragments", duration_s=0.1),
)  # fmt: skip


def full_control(view: PoolView | None = None) -> CannedControl:
    """Return a control whose every facet has an answer worth drawing."""
    control = CannedControl(damaged() if view is None else view)
    control.scrubs.past = PAST
    control.files.folders = dict(FOLDERS)
    control.files.place = PLACE
    control.disks.loss = WHAT_IF
    control.journal.lines = AUDIT
    return control
