"""Several open builders are, for every file, what one builder was (O1-O3, P8)."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from engine.clock import ManualClock
from engine.errors import NoSpaceError
from engine.extents.buffers import BufferPool
from engine.ids import InodeId
from engine.limits import BUILDER_OPEN_S, EXTENT_BYTES_MAX
from engine.metadata.write_lock import WriteLock
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Redundancy, Replication
from engine.policy.capacity import UserCapacity
from engine.vfs.pending import OPEN_BUILDERS_MAX, Pending, PendingExtent, Placement
from engine.vfs.space import SpaceAccount

FILES = st.integers(2, 9)
POLICIES: list[Redundancy] = [Replication(count) for count in range(1, OPEN_BUILDERS_MAX + 2)]
POLICIES.append(ErasureCoding(2, 1))


class Builders(RuleBasedStateMachine):
    """Pending data beside a dict of plain bytes; landing is a copy into another dict."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = WriteLock()
        self.clock = ManualClock()
        space = SpaceAccount()
        room = 1000 * EXTENT_BYTES_MAX
        space.measure(UserCapacity(free_bytes=room, total_bytes=room), landed_before=0)
        self.policies: dict[InodeId, Redundancy] = defaultdict(lambda: POLICIES[0])
        self.pending = Pending(
            buffers=BufferPool(self.clock),
            space=space,
            placement=lambda inode_id: Placement(self.policies[inode_id], Tier.HOT),
            clock=self.clock,
            lock=self.lock,
        )
        self.written: dict[InodeId, bytes] = defaultdict(bytes)
        self.landed: dict[InodeId, bytearray] = defaultdict(bytearray)

    @rule(number=FILES, policy=st.sampled_from(POLICIES))
    def change_policy(self, number: int, policy: Redundancy) -> None:
        self.policies[InodeId(number)] = policy

    @rule(number=FILES, offset=st.integers(0, 40), data=st.binary(min_size=1, max_size=20))
    def write(self, number: int, offset: int, data: bytes) -> None:
        inode_id = InodeId(number)
        with self.lock:
            while not self._accept(inode_id, offset, data):
                self.land()
            newest = self.pending.files[inode_id].layers[-1].extent
        before = self.written[inode_id].ljust(offset, b"\0")
        self.written[inode_id] = before[:offset] + data + before[offset + len(data) :]
        assert isinstance(newest, PendingExtent)
        assert newest.builder.redundancy == self.policies[inode_id]

    def _accept(self, inode_id: InodeId, offset: int, data: bytes) -> bool:
        file = self.pending.file_of(inode_id, len(self.landed[inode_id]))
        return self.pending.accept(file, offset, memoryview(data))

    @rule()
    def pass_time(self) -> None:
        self.clock.advance(BUILDER_OPEN_S / 2)
        with self.lock:
            self.pending.freeze_older_than(BUILDER_OPEN_S)

    @rule(failing=st.integers(0, 2))
    def land(self, failing: int = 0) -> None:
        """Write all but the first *failing* builders, and land what may."""
        with self.lock:
            self.pending.freeze_open()
            for place, extent in enumerate(self.pending.frozen):
                extent.error = None if place >= failing else _REFUSED
                extent.written = place >= failing
            while (extent_now := self.pending.next_to_land()) is not None:
                self._land(extent_now)

    def _land(self, extent: PendingExtent) -> None:
        for inode_id, layer in extent.layers.items():
            file = self.pending.files[inode_id]
            assert file.layers[0] is layer, "something older has not landed (O3)"
            target = self.landed[inode_id]
            for item in layer.ranges:
                target.extend(bytes(max(0, item.end - len(target))))
                target[item.start : item.end] = self.pending.bytes_of(
                    extent, item.at, item.end - item.start
                )
            del file.layers[0]
            self.pending.settle(file, len(target))
        self.pending.frozen.remove(extent)
        self.pending.release(extent, landed=True)

    @invariant()
    def every_file_reads_as_it_was_written(self) -> None:
        for inode_id, wanted in self.written.items():
            seen = bytearray(self.landed[inode_id].ljust(len(wanted), b"\0"))
            file = self.pending.files.get(inode_id)
            for item, extent in file.resolve(0, len(wanted))[0] if file else []:
                seen[item.start : item.end] = self.pending.bytes_of(
                    extent, item.at, item.end - item.start
                )
            assert bytes(seen) == wanted

    @invariant()
    def few_builders_are_open_and_each_file_is_in_one_of_them_at_most(self) -> None:
        assert len(self.pending.open) <= OPEN_BUILDERS_MAX
        opened = list(self.pending.open.values())
        for file in self.pending.files.values():
            mine = [layer.extent for layer in file.layers]
            assert sum(extent in mine for extent in opened) <= 1
            order = [extent.sequence or 1 << 60 for extent in mine]
            assert order == sorted(set(order))

    def teardown(self) -> None:
        self.land()
        assert not self.pending.frozen
        assert {inode: bytes(data) for inode, data in self.landed.items() if data} == {
            inode: data for inode, data in self.written.items() if data
        }


_REFUSED = NoSpaceError("no disks for it")


def test_many_open_builders_are_for_each_file_what_one_is() -> None:
    run_state_machine_as_test(Builders)


def test_one_placement_too_many_freezes_the_builder_opened_first() -> None:
    machine = Builders()
    for number, policy in enumerate(POLICIES[: OPEN_BUILDERS_MAX + 1], start=2):
        machine.change_policy(number=number, policy=policy)
        machine.write(number=number, offset=0, data=b"x")

    opened = [one.placement.redundancy for one in machine.pending.open.values()]
    assert opened == POLICIES[1 : OPEN_BUILDERS_MAX + 1]
    assert [one.placement.redundancy for one in machine.pending.frozen] == POLICIES[:1]
