"""A disk's life through the mount and the command line, with a writer that never stops."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.status.answers import PlanView, WhatIfView
from engine.status.transport import decode
from engine.status.views import DiskView, ExitCode
from engine.units import KIB
from tests.e2e.contents import Contents, writing
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

SEED = 29
LIMIT_S = 60.0


def _disk(pool: LivePool, name: str) -> DiskView | None:
    return next((one for one in pool.view().disks if one.name == name), None)


def _verb(pool: LivePool, verb: str, *words: str) -> str:
    """Run a verb of the pool, demand success, and return what it said."""
    return pool.must(verb, str(pool.pool_dir), *words).printed


def _reads(pool: LivePool, name: str) -> bool:
    try:
        (pool.mountpoint / name).read_bytes()
    except OSError:
        return False
    return True


def _what_if(pool: LivePool, *disks: str) -> WhatIfView:
    return decode(WhatIfView, pool.ask("what-if", *disks).json)


def test_a_drained_disk_is_removed_and_its_directory_deleted_while_a_program_writes(
    tmp_path: Path,
) -> None:
    with live_pool(tmp_path, PoolPlan(disk_count=7)) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        with writing(contents) as writer:
            said = _verb(pool, "drain", "d2", "--wait", "--yes")
            assert "nothing is left on d2" in said
            _verb(pool, "remove-disk", "d2", "--yes")
            shutil.rmtree(pool.disks[1])
            before = writer.rounds
            pool.sync()

        assert writer.rounds > before
        assert _disk(pool, "d2") is None
        pool.remount()
        assert contents.differing() == []
        # The tolerance is whole: any two of the others may go as well.
        pool.take_away(3)
        pool.take_away(6)
        assert contents.differing() == []


def test_a_disk_that_is_gone_is_replaced_while_a_program_writes(tmp_path: Path) -> None:
    with live_pool(tmp_path) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.sync()
        new = tmp_path / "new"
        new.mkdir()
        with writing(contents):
            pool.take_away(2)
            pool.find_disks(1)
            said = _verb(pool, "replace", "d3", str(new), "--wait", "--yes")

        assert "it has left the pool" in said
        assert [disk.name for disk in pool.view().disks] == ["d1", "d2", "d4", "d5", "d6", "d7"]
        pool.remount()
        assert pool.ask("check").code == ExitCode.FINE
        pool.take_away(0)
        pool.take_away(5)
        assert contents.differing() == []


def test_a_killed_replacement_ends_by_itself_after_the_next_mount(tmp_path: Path) -> None:
    with live_pool(tmp_path) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.sync()
        new = tmp_path / "new"
        new.mkdir()
        _verb(pool, "rebuild", "--pause")
        _verb(pool, "replace", "d3", str(new), "--yes")
        pool.kill()

        pool.mount()
        _verb(pool, "rebuild", "--resume")

        wait_for("d3 left", lambda: _disk(pool, "d3") is None, limit_s=LIMIT_S)
        assert contents.differing() == []


def test_a_detached_disk_may_be_away_and_comes_back_without_a_rebuild(tmp_path: Path) -> None:
    with live_pool(tmp_path, PoolPlan(rebuild_delay_s=0.2)) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.sync()
        written = pool.metric("rebuild_bytes_written_total")

        _verb(pool, "detach", "d4", "--yes")
        pool.take_away(3)
        with writing(contents):
            detached = _disk(pool, "d4")
            assert detached is not None
            assert (detached.detached, detached.present) == (True, False)
            assert pool.view().exposure.may_fail <= 1
            pool.sync()
        pool.bring_back(3)
        _verb(pool, "attach", "d4")

        wait_for("two disks may fail", lambda: pool.view().exposure.may_fail == 2)
        assert pool.metric("rebuild_bytes_written_total") == written
        assert contents.differing() == []


def test_what_if_names_exactly_the_files_that_are_then_lost(tmp_path: Path) -> None:
    with live_pool(tmp_path, PoolPlan(disk_count=9)) as pool:
        contents = Contents(pool.mountpoint)
        for number in range(24):
            # Each in an extent of its own, so that each has its own disks.
            contents.write(f"file{number}", bytes([number]) * (64 * KIB + number))
            pool.sync()
        gone = ["d2", "d5", "d9"]

        told = _what_if(pool, *gone)
        plan = pool.ask("fail-disk", gone[0], "--dry-run")
        for name in gone:
            pool.take_away(int(name[1:]) - 1)
        pool.find_disks(3)
        wait_for(
            "losses are counted", lambda: pool.view().exposure.lost_extents == told.lost_extents
        )

        assert decode(PlanView, plan.json).disk == "d2"
        assert 0 < told.lost_files < 24
        pool.kill()
        pool.mount_read_only()
        lost = {f"/{name}" for name in contents.wanted if not _reads(pool, name)}
        assert lost == set(told.lost_paths)
        assert len(lost) == told.lost_files


def test_a_dry_run_tells_what_would_happen_and_changes_nothing(pool: LivePool) -> None:
    Contents(pool.mountpoint).write_sizes(SEED)
    pool.sync()
    before = pool.view().disks

    blocked = pool.ask("drain", "d1", "--dry-run")
    risky = pool.ask("remove-disk", "d1", "--dry-run")
    refused = pool.command("drain", str(pool.pool_dir), "d1", "--yes")

    assert (blocked.code, risky.code, refused.code) == (ExitCode.FAILED,) * 3
    assert "no disk to go to" in decode(PlanView, blocked.json).reasons[0]
    assert "blocked" in refused.said
    after = pool.view().disks
    assert [(one.name, one.state) for one in after] == [(one.name, one.state) for one in before]
