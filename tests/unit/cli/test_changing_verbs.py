"""Verbs that change disks or start long work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.status.views import (
    ExitCode,
    FindingView,
    PoolView,
    ReconcileView,
    ScrubView,
    WorkItemView,
    WorkState,
)
from tests.control_stand_in import CannedControl, degraded_view, healthy_view, lost_view
from tests.unit.cli.canned_engine import CannedEngine, run_command


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("add-disk POOL /d/9 --tier cold", "add_disk /d/9 cold"),
        ("add-disk POOL /d/9", "add_disk /d/9 hot"),
        ("add-disk POOL /d/9 --spare", "add_disk /d/9 hot spare"),
        ("set-disk-health POOL disk-1 suspect", "set_disk_health disk-1 suspect"),
    ],
)
def test_a_verb_about_a_disk_opens_the_pool_for_writing_and_asks_once(
    engine: CannedEngine, pool: Path, line: str, asked: str
) -> None:
    words = line.replace("POOL", str(pool)).split()

    outcome = run_command(engine, *words, "--json")

    assert outcome.code == ExitCode.FINE
    assert engine.asked == ["open archive read-write"]
    assert engine.control.asked == [asked]
    assert json.loads(outcome.stdout) == {"messages": [f"done: {asked}"]}


@pytest.mark.parametrize(
    ("options", "typed", "asks", "moves"),
    [
        ("", "y\n", True, True),
        ("", "n\n", True, False),
        ("", None, False, False),
        ("--rebalance", None, False, True),
        ("--rebalance", "n\n", False, True),
        ("--spare", "y\n", False, False),
        ("--json", "y\n", False, False),
    ],
)
def test_a_new_disk_gets_its_share_when_that_is_asked_for(
    engine: CannedEngine,
    pool: Path,
    options: str,
    typed: str | None,
    *,
    asks: bool,
    moves: bool,
) -> None:
    engine.owned = True

    outcome = run_command(engine, "add-disk", pool, "/d/9", *options.split(), typed=typed)

    assert outcome.code == ExitCode.FINE
    assert ("Move its share of what is there already" in outcome.stderr) is asks
    assert ("work.rebalance" in engine.control.asked) is moves
    assert ("done: rebalance" in outcome.stdout) is moves


def test_an_empty_pool_has_no_share_to_move(pool: Path) -> None:
    view = healthy_view()
    empty = replace(view, disks=tuple(replace(one, fragment_count=0) for one in view.disks))
    engine = CannedEngine(control=CannedControl(empty), owned=True)

    outcome = run_command(engine, "add-disk", pool, "/d/9", typed="y\n")

    assert outcome.stderr == ""
    assert engine.control.asked == ["add_disk /d/9 hot"]


@pytest.mark.parametrize("line", ["add-disk POOL /d/9 --rebalance", "rebuild POOL --rebalance"])
def test_moves_are_seen_through_by_the_command_that_has_the_pool(pool: Path, line: str) -> None:
    view = healthy_view()
    at_work = replace(view, monotonic_s=11.0, reconcile=ReconcileView(active=True))
    control = CannedControl(view, at_work, at_work, replace(view, monotonic_s=12.0))
    engine = CannedEngine(control=control)

    outcome = run_command(engine, *line.replace("POOL", str(pool)).split())

    assert outcome.code == ExitCode.FINE
    assert "this command does the work" in outcome.stderr
    assert control.view().monotonic_s == 12.0


def test_a_relative_disk_path_is_seen_from_where_the_command_is_given(
    engine: CannedEngine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pool.parent)

    run_command(engine, "set-disk-health", pool, "./disks/1", "suspect")

    assert engine.control.asked == [f"set_disk_health {pool.parent}/disks/1 suspect"]


def _scrubbed(view: PoolView, counts: ScrubView | None = None) -> list[PoolView]:
    """Return the views of a scrub: not begun, not yet shown, running, over."""
    finding = FindingView(extent_id=5, index=2, disk="disk-1", verdict="corrupt", path="/a/b")
    over = replace(
        counts or ScrubView(),
        finished_ns=9,
        runs_completed=1,
        intact=30,
        findings=(finding,) if counts else (),
    )
    return [
        view,
        view,
        replace(view, scrub=ScrubView(running=True, done_fragments=3, total_fragments=30)),
        replace(view, scrub=over),
    ]


@pytest.mark.parametrize(
    ("views", "code"),
    [
        (_scrubbed(healthy_view()), ExitCode.FINE),
        (_scrubbed(degraded_view()), ExitCode.FINE),
        (_scrubbed(healthy_view(), ScrubView(corrupt=1)), ExitCode.DEGRADED),
        (_scrubbed(healthy_view(), ScrubView(missing=1)), ExitCode.DEGRADED),
        (_scrubbed(healthy_view(), ScrubView(misplaced=1)), ExitCode.DEGRADED),
        (_scrubbed(healthy_view(), ScrubView(parity_mismatches=1)), ExitCode.DEGRADED),
        (_scrubbed(healthy_view(), ScrubView(corrupt=2, repaired=1)), ExitCode.DEGRADED),
        (_scrubbed(healthy_view(), ScrubView(corrupt=1, repaired=1)), ExitCode.FINE),
        (_scrubbed(lost_view(), ScrubView(corrupt=3)), ExitCode.DATA_LOST),
    ],
)
def test_a_scrub_waits_for_its_end_and_returns_what_is_left_damaged(
    engine: CannedEngine, pool: Path, views: list[PoolView], code: ExitCode
) -> None:
    engine.control = CannedControl(*views)

    outcome = run_command(engine, "scrub", pool)

    assert outcome.code == code
    assert "30 intact" in outcome.stdout
    assert engine.control.asked == ["start_scrub repair=False"]
    assert engine.asked == ["open archive read-write"]


def test_a_scrub_is_not_over_because_an_earlier_one_was(engine: CannedEngine, pool: Path) -> None:
    view = healthy_view()
    earlier = ScrubView(finished_ns=4, runs_completed=1, intact=11)
    engine.control = CannedControl(
        replace(view, scrub=earlier),
        replace(view, scrub=ScrubView(running=True, runs_completed=1)),
        replace(view, scrub=ScrubView(finished_ns=9, runs_completed=2, intact=22)),
    )

    assert run_command(engine, "scrub", pool).stdout.startswith("22 intact")


def test_a_scrub_names_each_damaged_fragment_and_its_file(engine: CannedEngine, pool: Path) -> None:
    engine.control = CannedControl(*_scrubbed(healthy_view(), ScrubView(corrupt=1)))

    outcome = run_command(engine, "scrub", pool, "--repair")

    assert outcome.stdout.startswith("corrupt: fragment 2 of extent 5 on disk-1 of /a/b\n")
    assert engine.control.asked == ["start_scrub repair=True"]
    assert engine.asked == ["open archive read-write"]


def test_a_scrub_shows_its_progress_to_people_only(engine: CannedEngine, pool: Path) -> None:
    views = _scrubbed(healthy_view())
    engine.control = CannedControl(*views)
    at_terminal = run_command(engine, "scrub", pool, typed="")
    engine.control = CannedControl(*views)
    in_script = run_command(engine, "scrub", pool)

    assert "3 of 30 fragments" in at_terminal.stderr
    assert in_script.stderr == ""


def test_an_interrupted_scrub_is_stopped(engine: CannedEngine, pool: Path) -> None:
    engine.control = CannedControl(*_scrubbed(healthy_view())[:3])

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    outcome = run_command(engine, "scrub", pool, pause=interrupt)

    assert outcome.code == 130
    assert engine.control.asked == ["start_scrub repair=False", "stop_scrub"]


def _rebuilt(view: PoolView, counts: ReconcileView | None = None) -> list[PoolView]:
    """Return the views of a rebuild: before, not yet shown, running, over."""
    item = WorkItemView(
        extent_id=4,
        kind="rebuild",
        state=WorkState.PENDING,
        exposure=0,
        done_bytes=0,
        total_bytes=8,
        reason="needs one more disk",
    )
    over = replace(
        counts or ReconcileView(),
        last_result="finished, 0 irrecoverable",
        items=(item,) if counts else (),
    )
    return [
        view,
        replace(view, monotonic_s=view.monotonic_s + 0.1),
        replace(
            view,
            monotonic_s=view.monotonic_s + 1,
            reconcile=ReconcileView(active=True, done_items=1, total_items=7),
        ),
        replace(view, monotonic_s=view.monotonic_s + 2, reconcile=over),
    ]


@pytest.mark.parametrize(
    ("views", "code"),
    [
        (_rebuilt(healthy_view()), ExitCode.FINE),
        (_rebuilt(degraded_view(), ReconcileView(pending_items=1)), ExitCode.DEGRADED),
        (_rebuilt(healthy_view(), ReconcileView(failed_items=1)), ExitCode.FAILED),
        (_rebuilt(lost_view(), ReconcileView(failed_items=1)), ExitCode.DATA_LOST),
    ],
)
def test_a_rebuild_that_is_waited_for_returns_how_it_ended(
    engine: CannedEngine, pool: Path, views: list[PoolView], code: ExitCode
) -> None:
    engine.control = CannedControl(*views)
    engine.owned = True

    outcome = run_command(engine, "rebuild", pool, "--wait")

    assert outcome.code == code
    assert outcome.stdout.endswith("finished, 0 irrecoverable\n")
    assert ("extent 4 pending: needs one more disk" in outcome.stdout) == (code != ExitCode.FINE)


def test_a_rebuild_in_another_process_goes_on_without_the_command(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control = CannedControl(*_rebuilt(healthy_view()))
    engine.owned = True

    outcome = run_command(engine, "rebuild", pool)

    assert outcome.code == ExitCode.FINE
    assert outcome.stdout == "done: start_rebuild\n"


def test_a_rebuild_in_this_process_is_seen_through(engine: CannedEngine, pool: Path) -> None:
    engine.control = CannedControl(*_rebuilt(healthy_view()))

    outcome = run_command(engine, "rebuild", pool)

    assert outcome.stdout == "done: start_rebuild\nfinished, 0 irrecoverable\n"
    assert "no other process has the pool open" in outcome.stderr
