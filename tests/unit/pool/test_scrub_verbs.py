"""Verbs of scrubs on a pool over real directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from tests.unit.pool.directory_pool import Place


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    place = Place(tmp_path)
    place.create()
    with Pool(place.pool_dir) as opened:
        yield opened


def test_a_setting_is_safe_when_its_verb_returns(pool: Pool) -> None:
    scrubs = PoolVerbs(pool, mountpoint=lambda: "").scrubs

    scrubs.set_intensity("low")
    scrubs.limit(4096)
    scrubs.schedule("nightly at 3:00 with repair")

    # A reader sees committed groups only.
    with pool.engine.readers.read() as connection:
        kept = dict(connection.execute("SELECT name, value FROM property"))
    assert kept["scrub.intensity"] == "low"
    assert kept["scrub.limit_bytes_s"] == "4096"
    assert kept["scrub.schedule"] == "nightly at 03:00 with repair"


def test_what_cannot_be_meant_changes_nothing(pool: Pool) -> None:
    scrubs = PoolVerbs(pool, mountpoint=lambda: "").scrubs

    with pytest.raises(UsageError):
        scrubs.set_intensity("mad")
    with pytest.raises(UsageError):
        scrubs.limit(-1)
    with pytest.raises(UsageError):
        scrubs.schedule("often")
    with pytest.raises(UsageError):
        scrubs.start("disk nobody", repair=False)

    assert PoolVerbs(pool, mountpoint=lambda: "").view().scrub.intensity == "high"
