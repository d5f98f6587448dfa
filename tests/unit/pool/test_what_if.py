"""What a loss is said to mean, beside what it then means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model.redundancy import ErasureCoding
from engine.pool.create import create_pool
from engine.pool.properties import Narrow, PoolProperties
from engine.status.answers import HealedView
from engine.status.views import PoolView
from tests.unit.pool.directory_pool import Place, put
from tests.unit.pool.living_pool import FILES, LivingPool

SIX_DISKS = 6


@pytest.fixture
def narrowing(roomy_folder: Path) -> Iterator[LivingPool]:
    """As many disks as an extent has fragments, and leave to re-encode over fewer."""
    place = Place(roomy_folder, disk_count=SIX_DISKS)
    create_pool(
        place.pool_dir,
        name="tank",
        disks=place.plans(),
        properties=PoolProperties(redundancy=ErasureCoding(4, 2), narrow=Narrow.AUTO),
    )
    living = LivingPool(place)
    try:
        for name, data in FILES.items():
            put(living.pool, name, data)
        living.verbs.sync()
        living.until("all has landed", lambda: living.fragments_on("d1") > 0)
        yield living
    finally:
        living.pool.close()


@pytest.mark.parametrize(
    ("gone", "then"),
    [
        (("d1",), HealedView(redundancy="rs:4+2", width=6, may_fail=2)),
        (("d1", "d2"), HealedView(redundancy="rs:3+2", width=5, may_fail=1)),
    ],
)
def test_the_pool_heals_to_what_was_told_before(
    living: LivingPool, gone: tuple[str, ...], then: HealedView
) -> None:
    told = living.disks.what_if(gone)

    view = healed_without(living, gone)

    # On five disks of six no extent is whole again, whichever it was on.
    short = 0 if len(gone) == 1 else view.exposure.extents
    assert told.healed == replace(then, short_extents=short)
    assert told.fits == (not short)
    assert view.exposure.may_fail == told.healed.may_fail
    assert view.exposure.degraded_extents == short
    assert living.differing() == []


def test_a_pool_that_may_narrow_is_said_to_keep_its_tolerance_and_does(
    narrowing: LivingPool,
) -> None:
    told = narrowing.disks.what_if(["d1", "d2"])

    view = healed_without(narrowing, ("d1", "d2"))

    assert told.fits
    assert told.may_fail_during == 0
    assert told.healed == HealedView(
        redundancy="rs:2+2", width=4, may_fail=2, narrowed_extents=view.exposure.extents
    )
    assert view.exposure.may_fail == told.healed.may_fail
    assert {one["redundancy"] for one in narrowing.verbs.list_extents(100)} == {"rs:2+2"}
    assert narrowing.differing() == []


def healed_without(living: LivingPool, gone: tuple[str, ...]) -> PoolView:
    """Lose disks for good, and return the pool when nothing more heals."""
    for name in gone:
        living.verbs.set_disk_health(name, "failed", force=True)
    living.until("what can be rebuilt is", lambda: is_settled(living, gone))
    return living.verbs.view()


def is_settled(living: LivingPool, gone: tuple[str, ...]) -> bool:
    living.pool.refresh_figures()
    work = living.verbs.view().reconcile
    waits = work.active or work.waiting_s
    left = sum(map(living.fragments_on, gone))
    return not waits and (not left or work.pending_items > 0)
