"""``compact``: what is asked of the engine, and what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.status.views import ExitCode, ReconcileView, WorkItemView, WorkState
from tests.control_stand_in import CannedControl, healthy_view
from tests.unit.cli.canned_engine import CannedEngine, run_command


def test_a_dry_run_tells_what_would_be_read_written_and_freed(
    engine: CannedEngine, pool: Path
) -> None:
    outcome = run_command(engine, "compact", pool, "--dry-run")

    assert outcome.code == ExitCode.FINE
    assert outcome.stdout == (
        "3 extents are less than 50 % alive: compacting reads up to 8.8 KiB,"
        " writes 2.0 KiB and frees 6.8 KiB of the disks\n"
    )
    assert "work.compact" not in engine.control.asked


def test_a_dry_run_for_programs_is_the_plan(engine: CannedEngine, pool: Path) -> None:
    outcome = run_command(engine, "compact", pool, "--dry-run", "--json")

    assert json.loads(outcome.stdout) == {
        "percent": 50,
        "extents": 3,
        "live_bytes": 1000,
        "read_bytes": 9000,
        "written_bytes": 2000,
        "freed_bytes": 7000,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "done: compact\n"), (["--below", "30"], "done: set_compaction\n")],
)
def test_a_pool_that_another_process_has_open_is_told(
    engine: CannedEngine, pool: Path, options: list[str], said: str
) -> None:
    engine.owned = True

    outcome = run_command(engine, "compact", pool, *options)

    assert (outcome.code, outcome.stdout) == (ExitCode.FINE, said)


@pytest.mark.parametrize("options", [["--dry-run", "--wait"], ["--below", "much"]])
def test_what_cannot_be_meant_is_refused(
    engine: CannedEngine, pool: Path, options: list[str]
) -> None:
    assert run_command(engine, "compact", pool, *options).code == ExitCode.USAGE


def test_with_wait_the_result_is_told_and_what_could_not_be_compacted_is_a_failure(
    engine: CannedEngine, pool: Path
) -> None:
    view = healthy_view()
    held = WorkItemView(
        extent_id=4,
        kind="compact",
        state=WorkState.PENDING,
        exposure=2,
        done_bytes=0,
        total_bytes=9,
        reason="needs 8 MiB of room",
    )
    over = ReconcileView(last_result="finished, 0 irrecoverable; 1 pending", items=(held,))
    engine.control = CannedControl(
        view,
        replace(view, monotonic_s=view.monotonic_s + 1, reconcile=ReconcileView(active=True)),
        replace(view, monotonic_s=view.monotonic_s + 2, reconcile=over),
    )

    outcome = run_command(engine, "compact", pool, "--wait")

    assert outcome.code == ExitCode.FAILED
    assert outcome.stdout == "done: compact\nfinished, 0 irrecoverable; 1 pending\n"
    assert "1 extents were not compacted: needs 8 MiB of room" in outcome.stderr
