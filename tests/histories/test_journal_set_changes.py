"""The journal set changes, once and twice; every placement, every subset that opens.

Two things must hold whatever a crash left where: a read-write open has every
acknowledged root, and no two opens go on apart, each without a disk of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.format.label import decode_label
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.journals import JournalShipper
from engine.metadata.labels import tell_label
from engine.metadata.quorum import JournalSet
from engine.metadata.summaries import DiskScan, RootSummary
from tests.histories.paper import check_safe, judge, root_after, scan_of, subsets
from tests.unit.metadata.shipping_pool import WAIT_S, commit_only
from tests.unit.metadata.written_pool import A, B, C, D, E, WrittenPool, lane_disks, shipped

Disks = tuple[DiskUuid, ...]


@dataclass(frozen=True, slots=True)
class World:
    """What each disk has and its label tells, and what was acknowledged."""

    journals: dict[DiskUuid, list[RootSummary]]
    told: dict[DiskUuid, Disks]
    chain: list[RootSummary]
    acknowledged: int
    quorum: JournalSet

    def scans(self) -> dict[DiskUuid, DiskScan]:
        return {
            disk: scan_of(disk, roots, told=self.told[disk])
            for disk, roots in self.journals.items()
        }


def first_world(disks: Disks, journal_set: Disks, tolerance: int) -> World:
    """Every member has the first two roots; a disk outside has a label only."""
    quorum = JournalSet(disks=journal_set, tolerance=tolerance)
    chain: list[RootSummary] = []
    for _ in range(2):
        before = chain[-1] if chain else None
        chain.append(root_after(before, journal_set=journal_set, tolerance=tolerance))
    journals = {disk: list(chain) if disk in journal_set else [] for disk in disks}
    return World(journals, dict.fromkeys(disks, journal_set), chain, len(chain), quorum)


def changed(world: World, journal_set: Disks, away: Disks = ()) -> Iterator[World]:
    """Yield every outcome of a change of J: who has its root, and which labels know.

    New members were brought up and told the J before. Labels are renewed once the
    change is acknowledged, and that may fail everywhere, or on one disk.
    """
    quorum = replace(world.quorum, disks=journal_set)
    root = root_after(world.chain[-1], journal_set=journal_set, tolerance=quorum.tolerance)
    sent = {disk for disk in {*world.quorum.disks, *journal_set} if disk not in away}
    prepared = {disk for disk in journal_set if disk not in world.quorum.disks}
    before = {**world.told, **dict.fromkeys(prepared, world.quorum.disks)}
    up_to_date = {d for d in sent if world.journals[d] == world.chain} | prepared
    for holders in subsets(sorted(up_to_date)):
        journals = {disk: list(roots) for disk, roots in world.journals.items()}
        for disk in prepared:
            journals[disk] = list(world.chain)
        for disk in holders:
            journals[disk] = [*world.chain, root]
        chain = [*world.chain, root]
        is_acknowledged = (
            quorum.count(holders) >= quorum.acknowledging_count
            and world.quorum.count(holders) >= world.quorum.meeting_count
        )
        if not is_acknowledged:
            yield World(journals, before, chain, world.acknowledged, quorum)
            continue
        yield World(journals, before, chain, len(chain), quorum)
        for deaf in (None, *sorted(sent)):
            told = {**before, **dict.fromkeys(sent - {deaf}, journal_set)}
            yield World(journals, told, chain, len(chain), quorum)


def check(world: World) -> int:
    """Judge every subset of disks; return how many open for writing."""
    scans = world.scans()
    opens: list[set[DiskUuid]] = []
    for there in subsets(list(scans)):
        decision = judge(scans, there)
        check_safe(decision, world.chain[: world.acknowledged], (world, there))
        if decision.read_write:
            opens.append(set(there))
    for one in opens:
        for other in opens:
            assert one & other, f"{names(one)} and {names(other)} open apart: {told(world)}"
    return len(opens)


def names(disks: Sequence[DiskUuid] | set[DiskUuid]) -> str:
    return "".join(sorted("ABCDE"[disk.int - 100] for disk in disks))


def told(world: World) -> str:
    return "; ".join(
        f"{names([disk])} has {len(roots)} of {len(world.chain)}, J {names(world.told[disk])}"
        for disk, roots in world.journals.items()
    )


@pytest.mark.parametrize(
    ("before", "after", "tolerance"),
    [
        ((A, B), (A, C), 1),
        ((A, B), (A, B, C), 1),
        ((A, B, C), (A, B, D), 1),
        ((A, B, C), (A, D, E), 1),
        ((A, B, C), (A, B), 1),
        ((A, B, C, D), (A, B, C, D, E), 2),
        ((A, B, C), (A, B, D), 2),
    ],
    ids=lambda value: names(value) if isinstance(value, tuple) else str(value),
)
def test_a_change_of_j_that_reached_any_disks_leaves_no_two_opens_apart(
    before: Disks, after: Disks, tolerance: int
) -> None:
    disks = tuple(sorted({*before, *after}))
    world = first_world(disks, before, tolerance)
    assert check(world)
    for once in changed(world, after):
        check(once)


@pytest.mark.parametrize(
    ("second", "third"),
    [((A, B, D), (A, B, C)), ((A, B, D), (A, D, E)), ((A, B, D), (B, D, E)), ((A, B), (A, B, C))],
    ids=names,
)
def test_two_changes_in_one_session_leave_no_two_opens_apart(second: Disks, third: Disks) -> None:
    """C is away during the first change; its label knows the oldest J only."""
    disks = tuple(sorted({A, B, C, *second, *third}))
    world = first_world(disks, (A, B, C), 1)
    for once in changed(world, second, away=(C,)):
        if once.acknowledged < len(once.chain):
            continue  # The next change waits for it.
        for twice in changed(once, third):
            check(twice)


def test_members_that_know_only_the_oldest_j_do_not_open_alone() -> None:
    """Each step replaces one of three disks, until no first member is left."""
    start = first_world((A, B, C, D, E), (A, B, C), 1)
    lasting = (once for once in changed(start, (B, C, D)) if once.acknowledged == len(once.chain))
    for once in lasting:
        for twice in changed(once, (C, D, E)):
            if twice.acknowledged == len(twice.chain):
                assert not judge(twice.scans(), (A, B)).read_write
                assert judge(twice.scans(), (A, B, C, D, E)).read_write
            check(twice)


def test_a_label_of_an_older_epoch_settles_no_change_whose_past_was_trimmed() -> None:
    """C was a member once; the roots of that time are gone from every journal."""
    base = replace(root_after(None, journal_set=(A, B, D), tolerance=1, epoch=2), size_bytes=0)
    change = root_after(base, journal_set=(A, B, C), tolerance=1, epoch=2)

    def scan(disk: DiskUuid, roots: list[RootSummary], told: Disks, epoch: int) -> DiskScan:
        return scan_of(disk, roots, told=told, epoch=epoch, checkpoint=base)

    scans = {
        A: scan(A, [base, change], (A, B, D), 2),
        B: scan(B, [base], (A, B, D), 2),
        C: scan(C, [base], (A, B, C), 1),
        D: scan(D, [base], (A, B, D), 2),
    }

    assert judge(scans, (B, D)).read_write
    assert not judge(scans, (A, C)).read_write
    assert judge(scans, (A, B, C)).read_write


def test_a_disk_that_joins_is_told_the_acknowledged_j_before_a_root_names_it(folder: Path) -> None:
    """Its label may be left from a time in the very J that is to come."""
    pool = WrittenPool(folder / "pool", (A, B, C, D, E), journal_set=(A, B, C))
    for disk in (D, E):
        tell_label(pool.devices[disk], epoch=Epoch(1), journal_set=(A, B, disk))
    with lane_disks(pool.devices) as disks:
        shipper = JournalShipper(
            disks,
            tolerance=1,
            journal_set=(A, B, C),
            acknowledged=Generation(0),
            on_event=lambda severity, text: None,
        )
        shipper.submit(shipped(commit_only(pool)))
        shipper.wait_acknowledged(Generation(1), WAIT_S)
        shipper.prepare_member(D)
        assert journal_set_told(pool, D) == (A, B, C)

        disks.gone |= {B, C}
        shipper.submit(shipped(commit_only(pool, (A, B, D))))
        shipper.prepare_member(E)  # The change to D is under way: A and D have it, B and C not.

        assert journal_set_told(pool, E) == (A, B, C)
        shipper.close(0)


def journal_set_told(pool: WrittenPool, disk: DiskUuid) -> Disks:
    return decode_label(pool.devices[disk].get_label()).journal_set
