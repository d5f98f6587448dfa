"""A rebuild under an operator's hand, by the command line: limit, pause, cancel, order, restart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.status.transport import decode
from engine.status.views import ReconcileView, WorkItemView, WorkState
from engine.units import MIB
from tests.e2e.contents import Contents, writing
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

HEAL_S = 90.0
LIMIT_BYTES_S = 4 * MIB
FILES = 12


@contextmanager
def _degraded_pool(root: Path, *options: str) -> Iterator[tuple[LivePool, Contents]]:
    """Yield a pool whose third disk failed, with *options* given to its rebuild before."""
    with live_pool(root, PoolPlan(disk_count=7)) as pool:
        contents = Contents(pool.mountpoint)
        for number in range(FILES):
            contents.write(f"large{number}", os.urandom(16 * MIB))
        pool.sync()
        pool.must("rebuild", str(pool.pool_dir), *options)
        pool.must("fail-disk", str(pool.pool_dir), "d3", "--yes")
        yield pool, contents


def _reconcile(pool: LivePool) -> ReconcileView:
    return pool.view().reconcile


def _wait_for_items(pool: LivePool, count: int) -> None:
    wait_for(
        f"{count} extents are mended",
        lambda: _reconcile(pool).done_items >= count,
        limit_s=HEAL_S,
    )


def _noted_items(pool: LivePool) -> int:
    """Return how many mended extents the pool directory tells of; what a kill leaves."""
    noted = json.loads((pool.pool_dir / "reconcile.json").read_text())
    return int(noted["totals"]["done_items"])


def _listed(pool: LivePool) -> list[WorkItemView]:
    outcome = pool.ask("rebuild", "--list").json
    assert isinstance(outcome, dict)
    return decode(list[WorkItemView], outcome["items"])


def test_a_limit_is_honoured_and_the_eta_with_it(tmp_path: Path) -> None:
    with _degraded_pool(tmp_path, "--limit", "4M") as (pool, contents):
        _wait_for_items(pool, 2)
        before, began_s = _reconcile(pool), time.monotonic()
        _wait_for_items(pool, before.done_items + 8)
        middle, took_s = _reconcile(pool), time.monotonic() - began_s

        written = middle.written_bytes - before.written_bytes
        # One fragment of 2 MiB may be begun before the time and end after it.
        assert written <= LIMIT_BYTES_S * took_s + 4 * MIB
        assert middle.limit_bytes_s == LIMIT_BYTES_S
        # Not by the limit: a busy machine stays below it.
        left_s = (middle.total_bytes - middle.done_bytes) * took_s / written
        assert middle.eta_s == pytest.approx(left_s, rel=0.5)

        pool.must("rebuild", str(pool.pool_dir), "--full-speed", "600")
        wait_for("all is mended", lambda: not _reconcile(pool).active, limit_s=HEAL_S)
        assert contents.differing() == []


def test_a_rebuild_killed_in_the_middle_goes_on_with_its_totals(tmp_path: Path) -> None:
    with _degraded_pool(tmp_path, "--limit", "4M") as (pool, contents):
        wait_for("totals are noted", lambda: _noted_items(pool) >= 6, limit_s=HEAL_S)
        before = _reconcile(pool)

        pool.kill()
        pool.mount()

        wait_for("it knows where it was", lambda: _reconcile(pool).total_items > 0)
        after = _reconcile(pool)
        assert after.done_items >= 6
        assert after.started_ns == before.started_ns
        assert after.limit_bytes_s == LIMIT_BYTES_S
        assert after.rate_bytes_s == pytest.approx(before.rate_bytes_s, rel=0.5)
        with writing(contents):
            pool.must("rebuild", str(pool.pool_dir), "--limit", "0", "--priority", "high")
            wait_for("all is mended", lambda: not _reconcile(pool).active, limit_s=HEAL_S)
        end = _reconcile(pool)
        assert end.last_result == "finished, 0 irrecoverable"
        # One may have ended between the last note and the kill: it is not counted again.
        assert end.total_items >= before.total_items - 1
        assert contents.differing() == []


def test_pause_survives_a_remount_and_resume_ends_it(tmp_path: Path) -> None:
    with _degraded_pool(tmp_path, "--limit", "4M") as (pool, contents):
        _wait_for_items(pool, 1)
        pool.must("rebuild", str(pool.pool_dir), "--pause")
        pool.remount()
        paused = _reconcile(pool)
        time.sleep(2.0)

        assert paused.paused
        assert _reconcile(pool).done_items == paused.done_items
        assert pool.view().disks[2].fragment_count > 0
        pool.must("rebuild", str(pool.pool_dir), "--resume", "--limit", "0")
        wait_for("all is mended", lambda: not _reconcile(pool).active, limit_s=HEAL_S)
        wait_for("the figures say so", lambda: pool.view().disks[2].fragment_count == 0)
        assert contents.differing() == []


def test_a_cancelled_rebuild_lists_what_is_left_and_a_rebuild_begins_anew(
    tmp_path: Path,
) -> None:
    with _degraded_pool(tmp_path, "--limit", "4M") as (pool, contents):
        _wait_for_items(pool, 1)
        pool.must("rebuild", str(pool.pool_dir), "--cancel")
        wait_for("the round is over", lambda: not _reconcile(pool).active)

        left = _listed(pool)

        assert left
        assert {item.state for item in left} == {WorkState.PENDING}
        assert all("cancelled" in item.reason for item in left)
        assert {item.path.rpartition("large")[0] for item in left} == {"/"}
        assert "cancelled" in _reconcile(pool).last_result
        pool.must("rebuild", str(pool.pool_dir), "--limit", "0")
        outcome = pool.ask("rebuild", "--wait")
        assert outcome.code in (0, 3), outcome
        assert _listed(pool) == []
        assert contents.differing() == []


def test_the_files_of_a_directory_can_be_had_first(tmp_path: Path) -> None:
    with _degraded_pool(tmp_path, "--pause") as (pool, _contents):
        pool.must("rebuild", str(pool.pool_dir), "--first", "/large7")
        pool.must("rebuild", str(pool.pool_dir), "--limit", "1M", "--resume")
        wait_for("it is looked for", lambda: len(_listed(pool)) > 4)

        queued = [item.path for item in _listed(pool) if item.state is WorkState.QUEUED]

        firsts = [place for place, path in enumerate(queued) if path == "/large7"]
        assert firsts == list(range(len(firsts)))
        refused = pool.command("rebuild", str(pool.pool_dir), "--first", "/nowhere")
        assert refused.code == 2
        assert "/nowhere" in refused.said
