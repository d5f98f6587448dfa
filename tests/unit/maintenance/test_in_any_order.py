"""Losses, damage, deletions and maintenance steps in any order lose nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.maintenance.check import check_metadata
from engine.model.extent import ExtentRecord
from tests.unit.maintenance.small_pool import RS, SmallPool, name_of, pattern, small_pool

DISKS = 8
ACTIONS = 120


class Story:
    """A pool beside a dict of what its files hold, and one seed of chance."""

    def __init__(self, pool: SmallPool, seed: int) -> None:
        self.pool = pool
        self.random = random.Random(seed)
        self.files: dict[ExtentId, bytes] = {}
        pool.topology.narrow = bool(seed % 2)

    def act(self) -> None:
        pool, chance = self.pool, self.random
        actions = {
            self.write: 3,
            self.unlink: 1,
            self.lose: 2,
            self.bring_back: 2,
            self.flip: 2,
            self.start_scrub: 1,
            self.maintain: 12,
            pool.commit: 2,
            pool.acknowledge: 2,
            self.pass_time: 2,
        }
        chance.choices(list(actions), weights=list(actions.values()))[0]()

    def write(self) -> None:
        data = pattern(self.random.randrange(1, 60_000), seed=self.random.randrange(10**9))
        record = self.pool.write_file(f"f{len(self.files)}-{self.random.random()}", data)
        self.files[record.extent_id] = data

    def unlink(self) -> None:
        if self.files:
            extent_id = self.random.choice(sorted(self.files))
            del self.files[extent_id]
            self.pool.unlink(extent_id)

    def records(self) -> list[ExtentRecord]:
        return [self.pool.record(extent_id) for extent_id in self.files]

    def survives(self, disk_id: int) -> bool:
        """Whether every file can be read without this disk too, found by reading."""
        return all(
            sum(
                record.fragments[index].disk_id != disk_id
                for index in self.pool.intact_indexes(record)
            )
            >= record.needed_count
            for record in self.records()
        )

    def lose(self) -> None:
        present = [d for d in range(1, DISKS + 1) if DiskId(d) not in self.pool.disks.missing]
        disk_id = self.random.choice(present)
        if len(present) > DISKS - 2 and self.survives(disk_id):
            self.pool.lose(disk_id)

    def bring_back(self) -> None:
        if self.pool.disks.missing:
            self.pool.bring_back(self.random.choice(sorted(self.pool.disks.missing)))

    def flip(self) -> None:
        candidates = [
            (record, index)
            for record in self.records()
            for index in self.pool.intact_indexes(record)
            if len(self.pool.intact_indexes(record)) > record.needed_count
        ]
        if candidates:
            record, index = self.random.choice(candidates)
            self.pool.extents.flip(record, index, self.random.choice([5, 4100, -1]))
            if self.random.random() < 0.5:
                disk_id = record.fragments[index].disk_id
                self.pool.damage.report(record.extent_id, index, disk_id, Verdict.CORRUPT)

    def start_scrub(self) -> None:
        if not self.pool.scrub.progress().running:
            self.pool.scrub.start(repair=self.random.random() < 0.5)

    def maintain(self) -> None:
        pool = self.pool
        steps = (pool.damage.step, pool.reconcile.step, pool.scrub.step, pool.collect.step)
        for _ in range(self.random.randrange(1, 6)):
            self.random.choice(steps)()

    def pass_time(self) -> None:
        self.pool.clock.advance(self.random.choice([1.0, 30.0, 700.0]))

    def come_to_rest(self) -> None:
        """Bring everything back and let maintenance finish."""
        pool = self.pool
        pool.bring_back(*list(pool.disks.missing))
        pool.clock.advance(90_000)
        while pool.damage.step():
            pass
        if pool.scrub.progress().running:
            pool.scrub.stop()
            pool.scrub.step()
        pool.reconcile.start_now()
        pool.scrub_all(repair=True)
        pool.reconcile_all()
        for _ in range(3):
            pool.collect_all()
            pool.acknowledge()
        pool.collect_all()
        pool.drain_lanes()


@pytest.mark.parametrize("seed", range(8))
def test_every_file_stays_readable_and_the_pool_ends_whole_and_tidy(
    tmp_path: Path, seed: int
) -> None:
    with small_pool(tmp_path, DISKS) as pool:
        story = Story(pool, seed)
        for _ in range(ACTIONS):
            story.act()
            for record in story.records():
                assert pool.read(record) == story.files[record.extent_id]

        story.come_to_rest()

        named = set()
        for record in story.records():
            assert pool.read(record) == story.files[record.extent_id]
            assert record.redundancy == RS
            assert pool.intact_indexes(record) == set(range(6))
            named |= {(int(ref.disk_id), name_of(record, ref)) for ref in record.fragments}
        assert pool.tables.extents.damages(10) == []
        assert named <= pool.all_files()
        assert [s for s in check_metadata(pool.store.connection) if "links" not in s] == []
        assert {name for _, name in pool.all_files() - named} == set()
