"""``where``, ``list-files``, policies and orphans: what is asked, shown and returned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.status.answers import DirectoryEntryView, Judgement, OrphanView, PolicyView
from engine.status.views import ExitCode
from tests.unit.cli.canned_engine import CannedEngine, run_command

ORPHANS = (
    OrphanView(disk="d1", name="fragments/0/9.9.0", bytes=4096, age_s=90_000, removable=True),
    OrphanView(
        disk="d2",
        name="fragments/0/8.8.1",
        bytes=8192,
        age_s=60,
        removable=False,
        reason="it is younger than 24 h",
    ),
)


@pytest.mark.parametrize(
    ("health", "code"),
    [
        ("whole", ExitCode.FINE),
        ("degraded", ExitCode.DEGRADED),
        ("exposed", ExitCode.DEGRADED),
        ("lost", ExitCode.DATA_LOST),
    ],
)
def test_where_returns_how_the_file_is(
    engine: CannedEngine, pool: Path, health: str, code: ExitCode
) -> None:
    engine.control.files.place = replace(engine.control.files.place, health=health)

    outcome = run_command(engine, "where", pool, "/vm/db.img")

    assert outcome.code == code
    assert outcome.stdout.startswith(f"/vm/db.img: {health}")
    assert engine.control.asked == ["files.where /vm/db.img"]


def test_where_finds_the_pool_by_the_mount_a_file_is_on(
    engine: CannedEngine, pool: Path, tmp_path: Path
) -> None:
    mountpoint = tmp_path.resolve() / "mnt"
    (mountpoint / "vm").mkdir(parents=True)
    engine.mounted[mountpoint] = pool

    outcome = run_command(engine, "where", mountpoint / "vm" / "db.img", "--json")

    assert json.loads(outcome.stdout)["inode"] == 12
    assert engine.control.asked == ["files.where /vm/db.img"]


def test_where_says_so_when_a_file_is_on_no_mount(engine: CannedEngine, tmp_path: Path) -> None:
    outcome = run_command(engine, "where", tmp_path / "f")

    assert outcome.code == ExitCode.USAGE
    assert "no mounted pool" in outcome.stderr


def test_a_directory_is_listed_with_the_health_of_each_name(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control.files.entries = (
        DirectoryEntryView(name="d", is_directory=True, size=0, exposure=0, health="exposed"),
        DirectoryEntryView(name="f", is_directory=False, size=2048, exposure=-1, health="lost"),
    )

    outcome = run_command(engine, "list-files", pool, "/a", "--limit", "7")

    assert engine.control.asked == ["files.list_directory /a 7"]
    rows = [line.split() for line in outcome.stdout.splitlines()[1:]]
    assert rows == [["d/", "0", "exposed"], ["f", "2.0", "KiB", "lost", "lost"]]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["copies:3"], "files.set_redundancy  copies:3"),
        (["/a", "rs:4+2"], "files.set_redundancy /a rs:4+2"),
        (["/a/../b/", "inherit"], "files.set_redundancy /b inherit"),
    ],
)
def test_a_policy_is_set_for_the_pool_or_a_path(
    engine: CannedEngine, pool: Path, words: list[str], asked: str
) -> None:
    outcome = run_command(engine, "change-policy", pool, *words)

    assert outcome.code == ExitCode.FINE
    assert engine.control.asked == [asked]
    assert engine.asked == ["open archive read-write"]


@pytest.mark.parametrize(
    ("judgement", "code"),
    [
        (Judgement.SAFE, ExitCode.FINE),
        (Judgement.RISKY, ExitCode.DEGRADED),
        (Judgement.BLOCKED, ExitCode.FAILED),
    ],
)
def test_a_policy_is_planned_and_not_set_by_a_dry_run(
    engine: CannedEngine, pool: Path, judgement: Judgement, code: ExitCode
) -> None:
    files = engine.control.files
    files.plan = replace(files.plan, judgement=judgement)

    outcome = run_command(engine, "change-policy", pool, "/a", "copies:3", "--dry-run")

    assert outcome.code == code
    assert engine.control.asked == ["files.plan_redundancy /a copies:3"]
    assert outcome.stdout.splitlines() == [
        f"policy: {judgement.value}",
        "  it survives the loss of 2 disks, as now",
    ]


def test_the_policies_are_shown_with_who_has_them(engine: CannedEngine, pool: Path) -> None:
    engine.control.files.policies = (
        PolicyView(path="/a", is_directory=True, redundancy="copies:3"),
    )

    shown = run_command(engine, "policy-status", pool)
    of_one = run_command(engine, "policy-status", pool, "/vm/db.img")

    assert "/a/" in shown.stdout
    assert "copies:3" in shown.stdout
    assert of_one.stdout == "/vm/db.img: rs:4+2, says the pool\n"


def test_orphans_are_listed_with_the_reason_why_they_stay(engine: CannedEngine, pool: Path) -> None:
    engine.control.files.orphans = ORPHANS

    outcome = run_command(engine, "detect-orphans", pool)

    assert engine.control.asked == ["files.find_orphans 10000 24"]
    assert "it is younger than 24 h" in outcome.stdout
    assert "fragments/0/9.9.0" in outcome.stdout


def test_orphans_are_counted_by_disk(engine: CannedEngine, pool: Path) -> None:
    engine.control.files.orphans = ORPHANS

    outcome = run_command(engine, "orphan-stats", pool, "--json")

    assert json.loads(outcome.stdout) == {
        "orphans": 2,
        "disks": [
            {"disk": "d1", "orphans": 1, "bytes": 4096, "removable": 1},
            {"disk": "d2", "orphans": 1, "bytes": 8192, "removable": 0},
        ],
    }


def test_a_dry_run_shows_what_would_go_and_deletes_nothing(
    engine: CannedEngine, pool: Path
) -> None:
    engine.control.files.orphans = ORPHANS

    outcome = run_command(engine, "cleanup-orphans", pool, "--dry-run", "--min-age-hours", "1")

    assert outcome.code == ExitCode.FINE
    assert "fragments/0/9.9.0" in outcome.stdout
    assert "fragments/0/8.8.1" not in outcome.stdout
    assert engine.control.asked == ["files.find_orphans 10000 1"]


@pytest.mark.parametrize(("typed", "deletes"), [("y\n", True), ("n\n", False), ("", False)])
def test_deleting_orphans_asks_with_figures_on_a_terminal(
    engine: CannedEngine, pool: Path, typed: str, *, deletes: bool
) -> None:
    engine.control.files.orphans = ORPHANS

    outcome = run_command(engine, "cleanup-orphans", pool, typed=typed)

    assert "Delete 1 orphans, 4.0 KiB? [y/N] " in outcome.stderr
    assert engine.asked == ["open archive read-write"]
    assert ("files.clean_orphans 24" in engine.control.asked) is deletes
    assert outcome.code == (ExitCode.FINE if deletes else ExitCode.FAILED)


def test_a_script_must_say_yes_to_delete_orphans(engine: CannedEngine, pool: Path) -> None:
    refused = run_command(engine, "cleanup-orphans", pool)
    assert refused.code == ExitCode.USAGE
    assert engine.control.asked == []

    agreed = run_command(engine, "cleanup-orphans", pool, "--yes")
    assert agreed.code == ExitCode.FINE
    assert engine.control.asked == ["files.clean_orphans 24"]
