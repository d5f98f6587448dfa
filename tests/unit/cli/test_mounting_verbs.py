"""``mount``, ``unmount``, ``sync``, and the screens that need a mount point."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dynamicfs_tui.cli import mounting
from dynamicfs_tui.cli.background import start_in_background
from dynamicfs_tui.cli.engine_gateway import mount_name
from engine.errors import PoolError, QuorumError, UsageError
from engine.status.views import ExitCode
from tests.unit.cli.canned_engine import CannedEngine, run_command


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    directory = tmp_path / "mnt"
    directory.mkdir()
    return directory


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Note the servers that would be started in the background."""
    commands: list[Sequence[str]] = []

    def start(command: Sequence[str]) -> int:
        commands.append(command)
        return 1

    monkeypatch.setattr(mounting, "start_in_background", start)
    return commands


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([], "read-only"),
        (["--read-write"], "read-write"),
        (["--read-write", "--allow-other"], "read-write"),
    ],
)
def test_a_mount_in_the_background_serves_with_the_same_options(
    engine: CannedEngine,
    pool: Path,
    mountpoint: Path,
    started: list[Sequence[str]],
    options: list[str],
    kind: str,
) -> None:
    outcome = run_command(engine, "mount", pool, mountpoint, *options)

    assert outcome.code == ExitCode.FINE
    assert outcome.stdout == f"{pool} is mounted {kind} at {mountpoint}\n"
    (command,) = started
    words = command[command.index("mount") :]
    assert list(words) == ["mount", "--foreground", *options, "--", str(pool), str(mountpoint)]


def test_what_the_background_is_told_is_understood_there(
    engine: CannedEngine, pool: Path, mountpoint: Path, started: list[Sequence[str]]
) -> None:
    run_command(engine, "mount", pool, mountpoint, "--read-write", "--allow-other")
    (command,) = started
    reading, writing = os.pipe()
    words = list(command[command.index("mount") :])
    # Standard output and error are kept: the announcement lets go of them.
    kept = [os.dup(1), os.dup(2)]

    try:
        outcome = run_command(engine, words[0], "--announce-to", str(writing), *words[1:])
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
    with os.fdopen(reading) as pipe:
        said = pipe.read()

    assert outcome.code == ExitCode.FINE
    assert engine.asked == ["serve archive read-write shared"]
    assert json.loads(said) == {"result": "ready"}


def test_a_refused_mount_is_told_to_the_one_who_started_it(
    engine: CannedEngine, pool: Path, mountpoint: Path
) -> None:
    engine.refusal = QuorumError("two of five journals answer")
    reading, writing = os.pipe()

    outcome = run_command(
        engine, "mount", "--foreground", "--announce-to", str(writing), pool, mountpoint
    )
    with os.fdopen(reading) as pipe:
        said = json.loads(pipe.read())

    assert outcome.code == ExitCode.FAILED
    assert said["sentence"] == "two of five journals answer"
    assert said["error"][0] == "QuorumError"


def test_a_dead_mount_is_taken_away_before_mounting(
    engine: CannedEngine, pool: Path, mountpoint: Path, started: list[Sequence[str]]
) -> None:
    engine.dead = {mountpoint}

    outcome = run_command(engine, "mount", pool, mountpoint)

    assert outcome.code == ExitCode.FINE
    assert "was taken away" in outcome.stderr
    assert len(started) == 1


def test_an_occupied_mount_point_is_refused_before_anything_is_started(
    engine: CannedEngine, pool: Path, mountpoint: Path, started: list[Sequence[str]]
) -> None:
    (mountpoint / "precious").touch()

    outcome = run_command(engine, "mount", pool, mountpoint)

    assert outcome.code == ExitCode.USAGE
    assert outcome.stderr == f"dynamicfs: the mount point {mountpoint} is not empty\n"
    assert started == []


def test_unmount_ends_the_process_that_serves(
    engine: CannedEngine, pool: Path, mountpoint: Path
) -> None:
    engine.mounted = {mountpoint: pool}
    engine.owned = True

    outcome = run_command(engine, "unmount", mountpoint)

    assert outcome.code == ExitCode.FINE
    assert outcome.stdout == "archive is closed\n"
    assert engine.asked == ["stop archive"]


def test_unmounting_what_a_killed_process_left_is_no_success(
    engine: CannedEngine, pool: Path, mountpoint: Path
) -> None:
    engine.mounted = {mountpoint: pool}
    engine.dead = {mountpoint}

    outcome = run_command(engine, "unmount", mountpoint)

    assert outcome.code == ExitCode.FAILED
    assert "had died" in outcome.stderr


def test_sync_empties_the_kernels_cache_before_the_engines(
    engine: CannedEngine, pool: Path, mountpoint: Path
) -> None:
    order: list[str] = []
    engine.mounted = {mountpoint: pool}
    engine.owned = True
    engine.asked = engine.control.asked = order

    outcome = run_command(engine, "sync", mountpoint)

    assert outcome.code == ExitCode.FINE
    assert order == ["write out mnt", "sync"]


def test_the_mount_table_leads_back_to_any_pool_directory(tmp_path: Path) -> None:
    pool = tmp_path / "a b,c\\d%e"

    name = mount_name(pool)

    assert not set(name) & set(" ,\\\n\t")
    assert name.startswith(str(tmp_path))


@pytest.mark.parametrize("line", ["console POOL", "console POOL MNT", "demo", "demo --dir D"])
def test_a_screen_is_shown_on_a_terminal_only(
    engine: CannedEngine, pool: Path, mountpoint: Path, line: str
) -> None:
    words = line.replace("POOL", str(pool)).replace("MNT", str(mountpoint)).split()

    assert run_command(engine, *words).code == ExitCode.USAGE
    assert engine.asked == []
    assert run_command(engine, *words, typed="").code == ExitCode.FINE
    assert engine.asked == ["demo" if "demo" in line else "console archive"]


@pytest.fixture
def background() -> Iterator[Callable[[str], int]]:
    """Start a Python program in the background; it is ended after the test.

    It finds the number of its pipe in ``pipe``.
    """
    children: list[int] = []
    prelude = (
        "import json, os, sys, time\npipe = int(sys.argv[sys.argv.index('--announce-to') + 1])\n"
    )

    def start(program: str) -> int:
        pid = start_in_background([sys.executable, "-c", prelude + program, "--"])
        children.append(pid)
        return pid

    yield start
    for pid in children:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_starting_returns_when_the_server_is_ready_and_leaves_it_running(
    background: Callable[[str], int], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    os.mkfifo(report)

    pid = background(
        "from dynamicfs_tui.cli.background import Announcement\n"
        "Announcement(pipe).ready()\n"
        "print('nobody reads this')\n"
        "links = {fd: os.readlink(f'/proc/self/fd/{fd}') for fd in range(pipe + 1)\n"
        "         if os.path.exists(f'/proc/self/fd/{fd}')}\n"
        f"with open({str(report)!r}, 'w') as out:\n"
        "    json.dump(links, out)\n"
        "time.sleep(600)\n"
    )
    links = json.loads(report.read_text())  # A fifo: waits for the server to write it.

    assert os.getsid(pid) == pid != os.getsid(0)
    assert {links["0"], links["1"], links["2"]} == {os.devnull}
    assert not any(link.startswith("pipe:") for link in links.values())


def test_a_server_that_refuses_is_an_error_of_its_class(background: Callable[[str], int]) -> None:
    program = (
        "from dynamicfs_tui.cli.background import Announcement\n"
        "from engine.errors import UsageError\n"
        "Announcement(pipe).refused(UsageError('the pool is elsewhere'))\n"
    )

    with pytest.raises(UsageError, match="the pool is elsewhere"):
        background(program)


def test_a_server_that_dies_without_a_word_leaves_its_last_line(
    background: Callable[[str], int],
) -> None:
    with pytest.raises(PoolError, match=r"\(code 7\): out of luck"):
        background("print('first\\nout of luck', file=sys.stderr)\nsys.exit(7)\n")
