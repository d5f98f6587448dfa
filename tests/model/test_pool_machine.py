"""A pool's maintenance beside a model: disks fail, come back, drain, are replaced;
policies change; the operator pauses, cancels, hurries, compacts; processes restart.

At most one disk is away and at most one fragment of an extent is rotten at any
moment, and every policy survives two losses. So at every moment:

- each file reads back as it was written (P1, P3),
- what a crash would bring back, the records of the last acknowledged root, still
  has its fragments (P5),
- no extent has two fragments on one disk.

And when all troubles end, everything is whole, of the wanted redundancy, and no
file is on a disk that no record names (P7).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    tolerance,
)
from tests.unit.maintenance.shared_extent import SharedFiles
from tests.unit.maintenance.small_pool import RS, SmallPool, name_of, pattern, small_pool

DISKS = 7
PARTS, PART = 4, 30_000
"""Files of an extent that is shared: with three of them gone, it is worth compacting."""
POLICIES: tuple[Redundancy, ...] = (RS, ErasureCoding(2, 2), ErasureCoding(5, 2), Replication(3))
NUMBERS = st.integers(1, DISKS)
STATES = st.sampled_from(
    [DiskState.HEALTHY, DiskState.SUSPECT, DiskState.DRAINING, DiskState.FAILED]
)


class PoolMachine(RuleBasedStateMachine):
    """Every trouble and every wish, in any order, around one pool of seven disks."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.files: dict[ExtentId, bytes] = {}
        self.safe: dict[ExtentId, ExtentRecord] = {}
        self.rotten: dict[ExtentId, tuple[int, int]] = {}
        self.wanted: dict[ExtentId, Redundancy] = {}
        self.safe_shared: dict[ExtentId, ExtentRecord] = {}
        self.written = 0

    @initialize()
    def open(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="dynamicfs-machine-"))
        self.stack.callback(shutil.rmtree, folder)
        self.pool: SmallPool = self.stack.enter_context(small_pool(folder, DISKS))
        self.shared = SharedFiles(self.pool)
        self.acknowledge()

    # Files

    @rule(size=st.sampled_from([1, 4096, 70_001, 300_000]), then_safe=st.booleans())
    def write(self, size: int, then_safe: bool) -> None:  # noqa: FBT001
        if len(self.files) >= 6 or self.healthy_count() < 3:
            return
        self.written += 1
        data = pattern(size + self.written)
        record = self.pool.write_file(f"f{self.written}", data, self.pool.topology.wanted)
        self.files[record.extent_id] = data
        if then_safe:
            self.acknowledge()

    @precondition(lambda self: self.files)
    @rule(choice=st.integers(0, 100))
    def delete(self, choice: int) -> None:
        extent = sorted(self.files)[choice % len(self.files)]
        self.pool.unlink(extent)
        self.pool.commit()
        del self.files[extent]
        self.wanted.pop(extent, None)
        self.pool.policies.wanted.pop(extent, None)

    @rule()
    def write_files_that_share_an_extent(self) -> None:
        if len(self.shared.content) <= 4 * PARTS and self.healthy_count() >= 3:
            self.written += 1
            wanted = self.pool.topology.wanted
            self.shared.write(PARTS, part=PART, seed=self.written, redundancy=wanted)

    @precondition(lambda self: self.shared.content)
    @rule(choice=st.integers(0, 100), count=st.integers(1, PARTS))
    def let_most_of_an_extent_die(self, choice: int, count: int) -> None:
        extents = sorted(self.shared.extents())
        if extents:
            self.shared.remove(extents[choice % len(extents)], count)
            self.pool.commit()

    # Disks

    @rule(number=NUMBERS, delayed=st.booleans())
    def take_away(self, number: int, delayed: bool) -> None:  # noqa: FBT001
        if self.pool.disks.missing:
            return
        self.pool.lose(number)
        if delayed:
            self.pool.topology.absent[DiskId(number)] = self.pool.clock.monotonic_s()

    @rule()
    def bring_back(self) -> None:
        self.pool.bring_back(*map(int, self.pool.disks.missing.copy()))

    @rule(number=NUMBERS, state=STATES)
    def set_state(self, number: int, state: DiskState) -> None:
        self.pool.disks.states[DiskId(number)] = state

    @precondition(lambda self: self.files)
    @rule(choice=st.integers(0, 100), number=NUMBERS, failed=st.booleans())
    def replace(self, choice: int, number: int, failed: bool) -> None:  # noqa: FBT001
        """What a disk has is to follow to another, wherever that has none of the extent."""
        disks = self.pool.disks
        record = self.pool.record(sorted(self.files)[choice % len(self.files)])
        old, new = record.fragments[choice % len(record.fragments)].disk_id, DiskId(number)
        if new == old or new in disks.missing:
            return
        disks.replaced_by = {new: {old}}
        disks.states[new] = DiskState.HEALTHY
        disks.states[old] = DiskState.FAILED if failed else DiskState.DRAINING
        self.pool.reconcile.resume()
        self.mend_commit_and_collect(20)

    @precondition(lambda self: self.files)
    @rule(choice=st.integers(0, 100), reported=st.booleans())
    def rot(self, choice: int, reported: bool) -> None:  # noqa: FBT001
        extent = sorted(self.files)[choice % len(self.files)]
        record = self.pool.record(extent)
        if self.is_rotten(record):
            return
        ref = record.fragments[choice % len(record.fragments)]
        if ref.disk_id in self.pool.disks.missing:
            return
        self.pool.extents.flip(record, ref.index, 9000)
        self.rotten[extent] = (ref.index, int(ref.layout))
        if reported:
            self.pool.damage.report(extent, ref.index, ref.disk_id, Verdict.CORRUPT)
            self.pool.damage.step()

    def is_rotten(self, record: ExtentRecord) -> bool:
        known = self.rotten.get(record.extent_id)
        return known in {(ref.index, int(ref.layout)) for ref in record.fragments}

    # Policies and wishes

    @rule(wanted=st.sampled_from(POLICIES))
    def change_policy(self, wanted: Redundancy) -> None:
        self.pool.topology.wanted = wanted

    @precondition(lambda self: self.files)
    @rule(choice=st.integers(0, 100), wanted=st.sampled_from(POLICIES))
    def change_policy_of_a_file(self, choice: int, wanted: Redundancy) -> None:
        extent = sorted(self.files)[choice % len(self.files)]
        self.wanted[extent] = wanted
        self.pool.policies.want(extent, wanted)

    @rule(narrow=st.booleans())
    def allow_narrow(self, narrow: bool) -> None:  # noqa: FBT001
        self.pool.topology.narrow = narrow

    @rule(wish=st.sampled_from(["pause", "resume", "cancel", "start_now", "rebalance", "compact"]))
    def wish(self, wish: str) -> None:
        reconcile = self.pool.reconcile
        {
            "pause": reconcile.pause,
            "resume": reconcile.resume,
            "cancel": reconcile.cancel,
            "start_now": reconcile.start_now,
            "rebalance": reconcile.rebalance,
            "compact": reconcile.compact,
        }[wish]()

    @rule(priority=st.sampled_from(["low", "normal", "high"]), limit=st.sampled_from([0, 100_000]))
    def steer(self, priority: str, limit: int) -> None:
        self.pool.reconcile.steering.set_priority(priority)
        self.pool.reconcile.steering.limit(limit)

    # Time

    @rule(count=st.integers(1, 12))
    def reconcile(self, count: int) -> None:
        for _ in range(count):
            self.pool.reconcile.step()

    @rule(count=st.integers(1, 12))
    def collect(self, count: int) -> None:
        for _ in range(count):
            self.pool.collect.step()

    @rule(seconds=st.sampled_from([1.0, 60.0, 700.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.pool.clock.advance(seconds)

    @rule()
    def commit(self) -> None:
        self.pool.commit()

    @rule(there=st.booleans())
    def change_quorum(self, there: bool) -> None:  # noqa: FBT001
        self.pool.topology.has_quorum = there

    @rule(count=st.integers(3, 30))
    def mend_commit_and_collect(self, count: int) -> None:
        """What a second of a running pool does."""
        self.reconcile(count)
        self.pool.commit()
        self.collect(count)

    @rule(number=NUMBERS)
    def mend_what_no_quorum_acknowledges(self, number: int) -> None:
        """Old fragments must outlive this, for a crash brings their records back."""
        self.pool.topology.has_quorum = False
        self.pool.disks.states[DiskId(number)] = DiskState.FAILED
        self.mend_commit_and_collect(20)

    @rule()
    def acknowledge(self) -> None:
        if self.pool.topology.has_quorum:
            self.pool.acknowledge()
            self.note_safe()

    def note_safe(self) -> None:
        rows = self.pool.store.connection.execute("SELECT DISTINCT extent FROM segment")
        ids = [ExtentId(row[0]) for row in list(rows)]
        self.safe = {one: self.pool.record(one) for one in ids if one in self.files}
        self.safe_shared = {one: self.pool.record(one) for one in self.shared.extents()}

    @rule()
    def restart(self) -> None:
        self.pool.start_maintenance()

    # What holds at every moment

    def healthy_count(self) -> int:
        disks = self.pool.disks
        return sum(
            one not in disks.missing
            and disks.states.get(one, DiskState.HEALTHY) is DiskState.HEALTHY
            for one in disks.devices
        )

    @invariant()
    def every_file_reads_back_as_it_was_written(self) -> None:
        for extent, data in self.files.items():
            record = self.pool.record(extent)
            assert self.pool.read(record) == data
            assert len({ref.disk_id for ref in record.fragments}) == len(record.fragments)
        assert self.shared.whole()

    @invariant()
    def what_a_crash_would_bring_back_still_has_its_fragments(self) -> None:
        if self.pool.topology.made_safe != getattr(self, "made_safe", 0):
            # Reconcile acknowledged a root of its own: that is the one to come back to.
            self.made_safe = self.pool.topology.made_safe
            self.note_safe()
        for extent, record in self.safe.items():
            if extent in self.files:
                for ref in record.fragments:
                    assert name_of(record, ref) in self.pool.files(ref.disk_id)
        for record in self.safe_shared.values():
            for ref in record.fragments:
                assert name_of(record, ref) in self.pool.files(ref.disk_id)

    # And when all troubles end

    def teardown(self) -> None:
        try:
            if hasattr(self, "pool"):
                self.everything_becomes_whole()
        finally:
            self.stack.close()

    def everything_becomes_whole(self) -> None:
        pool = self.pool
        pool.bring_back(*map(int, pool.disks.missing.copy()))
        pool.disks.states.clear()
        pool.disks.replaced_by.clear()
        pool.topology.has_quorum = True
        pool.reconcile.steering.limit(0)
        pool.reconcile.resume()
        pool.reconcile.start_now()
        for extent in self.files:
            record = pool.record(extent)
            if self.is_rotten(record):
                index = self.rotten[extent][0]
                disk = record.fragments[index].disk_id
                pool.damage.report(extent, index, disk, Verdict.CORRUPT)
        while pool.damage.step():
            pass
        pool.reconcile_all()
        pool.clock.advance(100_000.0)
        pool.reconcile_all()
        pool.acknowledge()
        pool.collect_all()
        self.nothing_stays_half_dead()
        pool.drain_lanes()
        named: set[tuple[int, str]] = set()
        for extent, data in self.files.items():
            record = pool.record(extent)
            assert record.redundancy == self.wanted.get(extent, pool.topology.wanted)
            assert pool.exposure(record) == tolerance(record.redundancy)
            assert len(record.fragments) == fragment_count(record.redundancy)
            assert pool.read(record) == data
            named |= {(int(ref.disk_id), name_of(record, ref)) for ref in record.fragments}
        for extent in self.shared.extents():
            record = pool.record(extent)
            assert pool.exposure(record) == tolerance(record.redundancy)
            named |= {(int(ref.disk_id), name_of(record, ref)) for ref in record.fragments}
        assert named <= pool.all_files()

    def nothing_stays_half_dead(self) -> None:
        pool = self.pool
        pool.acknowledge()
        pool.reconcile.compact()
        pool.reconcile_all()
        for _ in range(2):
            pool.acknowledge()
            pool.collect_all()
        assert self.shared.whole()
        for extent in self.shared.extents():
            rows = pool.store.connection.execute(
                "SELECT length FROM segment WHERE extent = ?", (extent,)
            )
            assert 2 * sum(row[0] for row in rows) >= pool.record(extent).length_bytes


@pytest.mark.timeout(600)
def test_maintenance_loses_nothing_whatever_happens() -> None:
    limits = settings(stateful_step_count=40, report_multiple_bugs=False)

    run_state_machine_as_test(PoolMachine, settings=limits)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_maintenance_loses_nothing_whatever_happens_for_long() -> None:
    number = int(os.environ.get("DYNAMICFS_SEED", "1"))
    limits = settings(
        max_examples=2000, stateful_step_count=80, derandomize=False, report_multiple_bugs=False
    )

    run_state_machine_as_test(seed(number)(PoolMachine), settings=limits)
