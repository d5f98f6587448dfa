"""``init`` and ``import``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynamicfs_tui.cli.gateway import ImportSurvey
from engine.status.transport import decode
from engine.status.views import ExitCode
from tests.unit.cli.canned_engine import CannedEngine, run_command, survey


def test_init_passes_name_redundancy_and_disks_on(engine: CannedEngine, tmp_path: Path) -> None:
    outcome = run_command(
        engine,
        *("init", tmp_path / "new", "--name", "films", "--redundancy", "rs:2+1"),
        *("--disk", "/d/1", "--disk", "/d/2:cold", "--disk", "/d/a:b"),
    )

    assert outcome.code == ExitCode.FINE
    assert engine.asked == ["create new films rs:2+1 1:hot,2:cold,a:b:hot"]
    assert outcome.stdout == "made films\nwarning: two disks are on one device\n"


def test_a_pool_without_a_name_is_called_like_its_directory(
    engine: CannedEngine, tmp_path: Path
) -> None:
    run_command(engine, "init", tmp_path / "films", "--json")

    assert engine.asked == ["create films films rs:4+2 "]


def test_init_passes_narrowing_and_the_rebuild_delay_on(
    engine: CannedEngine, tmp_path: Path
) -> None:
    run_command(engine, "init", tmp_path / "new", "--narrow", "auto", "--rebuild-delay", "30")

    assert engine.created is not None
    assert (engine.created.narrow, engine.created.rebuild_delay_s) == ("auto", 30.0)


def test_an_import_without_a_terminal_needs_to_be_told_yes(
    engine: CannedEngine, tmp_path: Path
) -> None:
    outcome = run_command(
        engine, "import", "disks/1", "disks/2", "--into", tmp_path / "new", "--yes"
    )

    assert outcome.code == ExitCode.FINE
    assert engine.asked == ["survey", "import 1,2 into new"]


@pytest.mark.parametrize(
    ("typed", "imported"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False)]
)
def test_an_import_at_a_terminal_shows_what_is_there_and_asks(
    engine: CannedEngine, tmp_path: Path, typed: str, *, imported: bool
) -> None:
    outcome = run_command(engine, "import", "disks/1", "--into", tmp_path / "new", typed=typed)

    assert ("import 1 into new" in engine.asked) == imported
    assert outcome.code == (ExitCode.FINE if imported else ExitCode.FAILED)
    for shown in ("archive", "generation 40", "epoch 3", "one root behind", "missing: disk-3"):
        assert shown in outcome.stdout


def test_a_dry_run_looks_and_stops(engine: CannedEngine, tmp_path: Path) -> None:
    outcome = run_command(engine, "import", "d", "--into", tmp_path / "new", "--dry-run", "--json")

    assert outcome.code == ExitCode.FINE
    assert engine.asked == ["survey"]
    assert decode(ImportSurvey, json.loads(outcome.stdout)) == survey()


def test_disks_that_cannot_be_imported_are_refused_even_when_told_yes(
    engine: CannedEngine, tmp_path: Path
) -> None:
    engine.survey = survey(obstacle="two histories were found: disk-1 and disk-2")

    outcome = run_command(engine, "import", "d", "--into", tmp_path / "new", "--yes")

    assert outcome.code == ExitCode.FAILED
    assert outcome.stderr == "dynamicfs: two histories were found: disk-1 and disk-2\n"
    assert engine.asked == ["survey"]
