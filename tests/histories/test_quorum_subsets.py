"""Every subset of journal disks, missing or rotten or behind, in every shape of a pool."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from engine.ids import DiskUuid
from engine.metadata.summaries import DiskScan, RootSummary
from tests.histories.paper import Shape, check_safe, history, judge, scan_of, subsets
from tests.unit.metadata.written_pool import A, B, C, D, E

SHAPES = (
    Shape(name="copies:2 on two disks", disks=(A, B), tolerance=1),
    Shape(name="copies:2 or rs:2+1", disks=(A, B, C), tolerance=1),
    Shape(name="copies:3 on three disks", disks=(A, B, C), tolerance=2),
    Shape(name="copies:3 on four disks", disks=(A, B, C, D), tolerance=2),
    Shape(name="copies:3 or rs:4+2", disks=(A, B, C, D, E), tolerance=2),
)
EVERYWHERE = 2
"""Generations every member has."""

each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def placed(
    shape: Shape, roots: list[RootSummary], holders: tuple[DiskUuid, ...]
) -> dict[DiskUuid, list[RootSummary]]:
    """*holders* have every root, the others only the first."""
    return {disk: roots if disk in holders else roots[:EVERYWHERE] for disk in shape.disks}


@each_shape
@pytest.mark.parametrize("behind", [1, 3])
def test_each_subset_of_members_opens_with_everything_or_not_for_writing(
    shape: Shape, behind: int
) -> None:
    roots = history(shape, count=EVERYWHERE + behind)
    quorum = shape.quorum
    opened = 0
    for holders in combinations(shape.disks, quorum.acknowledging_count):
        journals = placed(shape, roots, holders)
        scans = {disk: scan_of(disk, journals[disk], told=shape.disks) for disk in shape.disks}
        for there in subsets(shape.disks):
            decision = judge(scans, there)

            check_safe(decision, roots, (holders, there))
            assert decision.read_write == (len(there) >= quorum.opening_count)
            if there:
                assert set(decision.missing) == set(shape.disks) - set(there)
            opened += decision.read_write
    assert opened


@each_shape
def test_too_few_members_are_refused_with_how_many_there_are_and_how_many_it_takes(
    shape: Shape,
) -> None:
    roots = history(shape, count=EVERYWHERE)
    scans = {disk: scan_of(disk, roots, told=shape.disks) for disk in shape.disks}
    needed = shape.quorum.opening_count
    for there in subsets(shape.disks):
        if 0 < len(there) < needed:
            assert judge(scans, there).why_not == (
                f"{len(there)} of {len(shape.disks)} journal disks are readable, {needed} needed"
            )


@each_shape
def test_a_member_is_missing_or_rotten_or_sound_in_every_combination(shape: Shape) -> None:
    """Rot is found in a sound frame, so what it hides is known to be unknown."""
    roots = history(shape, count=EVERYWHERE + 2)
    quorum = shape.quorum
    for holders in combinations(shape.disks, quorum.acknowledging_count):
        journals = placed(shape, roots, holders)
        for rotten_from in (1, EVERYWHERE + 1, EVERYWHERE + 2):
            states = {disk: states_of(shape, disk, journals, rotten_from) for disk in shape.disks}
            for choice in product(range(3), repeat=len(shape.disks)):
                picked = dict(zip(shape.disks, choice, strict=True))
                scans = {disk: states[disk][kind] for disk, kind in picked.items() if kind < 2}

                decision = judge(scans, list(scans))

                check_safe(decision, roots, (holders, rotten_from, picked))
                if sum(kind == 0 for kind in choice) >= quorum.opening_count:
                    assert decision.read_write, (holders, rotten_from, picked)


def states_of(
    shape: Shape, disk: DiskUuid, journals: dict[DiskUuid, list[RootSummary]], rotten_from: int
) -> tuple[DiskScan, DiskScan]:
    """Return the scan of a sound disk, and of one that rotted."""
    return (
        scan_of(disk, journals[disk], told=shape.disks),
        scan_of(disk, journals[disk], told=shape.disks, rotten_from=rotten_from),
    )


@each_shape
def test_an_unacknowledged_tail_on_any_members_is_kept_or_goes_but_never_hides_a_root(
    shape: Shape,
) -> None:
    roots = history(shape, count=EVERYWHERE + 2)
    acknowledged = roots[: EVERYWHERE + 1]
    for holders in combinations(shape.disks, shape.quorum.acknowledging_count):
        journals = placed(shape, acknowledged, holders)
        for further in subsets(holders):
            scans = {
                disk: scan_of(disk, roots if disk in further else kept, told=shape.disks)
                for disk, kept in journals.items()
            }
            for there in subsets(shape.disks):
                decision = judge(scans, there)

                check_safe(decision, acknowledged, (holders, further, there))
                if decision.read_write and set(further) & set(there):
                    assert decision.head == roots[-1]
