"""What goes wrong with one part of maintenance, or takes long, stops that part alone (P4, P7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import DamagedDatabaseError
from engine.metadata import checkpoint
from engine.metadata.heeding import Heed
from engine.metadata.replay import Head
from engine.metadata.scratch import COPY_NAME, ScratchError
from engine.pool import checkpoints
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, events, get, put

SECONDS_MAX = 20.0
DATA = b"x" * 300_000
REASON = "metadata database: database disk image is malformed"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    place = Place(tmp_path)
    place.create()
    with Pool(place.pool_dir) as opened:
        put(opened, b"file", DATA)
        opened.engine.syncer.sync_all()
        yield opened


def repair_a_lost_fragment(pool: Pool) -> None:
    """Take a fragment away and have it made again; fails if that takes too long."""
    disks = pool.pool_dir.parent.glob("disk*")
    next(path for disk in disks for path in (disk / "fragments").glob("*/*")).unlink()
    pool.maintenance.scrub.start(repair=True)
    pool.maintenance.wake.set()
    end_s = time.monotonic() + SECONDS_MAX
    while not pool.maintenance.scrub.progress().repaired:
        assert time.monotonic() < end_s, f"nothing was repaired: {events(pool)}"
        time.sleep(0.01)
    assert get(pool, b"file") == DATA


def test_a_lost_fragment_is_made_again_though_nothing_can_be_collected(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rotten() -> None:
        raise DamagedDatabaseError(REASON)

    monkeypatch.setattr(pool.engine.base.tables.file_map, "next_to_reap", rotten)

    repair_a_lost_fragment(pool)

    assert events(pool).count(REASON) == 1


def test_repair_goes_on_beside_a_checkpoint_that_takes_long(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, enough = threading.Event(), threading.Event()

    def takes_long(*_arguments: object, **_named: object) -> None:
        begun.set()
        enough.wait(SECONDS_MAX)
        raise ScratchError("it took too long")

    monkeypatch.setattr(checkpoints, "make_checkpoint", takes_long)
    monkeypatch.setattr(checkpoints, "due", lambda **_sizes: True)
    try:
        assert begun.wait(SECONDS_MAX)
        repair_a_lost_fragment(pool)
        with pytest.raises(ScratchError, match="being made already"):
            pool.maintenance.checkpoints.make()
        assert "checkpoint" not in pool.heartbeats()
    finally:
        enough.set()


def test_a_checkpoint_that_is_being_made_ends_with_the_pool_and_leaves_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    scratch = pool.pool_dir / COPY_NAME

    def copied_slowly(source: Path, target: Path, *, heed: Heed) -> Head:
        target.touch()
        begun.set()
        while True:  # Until heed raises; the close below waits for it, and is bounded.
            heed()

    monkeypatch.setattr(checkpoint, "copy_database", copied_slowly)
    monkeypatch.setattr(checkpoints, "due", lambda **_sizes: True)
    assert begun.wait(SECONDS_MAX)

    pool.close()

    assert not scratch.exists()
    told = [event.text for event in pool.engine.base.events.since(0)]
    assert not any("not made" in text for text in told)
