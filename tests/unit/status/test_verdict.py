"""The verdict: one code for each condition, and the worst one is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.ids import DiskId, ExtentId
from engine.maintenance.progress import ItemProgress, ItemState, ReconcileProgress, ScrubProgress
from engine.maintenance.topology import DiskStatus
from engine.model.disk import DiskState
from engine.policy.exposure import ExposureBucket
from engine.status.assemble import reconcile_view, scrub_view
from engine.status.figures import Figures
from engine.status.verdict import MEANINGS, Code, PoolCondition, verdict_of
from engine.status.views import HealthWord


def disk(number: int, state: DiskState = DiskState.HEALTHY, *, present: bool = True) -> DiskStatus:
    return DiskStatus(disk_id=DiskId(number), name=f"d{number}", state=state, present=present)


DISKS = tuple(disk(number) for number in range(1, 7))
HOLDING = Figures(
    bucket_extents={ExposureBucket.MORE: 10},
    disk_fragments={DiskId(number): 10 for number in range(1, 7)},
    least_exposure=2,
)
DEGRADED = replace(HOLDING, degraded_extents=10, least_exposure=1)
WELL = PoolCondition(
    disks=DISKS,
    figures=HOLDING,
    reconcile=ReconcileProgress(),
    tolerance=2,
    wanted_width=6,
    may_fail=2,
    writable=True,
)
RUNNING = ReconcileProgress(active=True, done_items=3, total_items=10)
MISSING = (disk(1, present=False), *DISKS[1:])
FAILED = (disk(1, DiskState.FAILED), *DISKS[1:])
PENDING = ReconcileProgress(
    pending_items=10,
    items=(
        ItemProgress(
            extent_id=ExtentId(1),
            kind="rebuild",
            state=ItemState.PENDING,
            exposure=1,
            reason="needs one more disk",
        ),
    ),
)


@pytest.mark.parametrize(
    ("condition", "code", "sentence"),
    [
        (WELL, Code.ALL_WELL, "All is well: any 2 disks may fail."),
        (
            replace(
                WELL,
                disks=MISSING,
                figures=DEGRADED,
                reconcile=ReconcileProgress(waiting_s=551.2),
                may_fail=1,
            ),
            Code.DISK_MISSING,
            "Disk d1 is missing. The rebuild starts in 9:11.",
        ),
        (
            replace(WELL, disks=FAILED, figures=DEGRADED, may_fail=1),
            Code.DISK_FAILED,
            "Disk d1 failed.",
        ),
        (
            replace(WELL, disks=FAILED, figures=DEGRADED, reconcile=RUNNING, may_fail=1),
            Code.REBUILDING,
            "Rebuilding: 3 of 10 extents done.",
        ),
        (
            replace(WELL, disks=FAILED, figures=DEGRADED, reconcile=PENDING, may_fail=1),
            Code.PENDING,
            "10 extents pending: needs one more disk.",
        ),
        (
            replace(WELL, figures=replace(HOLDING, damaged_fragments=1)),
            Code.DAMAGED,
            "1 fragment damaged; every file can be read.",
        ),
        (
            replace(WELL, disks=(disk(1, DiskState.SUSPECT), *DISKS[1:])),
            Code.DISK_UNWELL,
            "Disk d1 is suspect.",
        ),
        (
            replace(WELL, reconcile=ReconcileProgress(failed_items=2)),
            Code.REBUILD_FAILING,
            "2 extents could not be mended.",
        ),
        (
            replace(WELL, full=True),
            Code.POOL_FULL,
            "No more data fits with the redundancy asked for.",
        ),
        (
            replace(WELL, disks=FAILED, figures=DEGRADED, may_fail=0),
            Code.AT_RISK,
            "The next disk to fail may cost data.",
        ),
        (
            replace(WELL, writable=False, read_only_reason="3 of 5 journal disks are missing"),
            Code.READ_ONLY,
            "The pool is read-only: 3 of 5 journal disks are missing.",
        ),
        (
            replace(
                WELL,
                writable=False,
                figures=replace(DEGRADED, bucket_extents={ExposureBucket.LOST: 2}),
            ),
            Code.DATA_LOST,
            "2 extents cannot be read: too few of their fragments are left.",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Code) else "",
)
def test_each_condition_has_its_code_and_sentence(
    condition: PoolCondition, code: Code, sentence: str
) -> None:
    verdict = verdict_of(condition)

    assert (verdict.code, verdict.sentence) == (code.value, sentence)
    assert verdict.word is MEANINGS[code].word
    assert verdict.action


def test_every_code_has_a_meaning_and_only_all_well_is_ok() -> None:
    assert set(MEANINGS) == set(Code)
    assert [code for code in Code if MEANINGS[code].word is HealthWord.OK] == [Code.ALL_WELL]


def test_a_failed_disk_that_was_made_good_elsewhere_is_no_worry() -> None:
    seven = (disk(7, DiskState.FAILED, present=False), *DISKS)

    verdict = verdict_of(replace(WELL, disks=seven))

    assert verdict.word is HealthWord.OK
    assert verdict.sentence == "All is well: any 2 disks may fail. Without d7."


def test_a_missing_disk_worries_while_its_delay_runs() -> None:
    seven = (disk(7, present=False), *DISKS)

    verdict = verdict_of(replace(WELL, disks=seven, reconcile=ReconcileProgress(waiting_s=10.0)))

    assert verdict.code == Code.DISK_MISSING


def test_widening_is_no_rebuild() -> None:
    assert verdict_of(replace(WELL, reconcile=RUNNING)).code == Code.ALL_WELL


def test_a_pool_opened_read_only_on_purpose_is_well() -> None:
    condition = replace(WELL, writable=False, read_only_wanted=True)

    assert verdict_of(condition).code == Code.ALL_WELL


def test_progress_becomes_views_with_the_same_numbers() -> None:
    view = reconcile_view(PENDING)

    assert view.pending_items == 10
    assert view.items[0].state == "pending"
    assert view.items[0].reason == "needs one more disk"
    assert scrub_view(ScrubProgress(corrupt=3, intact=4), {}).corrupt == 3
