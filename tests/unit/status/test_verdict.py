"""The verdict: one code for each condition, told worst first."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.disk import DiskState
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.verdict import PoolCondition, conditions_of, verdict_of
from engine.status.views import CapacityView, ExposureView, HealthWord, ReconcileView, ScrubView
from engine.units import GIB, MIB
from tests.unit.status.pool_conditions import (
    DEGRADED,
    DISKS,
    FAILED,
    MISSING,
    NOW_NS,
    PENDING,
    RUNNING,
    WELL,
    disk,
    with_first,
)

DAY_NS = 86400 * 10**9
LOST = ExposureView(lost_extents=2, degraded_extents=10)

# One row a code: what ails the pool, and the sentence that tells it.
TABLE: list[tuple[Code, PoolCondition, str]] = [
    (
        Code.DISK_MISSING,
        replace(WELL, disks=MISSING, exposure=DEGRADED, reconcile=ReconcileView(waiting_s=551.2)),
        "Disk d1 is missing. The rebuild starts in 9:11.",
    ),
    (Code.DISK_FAILED, replace(WELL, disks=FAILED, exposure=DEGRADED), "Disk d1 failed."),
    (
        Code.REBUILDING,
        replace(WELL, disks=FAILED, exposure=DEGRADED, reconcile=RUNNING),
        "Rebuilding: 3 of 10 extents done.",
    ),
    (
        Code.PENDING,
        replace(WELL, disks=FAILED, exposure=DEGRADED, reconcile=PENDING),
        "10 extents pending: needs one more disk.",
    ),
    (
        Code.DAMAGED,
        replace(WELL, damaged_fragments=1),
        "1 fragment damaged; every file can be read.",
    ),
    (
        Code.DISK_DEGRADED,
        replace(WELL, disks=with_first(disk(1, DiskState.DEGRADED, reason="3 errors"))),
        "Disk d1 is degraded: 3 errors.",
    ),
    (
        Code.DISK_SUSPECT,
        replace(WELL, disks=with_first(disk(1, DiskState.SUSPECT))),
        "Disk d1 is suspect.",
    ),
    (
        Code.DISK_DRAINING,
        replace(WELL, disks=with_first(disk(1, DiskState.DRAINING))),
        "Disk d1 is draining.",
    ),
    (
        Code.DISK_DETACHED,
        replace(WELL, disks=with_first(disk(1, present=False, detached=True))),
        "Disk d1 is detached for maintenance.",
    ),
    (
        Code.REBUILD_FAILING,
        replace(WELL, reconcile=ReconcileView(failed_items=2)),
        "2 extents could not be mended.",
    ),
    (
        Code.REBUILD_PAUSED,
        replace(WELL, exposure=DEGRADED, reconcile=ReconcileView(paused=True)),
        "The rebuild is paused by the operator.",
    ),
    (
        Code.REBUILD_CANCELLED,
        replace(WELL, exposure=DEGRADED, reconcile=ReconcileView(cancelled=True)),
        "The rebuild was cancelled by the operator.",
    ),
    (
        Code.DISK_FULL,
        replace(WELL, disks=with_first(disk(1, free_bytes=GIB))),
        "Disk d1 is full; new data goes to the others.",
    ),
    (
        Code.DISK_SLOW,
        replace(WELL, disks=(disk(1, p99_s=2.0), *(disk(n, p99_s=0.02) for n in range(2, 7)))),
        "Disk d1 is slow: its slowest calls take 2 s.",
    ),
    (
        Code.DISK_SMART,
        replace(WELL, disks=with_first(disk(1, smart="failed: reallocated sectors"))),
        "The drive of disk d1 predicts its failure: failed: reallocated sectors.",
    ),
    (
        Code.DISK_ERRORS,
        replace(WELL, disks=with_first(disk(1, recent=2))),
        "Disk d1 made 2 errors in the last ten minutes.",
    ),
    (
        Code.JOURNALS_SHORT,
        replace(WELL, journals_missing=("d1",)),
        "Journal disk d1 does not answer.",
    ),
    (
        Code.JOURNALS_BEHIND,
        replace(WELL, journals_behind=("d1",)),
        "Journal disk d1 lags behind.",
    ),
    (
        Code.JOURNAL_FILES_DAMAGED,
        replace(WELL, scrub=ScrubView(metadata_damaged=1)),
        "1 journal or checkpoint file damaged; others hold the same.",
    ),
    (
        Code.CHECKPOINT_ROOM,
        replace(WELL, checkpoint_problem="no room for a checkpoint in p"),
        "No checkpoint is made, and journals grow: no room for a checkpoint in p.",
    ),
    (
        Code.SCRUB_OVERDUE,
        replace(WELL, scrub=ScrubView(whole_ns=NOW_NS - 40 * DAY_NS)),
        "The last scrub of everything ended 40 days ago.",
    ),
    (
        Code.SCRUB_PAUSED,
        replace(WELL, scrub=ScrubView(running=True, paused=True)),
        "The scrub is paused by the operator.",
    ),
    (
        Code.QUORUM_MISSING,
        replace(WELL, writable=False, read_only_reason="3 of 5 journal disks are missing"),
        "The pool is read-only: 3 of 5 journal disks are missing.",
    ),
    (
        Code.STOPPED,
        replace(WELL, writable=False, read_only_reason="a group was lost"),
        "The pool is read-only: a group was lost.",
    ),
    (
        Code.READ_ONLY_WANTED,
        replace(WELL, writable=False, read_only_wanted=True, read_only_reason="as asked"),
        "The pool is opened read-only, as asked.",
    ),
    (
        Code.POOL_FULL,
        replace(WELL, full=True),
        "No more data fits with the redundancy asked for.",
    ),
    (
        Code.POOL_NEARLY_FULL,
        replace(WELL, capacity=CapacityView(total_bytes=100, free_bytes=9, used_bytes=91)),
        "The pool is nearly full: 9 % is free.",
    ),
    (
        Code.AT_RISK,
        replace(WELL, exposure=replace(DEGRADED, may_fail=0)),
        "The next disk to fail may cost data.",
    ),
    (
        Code.METADATA_DAMAGED,
        replace(WELL, metadata_damage="page 7"),
        "The metadata database is damaged: page 7.",
    ),
    (
        Code.ENGINE_STUCK,
        replace(WELL, heartbeats={"group-timer": 61.0, "probe": 0.1}),
        "The engine's group-timer has not moved for 61 s.",
    ),
    (
        Code.DATA_LOST,
        replace(WELL, exposure=LOST),
        "2 extents cannot be read: too few of their fragments are left.",
    ),
    (
        Code.IRRECOVERABLE,
        replace(WELL, reconcile=ReconcileView(irrecoverable=("/a", "/b", "/c", "/d"))),
        "4 files cannot be mended: /a, /b, /c and 1 more.",
    ),
    (
        Code.FORCED_OPEN,
        replace(WELL, forced=True),
        "The pool was opened by force, and remembers it.",
    ),
    (Code.CLOCK_JUMPED, replace(WELL, clock_jump_s=-3600.0), "The clock was set back by 60 min."),
    (
        Code.AUDIT_SILENT,
        replace(WELL, audit_problem="No space left on device"),
        "The audit trail cannot be written: No space left on device.",
    ),
]
HELP = "Add a disk or bring one back."
"""For the pending work of the table, which waits for a disk."""
ELSEWHERE = {Code.ALL_WELL, Code.TWO_HISTORIES}
"""All well is told when there is nothing else; two histories refuse the open itself."""


@pytest.mark.parametrize(
    ("code", "condition", "sentence"), TABLE, ids=[str(code) for code, _, _ in TABLE]
)
def test_each_condition_is_told_with_its_code_sentence_and_action(
    code: Code, condition: PoolCondition, sentence: str
) -> None:
    told = {one.code: one for one in conditions_of(condition)}

    assert told[code].sentence == sentence
    assert told[code].word is MEANINGS[code].word
    assert told[code].action == (HELP if code is Code.PENDING else MEANINGS[code].action)


def test_every_code_is_told_by_some_condition() -> None:
    assert {code for code, _, _ in TABLE} | ELSEWHERE == set(Code)


def test_a_pool_that_is_well_has_no_condition_and_says_what_it_bears() -> None:
    assert conditions_of(WELL) == ()
    assert verdict_of(WELL).code == Code.ALL_WELL
    assert verdict_of(WELL).sentence == "All is well: any 2 disks may fail."


def _some_of(name: str) -> st.SearchStrategy[object]:
    """Return a strategy of the value that is well and those of the table that are not."""
    well = getattr(WELL, name)
    others = [getattr(one, name) for _, one, _ in TABLE if getattr(one, name) != well]
    return st.sampled_from([well, *others])


ANY_POOL = st.builds(PoolCondition, **{one.name: _some_of(one.name) for one in fields(WELL)})


@given(condition=ANY_POOL)
def test_whatever_ails_a_pool_is_told_worst_first(condition: PoolCondition) -> None:
    words = [list(HealthWord).index(one.word) for one in conditions_of(condition)]

    assert words == sorted(words, reverse=True)
    assert list(HealthWord).index(verdict_of(condition).word) == max(words, default=0)


@given(condition=ANY_POOL)
def test_no_condition_is_told_twice_of_the_same_thing(condition: PoolCondition) -> None:
    about = [(one.code, one.subject) for one in conditions_of(condition)]

    assert len(about) == len(set(about))


@pytest.mark.parametrize(
    ("code", "condition"),
    [(code, condition) for code, condition, _ in TABLE if MEANINGS[code].word is HealthWord.OK],
)
def test_what_needs_no_mending_leaves_the_verdict_well(
    code: Code, condition: PoolCondition
) -> None:
    assert verdict_of(condition).code == Code.ALL_WELL


def test_a_failed_disk_that_was_made_good_elsewhere_is_no_worry() -> None:
    seven = (*DISKS, disk(7, DiskState.FAILED, present=False, fragments=0))

    verdict = verdict_of(replace(WELL, disks=seven))

    assert verdict.word is HealthWord.OK
    assert verdict.sentence == "All is well: any 2 disks may fail. Without d7."


def test_a_missing_disk_worries_while_its_delay_runs() -> None:
    seven = (*DISKS, disk(7, present=False, fragments=0))

    verdict = verdict_of(replace(WELL, disks=seven, reconcile=ReconcileView(waiting_s=10.0)))

    assert verdict.code == Code.DISK_MISSING


def test_what_helps_against_a_missing_disk_is_a_rebuild_only_while_one_is_left() -> None:
    gone = replace(WELL, disks=(*DISKS[:5], disk(6, present=False)))
    lacking = replace(gone, exposure=DEGRADED)
    waiting = replace(gone, reconcile=ReconcileView(waiting_s=10.0))

    assert verdict_of(gone).code == Code.DISK_MISSING
    assert verdict_of(gone).action == "Bring the disk back, or replace it."
    for one in (lacking, waiting):
        (missing,) = (c for c in conditions_of(one) if c.code == Code.DISK_MISSING)
        assert missing.action == "Bring the disk back, or start the rebuild now."


def test_a_missing_disk_that_still_has_fragments_worries() -> None:
    seven = (*DISKS, disk(7, present=False, fragments=1))

    assert verdict_of(replace(WELL, disks=seven)).code == Code.DISK_MISSING


def test_widening_and_a_pause_of_it_are_no_worry() -> None:
    assert conditions_of(replace(WELL, reconcile=RUNNING)) == ()
    assert conditions_of(replace(WELL, reconcile=ReconcileView(paused=True))) == ()


def test_a_pool_without_redundancy_is_not_at_risk_by_that() -> None:
    bare = replace(WELL, tolerance=0, exposure=ExposureView(zero_extents=3, may_fail=0))

    assert Code.AT_RISK not in {one.code for one in conditions_of(bare)}


def test_a_detached_disk_is_neither_missing_nor_failed() -> None:
    away = with_first(disk(1, present=False, detached=True))

    codes = {one.code for one in conditions_of(replace(WELL, disks=away, exposure=DEGRADED))}

    assert codes == {Code.DISK_DETACHED}


@pytest.mark.parametrize(
    ("thread", "late_s", "stuck"),
    [
        ("group-timer", 9.0, False),
        ("group-timer", 11.0, True),
        ("maintenance", 44.0, False),
        ("maintenance", 46.0, True),
        ("probe", 31.0, False),
    ],
)
def test_a_thread_that_calls_disks_may_be_later_than_others(
    thread: str,
    late_s: float,
    stuck: bool,  # noqa: FBT001 - a column of the table
) -> None:
    codes = {one.code for one in conditions_of(replace(WELL, heartbeats={thread: late_s}))}

    assert (Code.ENGINE_STUCK in codes) is stuck


@pytest.mark.parametrize(
    ("scrub", "age_d", "told"),
    [
        (ScrubView(), None, ""),
        (ScrubView(), 0.003, ""),
        (ScrubView(), 34, ""),
        (ScrubView(), 36, "No scrub of everything has ended yet, and the pool is 36 days old."),
        (ScrubView(running=True), 36, ""),
        (ScrubView(whole_ns=NOW_NS - 34 * DAY_NS), 99, ""),
        (
            ScrubView(whole_ns=NOW_NS - 36 * DAY_NS),
            99,
            "The last scrub of everything ended 36 days ago.",
        ),
        (ScrubView(whole_ns=NOW_NS - 36 * DAY_NS, running=True), 99, ""),
        # One that was stopped, or of a part, does not count.
        (
            ScrubView(whole_ns=NOW_NS - 36 * DAY_NS, finished_ns=NOW_NS - DAY_NS),
            99,
            "The last scrub of everything ended 36 days ago.",
        ),
        (ScrubView(next_ns=NOW_NS - DAY_NS // 2), 9, ""),
        (ScrubView(next_ns=NOW_NS - 2 * DAY_NS), 9, "The scheduled scrub is late."),
    ],
)
def test_a_scrub_is_overdue_behind_its_schedule_or_after_five_weeks(
    scrub: ScrubView, age_d: float | None, told: str
) -> None:
    created_ns = 0 if age_d is None else NOW_NS - round(age_d * DAY_NS)

    found = conditions_of(replace(WELL, scrub=scrub, created_ns=created_ns))

    assert [one.sentence for one in found if one.code == Code.SCRUB_OVERDUE] == [told] * bool(told)


def test_a_disk_is_not_slow_where_all_are_or_where_none_takes_long() -> None:
    all_slow = tuple(disk(number, p99_s=2.0) for number in range(1, 7))
    quick = (disk(1, p99_s=0.01), *(disk(number, p99_s=0.0001) for number in range(2, 7)))

    assert conditions_of(replace(WELL, disks=all_slow)) == ()
    assert conditions_of(replace(WELL, disks=quick)) == ()


def test_a_small_disk_is_full_at_a_tenth() -> None:
    small = replace(disk(1), total_bytes=1000 * MIB, free_bytes=99 * MIB)

    assert [one.code for one in conditions_of(replace(WELL, disks=with_first(small)))] == [
        Code.DISK_FULL
    ]
