"""Placement and redundancy decisions against rules stated independently."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NoSpaceError, PolicyError
from engine.ids import DiskId
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import ErasureCoding, Redundancy, Replication, tolerance
from engine.policy.placement import (
    DiskSpace,
    Purpose,
    check_policy,
    choose_disks,
    choose_redundancy,
)


def disk(
    number: int,
    *,
    tier: Tier = Tier.WARM,
    state: DiskState = DiskState.HEALTHY,
    free: int = 1000,
    reserve: int = 0,
    group: str | None = None,
) -> DiskSpace:
    return DiskSpace(
        disk_id=DiskId(number),
        tier=tier,
        state=state,
        free_bytes=free,
        total_bytes=1000,
        group=group or f"g{number}",
        reserve_bytes=reserve,
    )


POOLS = st.lists(
    st.builds(
        lambda tier, state, group: (tier, state, group),
        st.sampled_from(Tier),
        st.sampled_from([DiskState.HEALTHY] * 4 + list(DiskState)),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=12,
).map(
    lambda rows: [
        disk(number, tier=tier, state=state, group=f"g{group}")
        for number, (tier, state, group) in enumerate(rows)
    ]
)


@given(POOLS, st.integers(1, 12), st.integers(0, 2**70), st.sampled_from(Tier))
def test_placement_never_repeats_a_disk_and_takes_healthy_disks_only(
    disks: list[DiskSpace], count: int, seed: int, tier: Tier
) -> None:
    healthy = {d.disk_id for d in disks if d.state is DiskState.HEALTHY}
    excluded = frozenset(sorted(healthy)[:1])
    try:
        chosen = choose_disks(
            disks, count, tier=tier, fragment_bytes=1, exclude=excluded, seed=seed
        )
    except NoSpaceError:
        assert len(healthy - excluded) < count
        return
    assert len(set(chosen)) == len(chosen) == count
    assert set(chosen) <= healthy - excluded


@given(POOLS, st.integers(1, 12), st.integers(0, 2**64))
def test_no_device_gets_a_second_fragment_while_another_has_none(
    disks: list[DiskSpace], count: int, seed: int
) -> None:
    healthy = [d for d in disks if d.state is DiskState.HEALTHY]
    if len(healthy) < count:
        return
    chosen = choose_disks(disks, count, tier=Tier.HOT, fragment_bytes=1, seed=seed)

    sizes = Counter(d.group for d in healthy)
    used = Counter(d.group for d in healthy if d.disk_id in chosen)
    for group, taken in used.items():
        for other, size in sizes.items():
            assert used[other] == size or used[other] >= taken - 1, (group, other)


def test_the_wanted_tier_comes_first_and_the_nearest_tier_next() -> None:
    disks = [disk(1, tier=Tier.HOT), disk(2, tier=Tier.WARM), disk(3, tier=Tier.COLD)]
    for seed in range(20):
        assert choose_disks(disks, 2, tier=Tier.COLD, fragment_bytes=1, seed=seed) == (3, 2)


def test_choice_follows_free_space() -> None:
    disks = [disk(1, free=900), disk(2, free=100)]
    firsts = Counter(
        choose_disks(disks, 1, tier=Tier.WARM, fragment_bytes=1, seed=seed)[0]
        for seed in range(2000)
    )
    assert 1700 < firsts[DiskId(1)] < 1900


def test_disks_of_one_device_share_its_room() -> None:
    disks = [disk(1, free=15, group="g"), disk(2, free=15, group="g")]
    with pytest.raises(NoSpaceError):
        choose_disks(disks, 2, tier=Tier.WARM, fragment_bytes=10, seed=0)
    assert len(choose_disks(disks, 1, tier=Tier.WARM, fragment_bytes=10, seed=0)) == 1


@pytest.mark.parametrize(
    ("purpose", "largest"),
    [(Purpose.NEW_DATA, 10), (Purpose.HEALING, 10), (Purpose.COMPACTION, 40)],
)
def test_compaction_alone_may_take_half_of_what_disks_keep_free(
    purpose: Purpose, largest: int
) -> None:
    disks = [disk(number, free=10, reserve=60) for number in range(2)]

    choose_disks(disks, 2, tier=Tier.WARM, fragment_bytes=largest, purpose=purpose, seed=0)

    with pytest.raises(NoSpaceError):
        choose_disks(disks, 2, tier=Tier.WARM, fragment_bytes=largest + 1, purpose=purpose, seed=0)


def test_a_replacement_avoids_the_devices_that_hold_siblings() -> None:
    disks = [disk(1, group="a"), disk(2, group="a"), disk(3, group="b")]
    for seed in range(20):
        chosen = choose_disks(
            disks,
            1,
            tier=Tier.WARM,
            fragment_bytes=1,
            exclude=frozenset({DiskId(1)}),
            seed=seed,
        )
        assert chosen == (3,)


@given(st.permutations([disk(number) for number in range(6)]), st.integers(0, 99))
def test_the_order_of_the_candidates_does_not_matter(disks: list[DiskSpace], seed: int) -> None:
    by_id = sorted(disks, key=lambda d: d.disk_id)
    assert choose_disks(disks, 3, tier=Tier.HOT, fragment_bytes=1, seed=seed) == choose_disks(
        by_id, 3, tier=Tier.HOT, fragment_bytes=1, seed=seed
    )


@pytest.mark.parametrize(
    ("wanted", "healthy", "expected"),
    [
        (ErasureCoding(4, 2), 7, ErasureCoding(4, 2)),
        (ErasureCoding(4, 2), 4, ErasureCoding(2, 2)),
        (ErasureCoding(4, 2), 3, ErasureCoding(1, 2)),
        (Replication(3), 3, Replication(3)),
    ],
)
def test_a_narrower_width_keeps_the_tolerance(
    wanted: Redundancy, healthy: int, expected: Redundancy
) -> None:
    assert choose_redundancy(wanted, healthy) == expected
    assert tolerance(expected) == tolerance(wanted)


@pytest.mark.parametrize(("wanted", "healthy"), [(ErasureCoding(4, 2), 2), (Replication(3), 2)])
def test_a_tolerance_that_cannot_be_held_is_refused(wanted: Redundancy, healthy: int) -> None:
    with pytest.raises(NoSpaceError, match="healthy disks"):
        choose_redundancy(wanted, healthy)


def test_a_policy_wider_than_the_pool_is_refused_with_one_sentence() -> None:
    check_policy(ErasureCoding(4, 2), 6)
    with pytest.raises(PolicyError, match=r"rs:4\+2 puts 6 fragments on 6 disks.*has 5; add 1"):
        check_policy(ErasureCoding(4, 2), 5)
