"""A row that one part of maintenance cannot read stops that part alone (P4, P7)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.errors import DamagedDatabaseError
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, events, get, put

SECONDS_MAX = 20.0
DATA = b"x" * 300_000
REASON = "metadata database: database disk image is malformed"


def test_a_lost_fragment_is_made_again_though_nothing_can_be_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    place.create()

    def rotten() -> None:
        raise DamagedDatabaseError(REASON)

    with Pool(place.pool_dir) as pool:
        put(pool, b"file", DATA)
        pool.engine.syncer.sync_all()
        monkeypatch.setattr(pool.engine.base.tables.file_map, "next_to_reap", rotten)
        lost = next((place.disks[0] / "fragments").glob("*/*"), None) or next(
            (place.disks[1] / "fragments").glob("*/*")
        )
        lost.unlink()

        pool.maintenance.scrub.start(repair=True)
        pool.maintenance.wake.set()
        end_s = time.monotonic() + SECONDS_MAX
        while not pool.maintenance.scrub.progress().repaired:
            assert time.monotonic() < end_s, f"nothing was repaired: {events(pool)}"
            time.sleep(0.01)

        assert events(pool).count(REASON) == 1
        assert get(pool, b"file") == DATA
