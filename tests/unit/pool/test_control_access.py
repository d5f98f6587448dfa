"""Who may use the control socket, where it is, and what it does not put up with."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.errors import (
    PoolBusyError,
    PoolError,
)
from engine.limits import CONTROL_CLIENTS_MAX, CONTROL_REQUEST_BYTES_MAX
from engine.pool.control_socket import ControlServer
from engine.pool.remote_control import RemoteControl, reach_owner
from tests.control_stand_in import CannedControl


def _reach(pool_directory: Path, timeout_s: float = 20.0) -> RemoteControl:
    remote = reach_owner(pool_directory, timeout_s=timeout_s)
    assert remote is not None
    return remote


def test_only_the_owner_may_connect(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    previous = os.umask(0)
    try:
        server = serve()
    finally:
        os.umask(previous)

    assert server.path == pool_directory / "control.sock"
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


def test_another_user_is_refused_even_when_the_mode_lets_him_in(
    serve: Callable[..., ControlServer],
    expected_warnings: Callable[[str], None],
) -> None:
    expected_warnings("user 65534 asked for control")
    server = serve()
    server.path.chmod(0o666)
    reply_from_nobody = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "os.chdir(sys.argv[1])\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s.connect('control.sock')\n"
        "print(s.makefile().readline())\n"
    )
    folders = [server.path.parent, *server.path.parent.parents]
    closed = [folder for folder in folders if not folder.stat().st_mode & 0o001]
    modes = [(folder, folder.stat().st_mode) for folder in closed]

    try:
        for folder, mode in modes:
            folder.chmod(mode | 0o011)
        done = subprocess.run(
            [sys.executable, "-c", reply_from_nobody, str(server.path.parent)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        for folder, mode in modes:
            folder.chmod(mode)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sentence"] == "this pool belongs to another user"


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a path short enough for a socket's, wherever the tests run."""
    with tempfile.TemporaryDirectory(prefix="dfs-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("runtime", ["set", "unset"])
def test_a_pool_directory_with_a_long_path_is_reached_elsewhere(
    serve: Callable[..., ControlServer],
    short: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
) -> None:
    long = tmp_path / ("d" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(short))
    if runtime == "set":
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    else:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    server = serve(directory=long)

    assert server.path.is_relative_to(short)
    if runtime == "unset":
        assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700
    with _reach(long) as remote:
        assert remote.mountpoint() == "mnt/here"


def test_a_private_directory_that_others_can_write_to_is_not_used(
    serve: Callable[..., ControlServer],
    pool_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    short: Path,
) -> None:
    long = pool_directory / ("d" * 120)
    planted = short / f"dynamicfs-{os.geteuid()}"
    for directory in (long, planted):
        directory.mkdir(parents=True)
    planted.chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(planted.parent))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    with pytest.raises(PoolError, match="private"):
        serve(directory=long)


def _speak(path: Path, data: bytes) -> bytes:
    """Send *data* as it is, end the sending side, return all that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except (BrokenPipeError, ConnectionResetError):
            return b""


@pytest.mark.parametrize(
    "data",
    [
        b"not json\n",
        b"[]\n",
        b'{"verb": "explode"}\n',
        b'{"verb": ["view"]}\n',
        b'{"verb": "set_disk_health", "arguments": {"disk": 5}}\n',
        b'{"verb": "start_scrub", "arguments": {"repair": "yes"}}\n',
        b'{"verb": "list_extents", "arguments": []}\n',
        b"\xff\xfe\n",
    ],
)
def test_nonsense_gets_one_sentence_and_changes_nothing(
    serve: Callable[..., ControlServer],
    pool_directory: Path,
    control: CannedControl,
    data: bytes,
) -> None:
    server = serve()

    reply = json.loads(_speak(server.path, data))

    assert reply["sentence"]
    assert control.asked == []
    with _reach(pool_directory) as remote:
        assert remote.sync() == "done: sync"


def test_an_endless_request_is_cut_off(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    server = serve()

    reply = _speak(server.path, b"x" * (CONTROL_REQUEST_BYTES_MAX + 1))

    assert "was refused" in json.loads(reply)["sentence"]
    with _reach(pool_directory) as remote:
        assert remote.mountpoint() == "mnt/here"


def test_one_client_too_many_is_told_to_try_again(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    serve()

    with ExitStack() as stack:
        for _ in range(CONTROL_CLIENTS_MAX):
            remote = stack.enter_context(_reach(pool_directory))
            remote.mountpoint()
        with _reach(pool_directory) as late, pytest.raises(PoolBusyError):
            late.mountpoint()

    # Their threads leave on their own time; a client that keeps asking gets in.
    for _ in range(1000):
        with _reach(pool_directory) as remote:
            try:
                assert remote.mountpoint() == "mnt/here"
                break
            except PoolBusyError:
                continue
    else:
        pytest.fail("the places of clients that left are not given to others")
