"""The choice of the head against an oracle that remembers every acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from blake3 import blake3
from hypothesis import event, given
from hypothesis import strategies as st

from engine.errors import SplitHistoryError
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.history import choose_head
from engine.metadata.summaries import CheckpointSummary, DiskScan, LocalState, RootSummary
from engine.model.disk import Tier
from engine.model.label import DiskLabel
from tests.unit.metadata.written_pool import ABC, POOL, A, B, C, D, E, first_template

FIVE = (A, B, C, D, E)


def make_root(before: RootSummary | None, *, epoch: int, salt: int, forced: bool) -> RootSummary:
    """Return a root with a hash of its own; nothing is encoded."""
    generation = 1 if before is None else before.generation + 1
    previous = bytes(32) if before is None else before.root_hash
    header = replace(
        before.header if before is not None else first_template(),
        generation=Generation(generation),
        epoch=Epoch(epoch),
        previous_hash=previous,
        forced=forced,
    )
    text = f"{generation}/{epoch}/{salt}/{forced}".encode()
    return RootSummary(header=header, root_hash=blake3(previous + text).digest(), size_bytes=1)


@dataclass
class World:
    """Disks as lists of roots, and what was acknowledged, ever."""

    disks: tuple[DiskUuid, ...]
    tolerance: int
    journals: dict[DiskUuid, dict[int, RootSummary]] = field(default_factory=dict)
    labels: dict[DiskUuid, int] = field(default_factory=dict)
    acknowledged: list[bytes] = field(default_factory=list)
    salt: int = 0

    def __post_init__(self) -> None:
        self.journals = {disk: {} for disk in self.disks}
        self.labels = dict.fromkeys(self.disks, 0)

    def scan(self, disk: DiskUuid) -> DiskScan:
        label = DiskLabel(
            pool_uuid=POOL,
            pool_name="tank",
            disk_uuid=disk,
            disk_name=f"d{disk.int - 100}",
            tier=Tier.HOT,
            epoch=Epoch(self.labels[disk]),
            journal_set=self.disks,
        )
        roots = tuple(self.journals[disk][g] for g in sorted(self.journals[disk]))
        return DiskScan(disk=disk, label=label, roots=roots)

    def root(self, before: RootSummary | None, epoch: int, *, forced: bool) -> RootSummary:
        self.salt += 1
        made = make_root(before, epoch=epoch, salt=self.salt, forced=forced)
        header = replace(made.header, journal_set=self.disks, tolerance=self.tolerance)
        return replace(made, header=header)

    def session(
        self,
        reachable: list[DiskUuid],
        writes: list[list[DiskUuid]],
        catches_up: list[DiskUuid],
    ) -> bool:
        """Open with *reachable* and write; each write reaches some, then power fails."""
        scans = [self.scan(disk) for disk in reachable]
        decision = choose_head(scans, LocalState())
        if decision.head is not None and not decision.read_write:
            return False
        if decision.head is None and set(reachable) != set(self.disks):
            return False  # A new pool is made with all its disks.
        chain = {root.root_hash for root in decision.chain}
        assert set(self.acknowledged) <= chain, "an acknowledged root is missing"
        for tail in decision.stale:
            assert tail.start is not None
            for generation in [g for g in self.journals[tail.disk] if g >= tail.start]:
                del self.journals[tail.disk][generation]
        # Members are brought to the head; some calls may fail, but not too many.
        held = [disk for disk in reachable if disk in catches_up]
        if len(held) < self.tolerance + 1:
            held = reachable
        for disk in held:
            self.journals[disk] = {root.generation: root for root in decision.chain}
            self.labels[disk] = decision.next_epoch
        self._write(decision.head, decision.next_epoch, writes, held)
        return True

    def _write(
        self,
        head: RootSummary | None,
        epoch: int,
        writes: list[list[DiskUuid]],
        held: list[DiskUuid],
    ) -> None:
        alive = list(held)
        unacknowledged: list[RootSummary] = []
        if head is not None:
            self.acknowledged = [root.root_hash for root in self._chain(head)]
        for reach in writes:
            head = self.root(head, epoch, forced=False)
            unacknowledged.append(head)
            # A disk that missed a root is sent nothing more: never out of order.
            alive = [disk for disk in alive if disk in reach]
            for disk in alive:
                self.journals[disk][head.generation] = head
            if len(alive) >= self.tolerance + 1:
                self.acknowledged += [root.root_hash for root in unacknowledged]
                unacknowledged = []

    def _chain(self, head: RootSummary) -> list[RootSummary]:
        by_hash = {r.root_hash: r for journal in self.journals.values() for r in journal.values()}
        chain: list[RootSummary] = []
        root: RootSummary | None = head
        while root is not None:
            chain.append(root)
            root = by_hash.get(root.header.previous_hash)
        return chain


def subsets(disks: tuple[DiskUuid, ...]) -> st.SearchStrategy[list[DiskUuid]]:
    return st.lists(st.sampled_from(disks), unique=True, max_size=len(disks))


@given(st.data())
def test_no_read_write_open_ever_lacks_what_was_acknowledged(data: st.DataObject) -> None:
    disks, tolerance = data.draw(
        st.sampled_from([(ABC, 1), (FIVE, 2), ((A, B), 1), ((A,), 0), ((A, B, C, D), 2)])
    )
    world = World(disks, tolerance)
    opened = 0
    for _ in range(data.draw(st.integers(2, 6))):
        opened += world.session(
            data.draw(subsets(disks)),
            data.draw(st.lists(subsets(disks), max_size=4)),
            data.draw(subsets(disks)),
        )
    event(f"opened {opened}")
    decision = choose_head([world.scan(disk) for disk in disks], LocalState())
    assert set(world.acknowledged) <= {root.root_hash for root in decision.chain}


def chain_of(*epochs: int, before: RootSummary | None = None, salt: int = 0) -> list[RootSummary]:
    made: list[RootSummary] = []
    for epoch in epochs:
        before = make_root(before, epoch=epoch, salt=salt, forced=False)
        made.append(before)
    return made


def scans_of(**journals: list[RootSummary]) -> list[DiskScan]:
    disks = {"a": A, "b": B, "c": C}
    world = World(ABC, 1)
    for name, roots in journals.items():
        world.journals[disks[name]] = {root.generation: root for root in roots}
    return [world.scan(disks[name]) for name in journals]


def test_a_shorter_chain_of_a_higher_epoch_wins() -> None:
    base = chain_of(1, 1)
    newer = base + chain_of(2, before=base[-1], salt=1)
    older = base + chain_of(1, 1, 1, before=base[-1], salt=2)

    decision = choose_head(scans_of(a=newer, b=newer, c=older), LocalState())

    assert decision.head == newer[-1]
    assert [(tail.disk, tail.start, tail.count) for tail in decision.stale] == [(C, 3, 3)]


def test_a_later_forced_open_does_not_revive_an_older_stale_tail() -> None:
    base = chain_of(1, 1)
    newer = base + chain_of(2, before=base[-1], salt=1)
    newer.append(make_root(newer[-1], epoch=3, salt=1, forced=True))
    older = base + chain_of(1, before=base[-1], salt=2)

    assert choose_head(scans_of(a=newer, b=newer, c=older), LocalState()).head == newer[-1]


@pytest.mark.parametrize("side", ["head", "tail"])
def test_a_forced_root_on_either_side_of_a_fork_is_refused(side: str) -> None:
    base = chain_of(1, 1)
    tail = make_root(base[-1], epoch=2, salt=2, forced=side == "tail")
    head = make_root(base[-1], epoch=3, salt=1, forced=side == "head")

    with pytest.raises(SplitHistoryError):
        choose_head(scans_of(a=[*base, head], c=[*base, tail]), LocalState())


def test_one_epoch_on_both_sides_is_refused_at_different_generations_too() -> None:
    base = chain_of(1, 1)
    one = base + chain_of(1, 1, 2, before=base[-1], salt=1)
    two = base + chain_of(2, before=base[-1], salt=2)

    with pytest.raises(SplitHistoryError):
        choose_head(scans_of(a=one, c=two), LocalState())


def test_a_disk_that_lost_its_journal_does_not_count_for_the_quorum() -> None:
    roots = chain_of(1, 1, 1)
    [a, c] = scans_of(a=roots, c=[])
    point = CheckpointSummary(name="checkpoints/x", root=roots[1], length_bytes=1)
    a = replace(a, checkpoints=(point,), roots=tuple(roots[2:]))

    assert not choose_head([a, c], LocalState()).read_write


def test_the_local_database_is_an_ancestor_or_abandoned() -> None:
    roots = chain_of(1, 1, 2)
    other = chain_of(1, 1, 1, before=None, salt=9)
    scans = scans_of(a=roots, b=roots, c=roots)

    behind = choose_head(scans, LocalState(head=roots[1])).local
    with pytest.raises(SplitHistoryError):
        choose_head(scans, LocalState(head=other[0]))
    abandoned = choose_head(scans, LocalState(head=chain_of(1, before=roots[1], salt=4)[0])).local

    assert (behind, abandoned) == ("behind", "abandoned")
