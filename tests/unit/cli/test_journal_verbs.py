"""Verbs about what happened and what it means: ``events``, ``audit``, ``explain``, ``health``."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import (
    CorruptionError,
    EngineError,
    PoolBusyError,
    QuorumError,
    SplitHistoryError,
)
from engine.status.answers import AuditView
from engine.status.codes import Code
from engine.status.explain import explanation_of
from engine.status.transport import decode
from engine.status.verdict import told
from engine.status.views import DiskErrorsView, EventView, ExitCode, PoolView, Severity
from tests.control_stand_in import CannedControl, degraded_view, healthy_view
from tests.repo.sources import ROOT
from tests.unit.cli.canned_engine import CannedEngine, run_command


def event(sequence: int, severity: Severity = Severity.INFO, code: str = "") -> EventView:
    return EventView(
        sequence=sequence,
        time_ns=1_700_000_000_000_000_000,
        severity=severity,
        source="d1",
        text=f"event {sequence}",
        code=code,
    )


EVENTS = (event(1), event(2, Severity.WARNING, "DFS-1001"), event(3, Severity.CRITICAL))
LINE = AuditView(
    number=7,
    time_ns=1_700_000_000_000_000_000,
    user="olga",
    terminal="/dev/pts/1",
    verb="disks.drain",
    arguments="d1",
    judgement="SAFE",
    result="d1 is draining",
    duration_s=0.25,
)


class Timeline:
    """Journal answers as an engine gives them, new events included."""

    def __init__(self, *events: EventView) -> None:
        self.events = list(events)
        self.asked: list[int] = []

    def events_since(self, sequence: int, limit: int) -> list[EventView]:
        self.asked.append(sequence)
        return [one for one in self.events if one.sequence > sequence][:limit]


@pytest.fixture
def timeline(engine: CannedEngine, monkeypatch: pytest.MonkeyPatch) -> Timeline:
    timeline = Timeline(*EVENTS)
    monkeypatch.setattr(engine.control.journal, "events_since", timeline.events_since)
    return timeline


def test_events_are_a_line_each_with_number_time_and_code(
    engine: CannedEngine, pool: Path, timeline: Timeline
) -> None:
    lines = run_command(engine, "events", pool).stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[1].endswith("warning d1: [DFS-1001] event 2")


def test_events_for_programs_are_an_object_a_line(
    engine: CannedEngine, pool: Path, timeline: Timeline
) -> None:
    lines = run_command(engine, "events", pool, "--json").stdout.splitlines()

    assert tuple(decode(EventView, json.loads(line)) for line in lines) == EVENTS


@pytest.mark.parametrize(
    ("severity", "shown"), [("info", [1, 2, 3]), ("warning", [2, 3]), ("error", [3])]
)
def test_events_can_be_asked_for_from_a_loudness_on(
    engine: CannedEngine, pool: Path, timeline: Timeline, severity: str, shown: list[int]
) -> None:
    lines = run_command(
        engine, "events", pool, "--severity", severity, "--json"
    ).stdout.splitlines()

    assert [json.loads(line)["sequence"] for line in lines] == shown


def test_events_can_be_asked_for_behind_a_number(
    engine: CannedEngine, pool: Path, timeline: Timeline
) -> None:
    lines = run_command(engine, "events", pool, "--since", "2").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["3"]


def test_following_goes_on_behind_the_last_event_until_the_owner_ends(
    engine: CannedEngine, pool: Path, timeline: Timeline
) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        timeline.events.append(event(3 + len(waits)))
        if len(waits) == 3:
            raise PoolBusyError("the process that had the pool open ended")

    outcome = run_command(engine, "events", pool, "--follow", pause=pause)

    assert [line.split()[0] for line in outcome.stdout.splitlines()] == ["1", "2", "3", "4", "5"]
    assert timeline.asked == [0, 3, 4]
    assert outcome.code == ExitCode.FAILED


def test_the_trail_is_a_line_each_with_who_what_and_how_it_ended(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control.journal.lines = (LINE,)

    line = run_command(engine, "audit", pool).stdout.strip()

    assert line.startswith("7 ")
    assert line.endswith("olga@/dev/pts/1: disks.drain d1 [SAFE] (0.250 s): d1 is draining")
    printed = json.loads(run_command(engine, "audit", pool, "--json").stdout)
    assert decode(tuple[AuditView, ...], printed) == (LINE,)


def test_a_chain_that_holds_is_fine_and_a_broken_one_a_failure(
    engine: CannedEngine, pool: Path
) -> None:
    holds = run_command(engine, "audit", pool, "--verify")
    engine.control.refusal = CorruptionError("the audit trail is broken: line 3 of audit.log")
    broken = run_command(engine, "audit", pool, "--verify", "--json")

    assert (holds.code, holds.stdout) == (ExitCode.FINE, "done: verify_audit\n")
    assert broken.code == ExitCode.FAILED
    assert json.loads(broken.stdout) == {
        "holds": False,
        "message": "the audit trail is broken: line 3 of audit.log",
    }


def test_a_code_is_explained_with_the_texts_of_the_catalog(engine: CannedEngine) -> None:
    outcome = run_command(engine, "explain", "1203")

    assert outcome.stdout.startswith("DFS-1203 a drive predicts its failure (degraded)\n")
    for heading, text in explanation_of(Code.DISK_SMART):
        assert f"  {heading}: {text}\n" in outcome.stdout


def test_explaining_without_a_code_lists_all(engine: CannedEngine) -> None:
    lines = run_command(engine, "explain").stdout.splitlines()
    printed = json.loads(run_command(engine, "explain", "--json").stdout)

    assert [line.split()[0] for line in lines] == [one["code"] for one in printed]
    assert {one["code"] for one in printed} == set(Code)


def test_an_unknown_code_is_a_usage_error_that_names_the_nearest(engine: CannedEngine) -> None:
    outcome = run_command(engine, "explain", "DFS-1299")

    assert outcome.code == ExitCode.USAGE
    assert "DFS-1204" in outcome.stderr


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (QuorumError("two of five answer"), Code.QUORUM_MISSING),
        (SplitHistoryError("d1 and d2 disagree"), Code.TWO_HISTORIES),
    ],
)
def test_a_pool_that_refuses_to_open_says_its_code_and_what_to_do(
    engine: CannedEngine, pool: Path, refusal: EngineError, code: Code
) -> None:
    engine.refusal = refusal

    outcome = run_command(engine, "status", pool)

    lines = outcome.stderr.splitlines()
    assert lines[0] == f"dynamicfs: [{code}] {refusal}"
    assert lines[1].endswith(f"(dynamicfs explain {code})")
    assert outcome.code == ExitCode.FAILED


def with_trouble(view: PoolView) -> PoolView:
    unwell = replace(
        view.disks[0], lifetime=DiskErrorsView(io=3, checksum=1, recent=2), latency_p99_s=0.0123
    )
    conditions = (
        view.verdict,
        told(Code.SCRUB_OVERDUE, "The last scrub ended 40 days ago."),
    )
    return replace(view, disks=(unwell, *view.disks[1:]), conditions=conditions)


def test_health_is_one_line_and_a_line_for_each_disk(engine: CannedEngine, pool: Path) -> None:
    engine.control = CannedControl(with_trouble(degraded_view()))

    outcome = run_command(engine, "health", pool)

    lines = outcome.stdout.splitlines()
    assert lines[0] == "archive: degraded [DFS-0102] One disk failed."
    assert lines[2].split() == ["disk-1", "healthy", "3", "1", "0", "2", "12.3", "ms", "-"]
    assert "failed, missing" in lines[4]
    assert outcome.code == ExitCode.DEGRADED
    printed = json.loads(run_command(engine, "health", pool, "--json").stdout)
    assert printed["schema_version"] == 1
    assert printed["verdict"]["code"] == "DFS-0102"


def test_status_tells_everything_else_that_holds_behind_the_verdict(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control = CannedControl(replace(with_trouble(degraded_view()), heartbeat_s=42.0))

    lines = run_command(engine, "status", pool).stdout.splitlines()

    assert lines[:4] == [
        "archive: degraded [DFS-0102] One disk failed.",
        "  do: Add one.",
        "  also [DFS-1401] The last scrub ended 40 days ago.",
        "  the engine is 42 s behind",
    ]


def test_the_status_for_programs_says_which_schema_it_has(engine: CannedEngine, pool: Path) -> None:
    printed = json.loads(run_command(engine, "status", pool, "--json").stdout)

    assert printed["schema_version"] == healthy_view().schema_version == 1


def test_metrics_for_prometheus_and_its_rules_are_text(engine: CannedEngine, pool: Path) -> None:
    metrics = run_command(engine, "metrics", pool, "--prometheus").stdout
    rules = run_command(engine, "metrics", "--alert-rules").stdout

    assert "# TYPE dynamicfs_disk_reads_total counter\n" in metrics
    assert rules.startswith("groups:\n")


def test_metrics_of_no_pool_are_a_usage_error(engine: CannedEngine) -> None:
    outcome = run_command(engine, "metrics")

    assert outcome.code == ExitCode.USAGE
    assert "POOL is missing" in outcome.stderr


def test_serving_metrics_is_asked_for_with_the_mount_and_the_console(
    engine: CannedEngine, pool: Path, tmp_path: Path
) -> None:
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    words = ("--foreground", "--metrics-address", "127.0.0.1:9600")

    run_command(engine, "mount", pool, mountpoint, *words)
    run_command(engine, "console", pool, "--metrics-address", "[::1]:9600", typed="")

    assert engine.asked == [
        "serve archive read-only metrics at 127.0.0.1:9600",
        "console archive metrics at [::1]:9600",
    ]


def test_commands_load_neither_the_console_nor_prometheus() -> None:
    code = (
        "import sys; import dynamicfs_tui.cli.main as m; m.build_parser();"
        "m.main(['explain', 'DFS-1203']);"
        "heavy = {'textual', 'prometheus_client', 'pyfuse3', 'apsw'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
