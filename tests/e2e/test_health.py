"""The health of disks under a mounted pool: seen, tested, kept, and healed by a spare."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.model.disk import DiskState
from engine.status.views import DiskView
from engine.units import MIB
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool, PoolPlan, live_pool, run_tool, wait_for

SEED = 11


@pytest.fixture
def contents(pool: LivePool) -> Contents:
    """Files of all sizes, on the disks and in no cache."""
    made = Contents(pool.mountpoint)
    made.write_sizes(SEED)
    pool.remount()
    return made


def disk(pool: LivePool, name: str) -> DiskView:
    return next(one for one in pool.view().disks if one.name == name)


def said(pool: LivePool) -> list[str]:
    return [event.text for event in pool.view().events]


def flip(path: Path) -> None:
    """Invert a byte in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0xFF]))


def test_a_disk_that_returns_is_tested_and_then_healthy(pool: LivePool, contents: Contents) -> None:
    pool.take_away(3)
    pool.find_disks(1)
    contents.write("meanwhile", bytes(3 * MIB))
    pool.sync()

    pool.bring_back(3)

    wait_for("d4 passed its test", lambda: any("d4 passed its test" in text for text in said(pool)))
    wait_for("d4 is healthy", lambda: disk(pool, "d4").state is DiskState.HEALTHY)
    assert disk(pool, "d4").reason == ""
    assert contents.differing() == []


def test_a_disk_that_returns_with_rotten_fragments_stays_suspect(
    pool: LivePool, contents: Contents
) -> None:
    pool.take_away(3)
    pool.find_disks(1)
    for path in pool.away(3).glob("fragments/*/*"):
        flip(path)

    pool.bring_back(3)

    wait_for(
        "d4 did not pass its test",
        lambda: "fragments looked at are bad" in disk(pool, "d4").reason,
    )
    assert disk(pool, "d4").state is DiskState.SUSPECT
    assert contents.differing() == []
    pool.must("set-disk-health", str(pool.pool_dir), "d4", "healthy")
    assert disk(pool, "d4").state is DiskState.HEALTHY


def test_errors_are_counted_by_kind_and_survive_a_restart(
    pool: LivePool, contents: Contents
) -> None:
    rotten = [one.path for one in pool.fragments() if one.disk == 2]
    for path in rotten:
        flip(path)
    pool.remount()
    pool.scrub("--repair")
    wait_for("all is repaired", lambda: disk(pool, "d3").lifetime.repaired == len(rotten))
    before = disk(pool, "d3")
    assert before.lifetime.checksum == len(rotten)
    assert before.lifetime.recent == len(rotten)

    pool.remount()

    after = disk(pool, "d3")
    assert after.lifetime == before.lifetime
    assert after.state is DiskState.HEALTHY, "a handful of repaired fragments is information"
    assert disk(pool, "d1").lifetime.checksum == 0


def test_latencies_are_shown(pool: LivePool, contents: Contents) -> None:
    assert contents.differing() == []

    wait_for("latencies", lambda: disk(pool, "d1").latency_p99_s > 0)

    shown = disk(pool, "d1")
    assert 0 < shown.latency_p50_s <= shown.latency_p99_s < 30


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Make a directory refuse every change, as a kernel does with a disk it distrusts."""
    run_tool(["mount", "--bind", directory, directory])
    try:
        run_tool(["mount", "-o", "remount,ro,bind", directory])
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=False, timeout=30)


def test_a_disk_that_is_read_only_is_suspect_and_writing_goes_on(
    pool: LivePool, contents: Contents
) -> None:
    pool.unmount()
    with read_only(pool.disks[1]):
        pool.mount()
        try:
            contents.write("after", bytes(9 * MIB))
            pool.sync()

            wait_for("d2 is suspect", lambda: disk(pool, "d2").state is DiskState.SUSPECT)
            assert "changes refused" in disk(pool, "d2").reason
            contents.write("later", bytes(9 * MIB))
            pool.sync()
            assert contents.differing() == []
            pool.unmount()
        finally:
            pool.close()
    pool.mount()

    kept = disk(pool, "d2")
    assert kept.state is DiskState.SUSPECT, "what it did is not forgotten with the process"
    assert kept.state_since_ns > 0
    assert kept.lifetime.io > 0
    pool.must("set-disk-health", str(pool.pool_dir), "d2", "healthy")
    assert disk(pool, "d2").state is DiskState.HEALTHY
    assert contents.differing() == []


def test_a_spare_gets_no_data_until_a_disk_fails_and_heals_then(tmp_path: Path) -> None:
    with live_pool(tmp_path, PoolPlan(rebuild_delay_s=0)) as pool:
        spare = tmp_path / "spare"
        spare.mkdir()
        pool.must("add-disk", str(pool.pool_dir), str(spare), "--spare")
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.remount()
        assert disk(pool, "d7").spare
        assert not list(spare.glob("fragments/*/*"))

        pool.command("fail-disk", str(pool.pool_dir), "d3", "--yes")

        wait_for(
            "all is healed onto the spare",
            lambda: _is_whole(pool) and disk(pool, "d7").fragment_count > 0,
            limit_s=60,
        )
        pool.remount()
        assert contents.differing() == []
        assert disk(pool, "d7").spare, "it stays a spare until the operator says otherwise"
        pool.must("set-spare", str(pool.pool_dir), "d7", "off")
        assert not disk(pool, "d7").spare


def test_a_spare_that_the_redundancy_needs_is_refused(pool: LivePool) -> None:
    outcome = pool.command("set-spare", str(pool.pool_dir), "d1", "on")

    assert outcome.code == 2
    assert "needs 6 ordinary disks, 5 would be left without d1" in outcome.said


def _is_whole(pool: LivePool) -> bool:
    exposure = pool.view().exposure
    return exposure.extents > 0 and not exposure.degraded_extents
