"""The pool's voice through a real mount: codes, events, audit trail and metrics over HTTP."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.status.codes import Code
from engine.status.views import ExitCode, HealthWord
from tests.e2e.harness import DYNAMICFS, ROOT, LivePool, command_environment, wait_for
from tests.unit.metrics.prometheus_stand_in import Scrape, parse_text

TOLD_S = 20.0
"""Within this a change on the disks is told."""


def events_of(pool: LivePool, *options: str) -> list[dict[str, object]]:
    outcome = pool.ask("events", *options)
    assert outcome.code == ExitCode.FINE, outcome
    return [json.loads(line) for line in outcome.printed.splitlines()]


def codes_of(pool: LivePool) -> set[str]:
    return {str(event["code"]) for event in events_of(pool) if event["code"]}


def test_a_disk_that_goes_and_returns_is_told_in_status_and_in_the_events(pool: LivePool) -> None:
    (pool.mountpoint / "file").write_bytes(os.urandom(100_000))
    pool.sync()

    pool.take_away(0)
    wait_for("the event", lambda: Code.DISK_MISSING in codes_of(pool), limit_s=TOLD_S)
    status = pool.command("status", str(pool.pool_dir))
    pool.bring_back(0)
    wait_for(
        "its end",
        lambda: any(
            str(event["text"]).startswith("No longer: a disk is missing")
            for event in events_of(pool)
        ),
        limit_s=60.0,
    )

    lines = status.printed.splitlines()
    assert re.match(r"live: (degraded|at risk) \[DFS-\d{4}\] ", lines[0])
    assert lines[1].startswith("  do: ")
    assert any(f"[{Code.DISK_MISSING}] Disk " in line for line in lines), status.printed
    assert status.code == ExitCode.DEGRADED
    explained = pool.command("explain", Code.DISK_MISSING)
    assert "Bring the disk back" in explained.printed


def test_events_survive_a_restart_and_a_kill_and_their_numbers_grow(pool: LivePool) -> None:
    pool.must("probe-disks", str(pool.pool_dir))
    before = events_of(pool)
    pool.remount()
    between = events_of(pool)
    pool.kill()
    pool.command("unmount", str(pool.mountpoint))
    pool.mount()
    after = events_of(pool)

    assert between[: len(before)] == before
    assert after[: len(between)] == between
    numbers = [int(str(event["sequence"])) for event in after]
    assert numbers == sorted(set(numbers))
    texts = [str(event["text"]) for event in after]
    assert texts.count("the pool is open") == 3
    assert any("without closing" in text for text in texts)


def test_followed_events_come_while_things_happen(pool: LivePool) -> None:
    command = [*DYNAMICFS, "events", str(pool.pool_dir), "--follow", "--json"]
    follower = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=command_environment(), cwd=ROOT
    )
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["text"] == "the pool is open"
        pool.take_away(1)
        seen = ""
        while Code.DISK_MISSING not in seen:
            seen = follower.stdout.readline()
            assert seen, "the follower ended"
    finally:
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=20)
        pool.bring_back(1)


def test_what_an_operator_did_is_in_the_trail_with_name_and_result(pool: LivePool) -> None:
    us = pwd.getpwuid(os.geteuid()).pw_name
    pool.command("set-disk-health", str(pool.pool_dir), "d1", "degraded", "--yes")
    pool.command("set-disk-health", str(pool.pool_dir), "nowhere", "degraded", "--yes")
    pool.remount()
    pool.must("sync", str(pool.mountpoint))

    lines = pool.ask("audit").json
    assert isinstance(lines, list)
    told = [(str(one["verb"]), str(one["user"])) for one in lines if isinstance(one, dict)]
    results = [str(one["result"]) for one in lines if isinstance(one, dict)]
    assert told == [
        ("open", us),
        ("set_disk_health", us),
        ("set_disk_health", us),
        ("shutdown", us),
        ("open", us),
        ("sync", us),
    ]
    assert results[0] == f"mounted at {pool.mountpoint}"
    assert results[2].startswith("UsageError: ")
    assert pool.command("audit", str(pool.pool_dir), "--verify").code == ExitCode.FINE

    trail = pool.pool_dir / "audit.log"
    trail.write_bytes(trail.read_bytes().replace(b"degraded", b"healthyx", 1))
    broken = pool.command("audit", str(pool.pool_dir), "--verify")
    assert broken.code == ExitCode.FAILED
    assert "line 2 of audit.log" in broken.printed


@contextmanager
def served_metrics(pool: LivePool, address: str) -> Iterator[str]:
    """Mount again with metrics at *address*; yield the address it really has."""
    pool.unmount()
    pool.must(
        "mount", str(pool.pool_dir), str(pool.mountpoint), "--read-write",
        "--metrics-address", address,
    )  # fmt: skip
    yield address


def scrape(address: str) -> Scrape:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as reply:
        return parse_text(reply.read().decode())


def total(found: Scrape, name: str) -> float:
    return sum(found.samples[f"dynamicfs_{name}"].values())


def test_metrics_over_http_move_when_io_happens_on_the_mount(
    pool: LivePool, unused_port: int
) -> None:
    with served_metrics(pool, f"127.0.0.1:{unused_port}") as address:
        before = scrape(address)
        (pool.mountpoint / "file").write_bytes(os.urandom(3_000_000))
        pool.sync()
        (pool.mountpoint / "file").read_bytes()
        written = scrape(address)
        printed = parse_text(pool.command("metrics", str(pool.pool_dir), "--prometheus").printed)

    grown = {
        name: total(written, name) - total(before, name)
        for name in ("write_bytes_total", "disk_write_bytes_total", "groups_total")
    }
    # 4+2: at least half as much again is on the disks.
    assert grown["write_bytes_total"] == 3_000_000
    assert grown["disk_write_bytes_total"] >= 4_500_000
    assert grown["groups_total"] >= 1
    assert total(written, "health") == 1
    assert set(printed.samples) >= set(written.samples)


def test_an_address_that_is_taken_is_told_and_nothing_stays_mounted(
    pool: LivePool, unused_port: int
) -> None:
    with served_metrics(pool, f"127.0.0.1:{unused_port}") as address:
        pass
    other = LivePool(pool.root / "other")
    try:
        outcome = other.command(
            "mount", str(other.pool_dir), str(other.mountpoint), "--metrics-address", address
        )
        assert outcome.code == ExitCode.USAGE
        assert "cannot be served" in outcome.said
        assert not os.path.ismount(other.mountpoint)
    finally:
        other.close()


def test_health_is_the_verdict_and_a_line_for_each_disk(pool: LivePool) -> None:
    health = pool.command("health", str(pool.pool_dir))
    assert health.code == ExitCode.FINE
    assert health.printed.startswith(f"live: {HealthWord.OK.value} [DFS-0000] ")
    assert len(health.printed.splitlines()) == 2 + len(pool.disks)


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens at: the kernel does not give it out again at once."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
