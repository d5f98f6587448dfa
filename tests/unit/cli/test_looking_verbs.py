"""Verbs that look at a pool: what they print and what they return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.status.transport import decode
from engine.status.views import DiskView, ExitCode, ExposureView, PoolView
from tests.control_stand_in import CannedControl, degraded_view, healthy_view, lost_view
from tests.unit.cli.canned_engine import CannedEngine, run_command

HEALTH = [
    (healthy_view(), ExitCode.FINE),
    (degraded_view(), ExitCode.DEGRADED),
    (lost_view(), ExitCode.DATA_LOST),
]


@pytest.mark.parametrize("verb", ["status", "show-redundancy", "probe-disks"])
@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(("view", "code"), HEALTH)
def test_the_exit_code_tells_how_the_pool_is(
    engine: CannedEngine, pool: Path, verb: str, form: str, view: PoolView, code: ExitCode
) -> None:
    engine.control = CannedControl(view)

    outcome = run_command(engine, verb, pool, *(["--json"] if form == "json" else []))

    assert outcome.code == code
    assert outcome.stdout
    assert outcome.stderr == ""


def test_the_status_for_programs_is_the_whole_view(engine: CannedEngine, pool: Path) -> None:
    engine.control = CannedControl(degraded_view())

    outcome = run_command(engine, "status", pool, "--json")

    assert decode(PoolView, json.loads(outcome.stdout)) == degraded_view()


def test_the_status_for_people_begins_with_the_verdict_and_what_to_do(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control = CannedControl(degraded_view())

    lines = run_command(engine, "status", pool).stdout.splitlines()

    assert lines[0] == "archive: degraded [DFS-0102] One disk failed."
    assert lines[1] == "  do: Add one."
    assert "  no more disk may fail without loss" in lines
    assert any("disk-3" in line and "failed, missing" in line for line in lines)


def test_the_list_of_disks_for_programs_is_their_views(engine: CannedEngine, pool: Path) -> None:
    outcome = run_command(engine, "list-disks", pool, "--json")

    assert decode(tuple[DiskView, ...], json.loads(outcome.stdout)) == healthy_view().disks


def test_the_list_of_disks_is_not_cut_when_it_goes_to_a_file(
    engine: CannedEngine, pool: Path
) -> None:
    lines = run_command(engine, "list-disks", pool).stdout.splitlines()

    assert len(lines) == 4
    assert lines[1].split() == (
        ["disk-1", "00000001", "hot", "healthy", "1.0", "GiB", "10.0", "GiB", "0", "disks/1"]
    )


def test_redundancy_for_programs_has_the_exposure(engine: CannedEngine, pool: Path) -> None:
    printed = json.loads(run_command(engine, "show-redundancy", pool, "--json").stdout)

    assert printed["redundancy"] == "rs:2+1"
    assert decode(ExposureView, printed["exposure"]) == healthy_view().exposure


def test_extents_are_listed_up_to_the_limit(engine: CannedEngine, pool: Path) -> None:
    printed = json.loads(run_command(engine, "list-extents", pool, "--limit", "2", "--json").stdout)

    assert [extent["extent_id"] for extent in printed] == [1, 2]
    assert "disk-1 disk-2 disk-3" in run_command(engine, "list-extents", pool).stdout
    assert engine.control.asked == ["list_extents 2", "list_extents 1000"]


def test_metrics_are_one_counter_a_line(engine: CannedEngine, pool: Path) -> None:
    lines = run_command(engine, "metrics", pool).stdout.splitlines()

    assert lines == ["device_reads{disk-1} 4", "device_reads{disk-2} 5", "groups 7"]
    assert json.loads(run_command(engine, "metrics", pool, "--json").stdout)["groups"] == {"": 7.0}


@pytest.mark.parametrize(
    ("contradictions", "view", "code"),
    [
        ((), healthy_view(), ExitCode.FINE),
        ((), degraded_view(), ExitCode.FINE),
        (("extent 3 is named by nobody",), healthy_view(), ExitCode.FAILED),
        ((), lost_view(), ExitCode.DATA_LOST),
    ],
)
def test_check_fails_on_a_contradiction(
    engine: CannedEngine,
    pool: Path,
    contradictions: tuple[str, ...],
    view: PoolView,
    code: ExitCode,
) -> None:
    engine.control = CannedControl(view)
    engine.control.contradictions = contradictions

    outcome = run_command(engine, "check", pool, "--json")

    assert outcome.code == code
    assert json.loads(outcome.stdout) == {"contradictions": list(contradictions)}


def test_a_pool_that_another_process_has_open_is_not_opened_again(
    engine: CannedEngine, pool: Path
) -> None:
    engine.owned = True

    assert run_command(engine, "status", pool).code == ExitCode.FINE
    assert engine.asked == []


def test_looking_opens_a_pool_read_only(engine: CannedEngine, pool: Path) -> None:
    run_command(engine, "status", pool)

    assert engine.asked == ["open archive read-only"]


def test_a_pool_that_is_being_closed_is_waited_for(engine: CannedEngine, pool: Path) -> None:
    engine.busy_looks = 3
    waits: list[float] = []

    outcome = run_command(engine, "status", pool, pause=waits.append)

    assert outcome.code == ExitCode.FINE
    assert len(waits) == 3


def test_a_pool_that_stays_busy_is_not_waited_for_without_end(
    engine: CannedEngine, pool: Path
) -> None:
    engine.busy_looks = 10_000
    waits: list[float] = []

    outcome = run_command(engine, "status", pool, pause=waits.append)

    assert outcome.code == ExitCode.FAILED
    assert outcome.stderr == "dynamicfs: another process has it open\n"
    assert 1 < sum(waits) < 10
