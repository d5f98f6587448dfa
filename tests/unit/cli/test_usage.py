"""Wrong arguments, wrong places, refusals: one sentence each, and the right exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import (
    EngineError,
    ExtentUnrecoverableError,
    PoolBusyError,
    PoolError,
    UsageError,
)
from engine.ids import ExtentId
from engine.status.views import ExitCode
from tests.unit.cli.canned_engine import CannedEngine, run_command


@pytest.mark.parametrize(
    "line",
    [
        "explode POOL",
        "status",
        "status POOL more",
        "status POOL --xml",
        "add-disk POOL",
        "add-disk POOL new --tier tepid",
        "set-disk-health POOL disk-1 splendid",
        "set-disk-health POOL nowhere failed",
        "list-extents POOL --limit none",
        "list-extents POOL --limit -1",
        "init POOL --redundancy raid5",
        "init POOL --redundancy rs:0+1",
        "init POOL --redundancy rs:4",
        "init POOL --redundancy copies:0",
        "init POOL --disk :hot",
        "import --into POOL",
        "import disks/1",
        "import disks/1 --into POOL",
        "mount POOL",
        "mount POOL no-such-place",
        "mount POOL POOL/file",
        "mount POOL POOL",
        "unmount no-such-place",
        "sync POOL",
        "console POOL",
        "demo",
        "completion tcsh",
    ],
)
def test_a_wrong_command_gets_one_sentence_and_changes_nothing(
    engine: CannedEngine, pool: Path, line: str
) -> None:
    (pool / "file").touch()

    outcome = run_command(engine, *line.replace("POOL", str(pool)).split())

    assert outcome.code == ExitCode.USAGE
    assert outcome.stdout == "" or line.startswith("import disks/1 --into")
    assert outcome.stderr.startswith("dynamicfs: ")
    assert outcome.stderr.count("\n") == 1
    assert set(engine.asked) <= {"survey", f"open {pool.name} read-write"}
    assert engine.control.asked == []


def test_no_verb_at_all_shows_the_verbs(engine: CannedEngine) -> None:
    outcome = run_command(engine)

    assert outcome.code == ExitCode.USAGE
    assert "show-redundancy" in outcome.stderr


def test_a_missing_pool_directory_is_named(engine: CannedEngine, tmp_path: Path) -> None:
    outcome = run_command(engine, "status", tmp_path / "nothing")

    assert outcome.code == ExitCode.FAILED
    assert outcome.stderr == f"dynamicfs: there is no pool directory {tmp_path / 'nothing'}\n"
    assert engine.asked == []


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (PoolError("this directory holds no pool"), ExitCode.FAILED),
        (PoolBusyError("another process has it open"), ExitCode.FAILED),
        (EngineError("odd"), ExitCode.FAILED),
        (UsageError("that makes no sense"), ExitCode.USAGE),
        (ExtentUnrecoverableError(ExtentId(7), intact=3, needed=4), ExitCode.DATA_LOST),
    ],
)
def test_a_refusal_of_the_engine_is_its_sentence_and_a_code(
    engine: CannedEngine, pool: Path, refusal: EngineError, code: ExitCode
) -> None:
    engine.refusal = refusal

    outcome = run_command(engine, "status", pool)

    assert outcome.code == code
    assert outcome.stderr == f"dynamicfs: {refusal}\n"


def test_an_error_of_the_system_is_a_sentence_too(
    engine: CannedEngine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "pool.toml")

    monkeypatch.setattr(engine, "open_pool", refuse)

    outcome = run_command(engine, "status", pool)

    assert outcome.code == ExitCode.FAILED
    assert outcome.stderr == "dynamicfs: pool.toml: Permission denied\n"


def test_a_sentence_over_several_lines_becomes_one(engine: CannedEngine, pool: Path) -> None:
    engine.refusal = PoolError("first\n  second")

    assert run_command(engine, "status", pool).stderr == "dynamicfs: first second\n"


def test_debugging_shows_the_traceback(
    engine: CannedEngine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.refusal = PoolError("this directory holds no pool")
    monkeypatch.setenv("DYNAMICFS_DEBUG", "1")

    with pytest.raises(PoolError):
        run_command(engine, "status", pool)


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_is_one_sentence_unless_debugging(debug: str) -> None:
    program = (
        "import sys\n"
        "from dynamicfs_tui.cli import health, main\n"
        "health.run_status = lambda *_: 1 / 0\n"
        "sys.exit(main.main(['status', '.']))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DYNAMICFS_DEBUG": debug},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "division by zero" in done.stderr
    assert ("Traceback" in done.stderr) == bool(debug)
    assert debug or done.stderr.count("\n") == 1


def test_an_interrupt_ends_quietly(
    engine: CannedEngine, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.control, "sync", interrupt)
    monkeypatch.setattr(engine.control, "metrics", interrupt)

    outcome = run_command(engine, "metrics", pool)

    assert outcome.code == 130
    assert outcome.stderr == ""


def test_a_reader_that_leaves_is_no_error_message(pool: Path) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m dynamicfs_tui.cli completion bash | head -c 1",
        shell=True,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "#"
    assert done.stderr == ""
