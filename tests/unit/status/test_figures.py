"""Figures over all extents, compared with a count by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ids import DiskId
from engine.metadata.extents_table import Damage
from engine.model.disk import DiskState, Tier
from engine.model.extent import ExtentRecord
from engine.model.redundancy import ErasureCoding, Replication, needed_count
from engine.policy.exposure import ExposureBucket, bucket_of
from engine.status.assemble import disk_counter, disk_view, exposure_view, tier_views
from engine.status.figures import Figures, FigureSource
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

SIZES = (1, 5000, 70_000, 200_001)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def fill(pool: SmallPool) -> list[ExtentRecord]:
    forms = (ErasureCoding(4, 2), ErasureCoding(2, 2), Replication(3))
    return [
        pool.write_file(f"{number} {form}", pattern(size), form)
        for number, size in enumerate(SIZES)
        for form in forms
    ]


def take(pool: SmallPool) -> Figures:
    source = FigureSource(pool.clock, pool.readers)
    return source.refresh(pool.store.template.generation, pool.topology.disks())


def test_an_empty_pool_has_no_extents(pool: SmallPool) -> None:
    figures = take(pool)

    assert figures.extents == 0
    assert figures.least_exposure is None
    assert exposure_view(figures, tolerance=2, journal_missing=0).may_fail == 2


def test_fragments_and_bytes_of_each_disk_are_counted(pool: SmallPool) -> None:
    records = fill(pool)

    figures = take(pool)

    fragments: Counter[DiskId] = Counter()
    sizes: Counter[DiskId] = Counter()
    for record in records:
        for ref in record.fragments:
            fragments[ref.disk_id] += 1
            sizes[ref.disk_id] += record.slice_bytes
    assert figures.disk_fragments == dict(fragments)
    assert figures.disk_bytes == dict(sizes)
    assert figures.tier_extents == {Tier.WARM: len(records)}
    assert figures.tier_user_bytes == {Tier.WARM: sum(SIZES) * 3}


@pytest.mark.parametrize("lost", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)])
def test_exposure_is_what_counting_by_hand_gives(pool: SmallPool, lost: tuple[int, ...]) -> None:
    records = fill(pool)
    with pool.store.operation():
        for record in records[::3]:
            pool.tables.extents.add_damage(Damage(record.extent_id, 0, "corrupt", 0))
    pool.commit()
    pool.lose(*lost[:2])
    for number in lost[2:]:
        pool.disks.states[DiskId(number)] = DiskState.FAILED

    figures = take(pool)

    extents: Counter[ExposureBucket] = Counter()
    sizes: Counter[ExposureBucket] = Counter()
    degraded = 0
    left = []
    for position, record in enumerate(records):
        bad = {0} if position % 3 == 0 else set()
        bad |= {ref.index for ref in record.fragments if ref.disk_id in lost}
        exposure = len(record.fragments) - len(bad) - needed_count(record.redundancy)
        extents[bucket_of(exposure)] += 1
        sizes[bucket_of(exposure)] += record.length_bytes
        degraded += bool(bad)
        if exposure >= 0:
            left.append(exposure)
    assert figures.bucket_extents == dict(extents)
    assert figures.bucket_bytes == dict(sizes)
    assert figures.degraded_extents == degraded
    assert figures.least_exposure == min(left, default=None)
    assert figures.damaged_fragments == len(records[::3])
    view = exposure_view(figures, tolerance=2, journal_missing=len(lost))
    assert view.extents == len(records)
    assert view.may_fail == max(0, min(min(left, default=9), 2 - len(lost)))


def test_figures_are_kept_until_something_changed(pool: SmallPool) -> None:
    fill(pool)
    source = FigureSource(pool.clock, pool.readers)
    first = source.refresh(pool.store.template.generation, pool.topology.disks())

    same = source.refresh(pool.store.template.generation, pool.topology.disks())
    pool.write_file("more", pattern(10))
    after_write = source.refresh(pool.store.template.generation, pool.topology.disks())
    pool.lose(1)
    after_loss = source.refresh(pool.store.template.generation, pool.topology.disks())

    assert same is first
    assert after_write.extents == first.extents + 1
    assert after_loss.degraded_extents > 0
    assert source.newest() is after_loss


def test_disks_and_tiers_show_figures_and_counters(pool: SmallPool) -> None:
    fill(pool)
    figures = take(pool)
    counter = disk_counter({"disk_reads_total": {"d1": 7}})
    statuses = pool.topology.disks()

    views = [
        disk_view(
            record,
            status,
            figures,
            counter,
            total_bytes=1000,
            free_bytes=400,
            in_journal_set=True,
            reason="",
        )
        for record, status in zip(pool.tables.members.disks(), statuses, strict=True)
    ]
    tiers = tier_views(views, figures)

    assert views[0].reads == 7
    assert views[1].reads == 0
    assert [(tier.tier, tier.disk_count, tier.total_bytes) for tier in tiers] == [
        (Tier.WARM, 6, 6000)
    ]
    assert tiers[0].fragment_bytes == sum(figures.disk_bytes.values())
