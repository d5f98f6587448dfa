"""Commands that find their pool open in another process: the real gateway and real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.pool.control_socket import ControlServer
from engine.status.transport import decode
from engine.status.views import ExitCode, PoolView
from tests.control_stand_in import CannedControl, degraded_view

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pool_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool")


@pytest.fixture
def control(pool_directory: Path) -> Iterator[CannedControl]:
    """Serve a degraded pool."""
    control = CannedControl(degraded_view())
    server = ControlServer(
        control, pool_directory, mountpoint=lambda: "", shutdown=lambda: "closed"
    )
    server.start()
    yield control
    server.close()


def _dynamicfs(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dynamicfs_tui.cli", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_command_shows_the_pool_of_the_other_process(
    pool_directory: Path, control: CannedControl
) -> None:
    done = _dynamicfs("status", pool_directory, "--json")

    assert done.returncode == ExitCode.DEGRADED
    assert decode(PoolView, json.loads(done.stdout)) == degraded_view()
    assert done.stderr == ""


def test_a_refusal_there_is_a_sentence_here(pool_directory: Path, control: CannedControl) -> None:
    done = _dynamicfs("set-disk-health", pool_directory, "nowhere", "suspect")

    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "dynamicfs: no disk is called 'nowhere'\n"


def test_two_commands_at_once_are_both_served(pool_directory: Path, control: CannedControl) -> None:
    outcomes: list[subprocess.CompletedProcess[str]] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(_dynamicfs("metrics", pool_directory)))
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [done.returncode for done in outcomes] == [0, 0]
    assert control.asked == ["metrics", "metrics"]


def test_a_place_where_nothing_is_mounted_is_refused(tmp_path: Path) -> None:
    for verb in ("unmount", "sync"):
        done = _dynamicfs(verb, tmp_path)

        assert done.returncode == ExitCode.USAGE
        assert done.stderr == f"dynamicfs: no pool is mounted at {tmp_path}\n"
