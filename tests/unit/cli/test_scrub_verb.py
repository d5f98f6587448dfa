"""``scrub``: what each option asks of the engine, and what people read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.status.views import ExitCode, FindingView, ScrubView
from tests.control_stand_in import CannedControl, healthy_view
from tests.unit.cli.canned_engine import CannedEngine, run_command

OVER = ScrubView(finished_ns=9, runs_completed=1, intact=30, metadata_checked=12)


def ending(scrub: ScrubView = OVER) -> CannedControl:
    """Return a control whose scrub starts and ends as *scrub*."""
    view = healthy_view()
    return CannedControl(view, view, replace(view, scrub=scrub))


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--intensity", "low"], ["scrubs.set_intensity low"]),
        (["--limit", "50M"], ["scrubs.limit 52428800"]),
        (["--limit", "0"], ["scrubs.limit 0"]),
        (["--schedule", "every 6 h"], ["scrubs.schedule every 6 h"]),
        (["--pause"], ["scrubs.pause"]),
        (["--resume", "--intensity", "high"], ["scrubs.set_intensity high", "scrubs.resume"]),
        (["--stop"], ["stop_scrub"]),
    ],
)
def test_an_option_that_steers_starts_nothing(
    engine: CannedEngine, pool: Path, options: list[str], asked: list[str]
) -> None:
    outcome = run_command(engine, "scrub", pool, *options, "--json")

    assert outcome.code == ExitCode.FINE
    assert engine.control.asked == asked
    assert len(json.loads(outcome.stdout)["messages"]) == len(asked)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], "start_scrub repair=False"),
        (["--repair"], "start_scrub repair=True"),
        (["--wait"], "start_scrub repair=False"),
        (["--target", "bad", "--repair"], "scrubs.start bad True"),
        (["--target", "disk disk-1"], "scrubs.start disk disk-1 False"),
        (["--target", "older 30"], "scrubs.start older 30 False"),
        (["--target", "directory /photos"], "scrubs.start directory /photos False"),
    ],
)
def test_a_scrub_is_started_and_waited_for(
    engine: CannedEngine, pool: Path, options: list[str], asked: str
) -> None:
    engine.control = ending()
    outcome = run_command(engine, "scrub", pool, *options)

    assert engine.control.asked == [asked]
    assert "30 intact" in outcome.stdout
    assert "0 of 12 metadata records damaged" in outcome.stdout


def test_a_directory_may_be_named_as_it_is_mounted(engine: CannedEngine, pool: Path) -> None:
    mounted = replace(healthy_view(), mountpoint="/mnt/tank")
    engine.control = CannedControl(mounted, mounted, mounted, replace(mounted, scrub=OVER))

    run_command(engine, "scrub", pool, "--target", "directory /mnt/tank/photos")

    assert engine.control.asked == ["scrubs.start directory /photos False"]


def test_settings_come_before_the_scrub_they_are_for(engine: CannedEngine, pool: Path) -> None:
    engine.control = ending()

    run_command(engine, "scrub", pool, "--repair", "--intensity", "low", "--limit", "1M")

    assert engine.control.asked == [
        "scrubs.set_intensity low", "scrubs.limit 1048576", "start_scrub repair=True",
    ]  # fmt: skip


def test_it_is_left_to_the_owner_when_that_is_asked_for(engine: CannedEngine, pool: Path) -> None:
    engine.owned = True

    outcome = run_command(engine, "scrub", pool, "--no-wait")

    assert outcome.code == ExitCode.FINE
    assert engine.control.asked == ["start_scrub repair=False"]


def test_a_scrub_that_runs_can_be_waited_for(engine: CannedEngine, pool: Path) -> None:
    view = healthy_view()
    running = replace(view, scrub=ScrubView(running=True, paused=True, total_fragments=30))
    engine.control = CannedControl(running, running, replace(view, scrub=OVER))

    outcome = run_command(engine, "scrub", pool, "--wait", typed="")

    assert engine.control.asked == []
    assert "paused at 0 of 30" in outcome.stderr
    assert "30 intact" in outcome.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--pause", "--resume"], ["--repair", "--stop"], ["--history", "--target", "bad"],
        ["--wait", "--no-wait"], ["--limit", "much"], ["--intensity", "mad"],
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused(
    engine: CannedEngine, pool: Path, options: list[str]
) -> None:
    assert run_command(engine, "scrub", pool, *options).code == ExitCode.USAGE
    assert engine.control.asked == []


def test_history_shows_runs_and_ages_and_changes_nothing(engine: CannedEngine, pool: Path) -> None:
    outcome = run_command(engine, "scrub", pool, "--history")

    assert engine.asked == ["open archive read-only"]
    assert "all, repair" in outcome.stdout
    assert "within a day" in outcome.stdout
    assert "1 days ago or longer" in outcome.stdout
    assert "never" in outcome.stdout


def test_a_finding_says_why_which_copies_and_what_to_do(engine: CannedEngine, pool: Path) -> None:
    finding = FindingView(
        extent_id=5, index=2, disk="disk-1", verdict="corrupt", path="/a/b", outcome="queued",
        cause="rot", tried="5 of 6 fragments are intact, 4 are needed", advice="nothing",
    )  # fmt: skip
    engine.control = ending(replace(OVER, corrupt=1, findings=(finding,)))

    outcome = run_command(engine, "scrub", pool)

    assert outcome.stdout.splitlines()[:3] == [
        "corrupt: fragment 2 of extent 5 on disk-1 of /a/b: queued",
        "  rot; 5 of 6 fragments are intact, 4 are needed",
        "  do: nothing",
    ]
    assert outcome.code == ExitCode.DEGRADED


@pytest.mark.parametrize(("outcome", "code"), [("", 3), ("pending: x", 3), ("repaired", 0)])
def test_damaged_metadata_are_damage(
    engine: CannedEngine, pool: Path, outcome: str, code: int
) -> None:
    finding = FindingView(
        extent_id=0, index=0, disk="disk-1", verdict="corrupt", path="", kind="journal",
        name="journal record 7", outcome=outcome,
    )  # fmt: skip
    engine.control = ending(replace(OVER, metadata_damaged=1, findings=(finding,)))

    found = run_command(engine, "scrub", pool)

    assert found.code == code
    assert found.stdout.startswith("corrupt: journal record 7 on disk-1")
