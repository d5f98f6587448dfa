"""``compact`` on a pool whose threads run: what it promises, what it does, what stays after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ids import ROOT_INODE
from engine.vfs.interface import OpenMode
from tests.unit.pool.directory_pool import NOBODY, TWO_AND_TWO, Place, get
from tests.unit.pool.living_pool import LivingPool

SHARING = {f"f{number}".encode(): os.urandom(150_000) for number in range(8)}
"""Files that get one extent together."""
KEPT = (b"f6", b"f7")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[LivingPool]:
    """Five disks for 2+2, and one extent, of which a quarter lives."""
    place = Place(tmp_path)
    place.create(redundancy=TWO_AND_TWO)
    living = LivingPool(place)
    try:
        fs = living.pool.filesystem
        # While the lock is held no builder becomes too old: all go into the same.
        with living.pool.engine.base.store.lock:
            for name, data in SHARING.items():
                _, opened = fs.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, NOBODY)
                fs.write(opened.handle, 0, data)
                fs.release(opened.handle)
        living.verbs.sync()
        for name in SHARING.keys() - set(KEPT):
            fs.unlink(ROOT_INODE, name)
        living.verbs.sync()
        yield living
    finally:
        living.pool.close()


def bytes_on_disks(living: LivingPool) -> int:
    """Return the bytes of all fragment files, as the directories have them."""
    files = [one for disk in living.place.disks for one in (disk / "fragments").rglob("*.*")]
    return sum(one.stat().st_size for one in files if one.is_file())


def whole(living: LivingPool) -> bool:
    return all(get(living.pool, name) == SHARING[name] for name in KEPT)


def test_what_the_dry_run_promises_is_what_the_disks_get_back(pool: LivingPool) -> None:
    work = pool.verbs.work
    pool.until("deletes left the maps", lambda: work.plan_compaction().extents == 1)
    before, plan = bytes_on_disks(pool), work.plan_compaction()

    work.compact()
    pool.until("it is done", lambda: not pool.verbs.view().reconcile.active)
    pool.until("files are gone", lambda: bytes_on_disks(pool) == before - plan.freed_bytes)

    assert (plan.percent, plan.live_bytes, plan.read_bytes) == (50, 300_000, 1_200_000)
    assert work.plan_compaction().extents == 0
    assert pool.verbs.view().reconcile.last_result == "finished, 0 irrecoverable"
    assert pool.verbs.view().capacity.reclaimable_bytes == 0
    assert whole(pool)
    assert pool.verbs.check() == []
    pool.reopen()
    assert whole(pool)


def test_the_threshold_is_a_property_and_what_is_below_is_reclaimable(pool: LivingPool) -> None:
    assert pool.verbs.work.set_compaction(0) == "extents are compacted only when asked"
    pool.verbs.work.set_compaction(30)
    pool.reopen()

    plan = pool.verbs.work.plan_compaction()
    assert (plan.percent, plan.extents) == (30, 1)
    dead_bytes = 6 * 150_000
    pool.until(
        "dead bytes are counted",
        lambda: pool.verbs.view().capacity.reclaimable_bytes == dead_bytes,
    )
    assert pool.verbs.work.set_compaction(20).endswith("less than 20 % of them lives")
    assert pool.verbs.work.plan_compaction().extents == 0
    with pytest.raises(UsageError, match="below 1 to 90 %"):
        pool.verbs.work.set_compaction(91)
