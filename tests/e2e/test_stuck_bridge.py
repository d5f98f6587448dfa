"""A serving process whose dispatcher is held: other processes are told so, at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import LivePool, command_environment, wait_for

pytestmark = pytest.mark.fuse

SERVE = """
import sys
from pathlib import Path
from dynamicfs_tui.cli.gateway import Access, MountOptions
from dynamicfs_tui.service import Service

pool_dir, mountpoint = map(Path, sys.argv[1:])
options = MountOptions(mountpoint=mountpoint, access=Access.READ_WRITE, shared=False)
service = Service(pool_dir, options, name="stuck")
for line in sys.stdin:
    print("held", flush=True)
    with service.pool.engine.base.store.lock:
        sys.stdin.readline()
    print("free", flush=True)
service.close()
"""
"""Serves a mount; each first line on its input has the write lock taken, the next given back."""

THREAD = "fuse-dispatcher"


def test_status_tells_how_long_the_dispatcher_has_not_moved(tmp_path: Path) -> None:
    pool = LivePool(tmp_path)
    command = [sys.executable, "-c", SERVE, str(pool.pool_dir), str(pool.mountpoint)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=command_environment()
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            wait_for("the pool is mounted", pool.mountpoint.is_mount)
            pool.mountpoint.joinpath("file").write_bytes(b"")
            print("hold", file=server.stdin, flush=True)
            assert server.stdout.readline() == "held\n"
            # Its name has to be looked up below the lock that is held.
            client = subprocess.Popen(["touch", str(pool.mountpoint / "new")])
            wait_for("a second without a turn is told", lambda: _late_s(pool) > 1.0)
            told = pool.ask("metrics", "--prometheus").printed
            print("free", file=server.stdin, flush=True)
            assert client.wait(20.0) == 0
            wait_for("it moves again", lambda: _late_s(pool) < 1.0)
        finally:
            server.stdin.close()
            try:
                server.wait(20.0)
            finally:
                server.kill()
                pool.close()
    assert server.returncode == 0
    assert f'dynamicfs_heartbeat_age_seconds{{thread="{THREAD}"}} ' in told


def _late_s(pool: LivePool) -> float:
    return dict(pool.view().heartbeats)[THREAD]
