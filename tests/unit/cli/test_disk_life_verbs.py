"""Verbs of a disk's life: planned first, asked about, agreed to, and waited for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.disk import DiskState
from engine.status.answers import HealedView, Judgement, PlanView, WhatIfView
from engine.status.transport import decode
from engine.status.views import DiskView, ExitCode, PoolView, ReconcileView
from tests.canned_facets import PLAN, WHAT_IF
from tests.control_stand_in import CannedControl, healthy_view
from tests.unit.cli.canned_engine import CannedEngine, run_command

VERBS = [
    ("drain POOL disk-1", "drain disk-1", "disks.drain disk-1 8812"),
    (
        "replace POOL disk-1 /d/9 --tier cold",
        "replace disk-1 /d/9",
        "disks.replace disk-1 /d/9 cold 8812",
    ),
    ("remove-disk POOL disk-1", "remove disk-1", "disks.remove disk-1 8812"),
    ("detach POOL disk-1", "detach disk-1", "disks.detach disk-1 8812"),
    ("fail-disk POOL disk-1", "fail disk-1", "set_disk_health disk-1 failed 8812"),
    ("set-disk-health POOL disk-1 failed", "fail disk-1", "set_disk_health disk-1 failed 8812"),
    (
        "set-disk-health POOL disk-1 draining",
        "drain disk-1",
        "set_disk_health disk-1 draining 8812",
    ),
]


def plan(**changes: object) -> PlanView:
    return replace(PLAN, **changes)  # type: ignore[arg-type]


def words(line: str, pool: Path) -> list[str]:
    return line.replace("POOL", str(pool)).split()


@pytest.mark.parametrize(("line", "planned", "asked"), VERBS)
def test_a_verb_is_planned_and_then_done_on_the_basis_of_that_plan(
    engine: CannedEngine, pool: Path, line: str, planned: str, asked: str
) -> None:
    engine.owned = True

    outcome = run_command(engine, *words(line, pool), "--yes", "--json")

    assert outcome.code == ExitCode.FINE, outcome
    assert [one.strip() for one in engine.control.asked] == [f"disks.plan {planned}", asked]
    assert len(json.loads(outcome.stdout)["messages"]) == 1


@pytest.mark.parametrize(("line", "planned", "asked"), VERBS)
def test_where_nobody_can_be_asked_nothing_happens_without_yes(
    engine: CannedEngine, pool: Path, line: str, planned: str, asked: str
) -> None:
    outcome = run_command(engine, *words(line, pool))

    assert outcome.code == ExitCode.USAGE
    assert "--yes" in outcome.stderr
    assert engine.control.asked == []


@pytest.mark.parametrize(("line", "planned", "asked"), VERBS)
@pytest.mark.parametrize(
    ("judgement", "code"),
    [
        (Judgement.SAFE, ExitCode.FINE),
        (Judgement.RISKY, ExitCode.DEGRADED),
        (Judgement.BLOCKED, ExitCode.FAILED),
    ],
)
def test_a_dry_run_shows_the_plan_and_changes_nothing(
    engine: CannedEngine,
    pool: Path,
    line: str,
    planned: str,
    asked: str,
    judgement: Judgement,
    code: ExitCode,
) -> None:
    engine.control.disks.answer = plan(judgement=judgement)

    told = run_command(engine, *words(line, pool), "--dry-run")
    shown = run_command(engine, *words(line, pool), "--dry-run", "--json")

    assert (told.code, shown.code) == (code, code)
    assert judgement.value in told.stdout
    assert "redundancy stays whole" in told.stdout
    assert decode(PlanView, json.loads(shown.stdout)) == plan(judgement=judgement)
    assert {one.split()[0] for one in engine.control.asked} == {"disks.plan"}
    assert engine.asked == ["open archive read-only"] * 2


@pytest.mark.parametrize(("line", "planned", "asked"), VERBS)
def test_what_is_blocked_is_not_done(
    engine: CannedEngine, pool: Path, line: str, planned: str, asked: str
) -> None:
    engine.control.disks.answer = plan(judgement=Judgement.BLOCKED, reasons=("no room",))

    outcome = run_command(engine, *words(line, pool), "--yes")

    assert outcome.code == ExitCode.FAILED
    assert "blocked: no room" in outcome.stderr
    assert len(engine.control.asked) == 1


def test_a_disk_can_be_failed_by_force_although_that_is_blocked(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control.disks.answer = plan(judgement=Judgement.BLOCKED)

    outcome = run_command(engine, "fail-disk", pool, "disk-1", "--yes", "--force")

    assert outcome.code == ExitCode.FINE
    assert engine.control.asked[-1] == "set_disk_health disk-1 failed 8812 force"


@pytest.mark.parametrize(
    ("typed_name", "typed", "code"),
    [
        ("", "y\n", ExitCode.FINE),
        ("", "yes\n", ExitCode.FINE),
        ("", "\n", ExitCode.FAILED),
        ("", "n\n", ExitCode.FAILED),
        ("", "", ExitCode.FAILED),
        ("disk-1", "disk-1\n", ExitCode.FINE),
        ("disk-1", "y\n", ExitCode.FAILED),
        ("disk-1", "disk-2\n", ExitCode.FAILED),
    ],
)
def test_at_a_terminal_the_plan_is_shown_and_the_operator_answers(
    engine: CannedEngine, pool: Path, typed_name: str, typed: str, code: ExitCode
) -> None:
    engine.owned = True
    engine.control.disks.answer = plan(typed_name=typed_name)

    outcome = run_command(engine, "detach", pool, "disk-1", typed=typed)

    assert outcome.code == code
    assert "SAFE" in outcome.stderr
    assert ("Type disk-1" in outcome.stderr) == bool(typed_name)
    done = [one for one in engine.control.asked if one.startswith("disks.detach")]
    assert len(done) == (code == ExitCode.FINE)


def _emptying(*counts: int | None, active: bool = True) -> list[PoolView]:
    """Return views in which disk-1 has so many fragments; None: it has left the pool."""
    whole = healthy_view()
    views = []
    for number, count in enumerate(counts):
        first: tuple[DiskView, ...] = ()
        if count is not None:
            first = (replace(whole.disks[0], fragment_count=count, state=DiskState.DRAINING),)
        views.append(
            replace(
                whole,
                monotonic_s=10.0 + 5 * number,
                disks=(*first, *whole.disks[1:]),
                reconcile=ReconcileView(active=active and bool(count)),
            )
        )
    return views


def test_waiting_for_a_drain_returns_when_nothing_is_left_and_all_is_durable(
    pool: Path,
) -> None:
    control = CannedControl(*_emptying(40, 40, 30, 0))
    control.disks.answer = plan(disk="disk-1")
    engine = CannedEngine(control=control, owned=True)

    outcome = run_command(engine, "drain", pool, "disk-1", "--yes", "--wait")

    assert outcome.code == ExitCode.FINE
    assert "nothing is left on disk-1" in outcome.stdout
    assert control.asked[-1] == "sync"


def test_waiting_for_a_replacement_returns_when_the_old_disk_left(pool: Path) -> None:
    control = CannedControl(*_emptying(40, 40, 10, None))
    control.disks.answer = plan(verb="replace", disk="disk-1")
    engine = CannedEngine(control=control, owned=True)

    outcome = run_command(engine, "replace", pool, "disk-1", "/d/9", "--yes", "--wait")

    assert outcome.code == ExitCode.FINE
    assert "it has left the pool" in outcome.stdout


def test_waiting_ends_with_the_reason_when_nothing_goes_on(pool: Path) -> None:
    stuck = [
        replace(view, reconcile=ReconcileView(pending_items=4, last_result="4 pending: no disk"))
        for view in _emptying(40, 40, 40, 40)
    ]
    control = CannedControl(*stuck)
    control.disks.answer = plan(disk="disk-1")
    engine = CannedEngine(control=control, owned=True)

    outcome = run_command(engine, "drain", pool, "disk-1", "--yes", "--wait")

    assert outcome.code == ExitCode.FAILED
    assert "not empty yet: 4 pending: no disk" in outcome.stderr


def test_a_command_that_has_the_pool_itself_sees_the_work_through(pool: Path) -> None:
    control = CannedControl(*_emptying(40, 40, 0))
    control.disks.answer = plan(disk="disk-1")
    engine = CannedEngine(control=control)

    outcome = run_command(engine, "drain", pool, "disk-1", "--yes")

    assert outcome.code == ExitCode.FINE
    assert "this command does the work" in outcome.stderr
    assert "nothing is left on disk-1" in outcome.stdout


def test_a_disk_is_attached_without_asking_at_a_path_seen_from_here(
    engine: CannedEngine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pool.parent)

    run_command(engine, "attach", pool, "disk-1")
    run_command(engine, "attach", pool, "disk-1", "here")

    assert [one.strip() for one in engine.control.asked] == [
        "disks.attach disk-1",
        f"disks.attach disk-1 {pool.parent}/here",
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"judgement": Judgement.SAFE}, ExitCode.FINE),
        ({"judgement": Judgement.RISKY}, ExitCode.DEGRADED),
        (
            {
                "judgement": Judgement.BLOCKED,
                "lost_extents": 3,
                "lost_files": 4,
                "lost_paths": ("/a/b", "/c"),
                "fits": False,
                "writable": False,
                "may_fail_during": -1,
                "advice": "Do not.",
            },
            ExitCode.DATA_LOST,
        ),
    ],
)
def test_what_if_tells_what_would_be_lost_by_name(
    engine: CannedEngine, pool: Path, changes: dict[str, object], code: ExitCode
) -> None:
    answer = replace(WHAT_IF, **changes)  # type: ignore[arg-type]
    engine.control.disks.loss = answer

    outcome = run_command(engine, "what-if", pool, "disk-1", "disk-2")

    assert outcome.code == code
    assert engine.asked == ["open archive read-only"]
    assert all(path in outcome.stdout for path in answer.lost_paths)
    assert ("and 2 more" in outcome.stdout) == bool(answer.lost_paths)
    assert ("meanwhile" in outcome.stdout) == (answer.may_fail_during >= 0)
    assert ("read-only" in outcome.stdout) == (not answer.writable)
    assert ("does not fit" in outcome.stdout) == (not answer.fits)


@pytest.mark.parametrize(
    ("healed", "told"),
    [
        (
            HealedView(redundancy="rs:4+2", width=6, may_fail=2),
            "2 more disks may fail; new data gets rs:4+2, 6 disks wide",
        ),
        (
            HealedView(redundancy="rs:3+2", width=5, may_fail=1, short_extents=7),
            "1 more disk may fail; 7 extents go on lacking fragments;"
            " new data gets rs:3+2, 5 disks wide",
        ),
        (
            HealedView(narrowed_extents=3),
            "no more disk may fail; 3 extents lie on fewer disks;"
            " too few disks are left for new data",
        ),
    ],
)
def test_what_if_tells_how_the_pool_stands_when_it_is_healed(
    engine: CannedEngine, pool: Path, healed: HealedView, told: str
) -> None:
    engine.control.disks.loss = replace(WHAT_IF, may_fail_during=1, healed=healed)

    outcome = run_command(engine, "what-if", pool, "disk-1")
    shown = run_command(engine, "what-if", pool, "disk-1", "--json")

    assert "  meanwhile   1 more disk may fail\n" in outcome.stdout
    assert f"  afterwards  {told}\n" in outcome.stdout
    assert decode(WhatIfView, json.loads(shown.stdout)).healed == healed
