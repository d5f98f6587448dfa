"""What states and spares allow: placement, capacity and journals agree with the table."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NoSpaceError
from engine.ids import DiskId, DiskUuid, Generation
from engine.limits import EXTENT_BYTES_MAX
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.redundancy import ErasureCoding
from engine.policy.capacity import user_capacity
from engine.policy.journal_set import choose_journal_set
from engine.policy.placement import DiskSpace, Purpose, choose_disks
from engine.policy.sources import SourceState, order_sources
from engine.units import GIB

WORSE: dict[DiskState, int] = {state: rank for rank, state in enumerate(DiskState)}
"""The order in which the table of ``policy.health`` lists them."""


def space(
    number: int, *, spare: bool = False, state: DiskState = DiskState.HEALTHY, group: str = ""
) -> DiskSpace:
    return DiskSpace(
        disk_id=DiskId(number),
        tier=Tier.HOT,
        state=state,
        free_bytes=10 * GIB,
        total_bytes=10 * GIB,
        group=group or f"g{number}",
        spare=spare,
    )


def record(number: int, state: DiskState) -> DiskRecord:
    return DiskRecord(
        disk_id=DiskId(number),
        uuid=uuid(number),
        name=f"d{number}",
        path=f"/d/{number}",
        tier=Tier.HOT,
        state=state,
        added_generation=Generation(1),
    )


def uuid(number: int) -> DiskUuid:
    return DiskUuid(UUID(int=number))


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("state", [one for one in DiskState if one is not DiskState.HEALTHY])
def test_only_healthy_disks_are_given_fragments(state: DiskState, purpose: Purpose) -> None:
    disks = [space(1), space(2, state=state)]

    with pytest.raises(NoSpaceError):
        choose_disks(disks, 2, tier=Tier.HOT, fragment_bytes=1, purpose=purpose, seed=1)


@given(st.lists(st.booleans(), min_size=2, max_size=8), st.integers(0, 2**64))
def test_new_data_never_goes_to_a_spare(spares: list[bool], seed: int) -> None:
    disks = [space(number, spare=spare) for number, spare in enumerate(spares)]
    ordinary = {disk.disk_id for disk in disks if not disk.spare}
    if not ordinary:
        with pytest.raises(NoSpaceError):
            choose_disks(disks, 1, tier=Tier.HOT, fragment_bytes=1, seed=seed)
        return

    chosen = choose_disks(disks, len(ordinary), tier=Tier.HOT, fragment_bytes=1, seed=seed)

    assert set(chosen) == ordinary


@given(
    st.lists(st.booleans(), min_size=2, max_size=8),
    st.integers(1, 8),
    st.integers(0, 2**64),
)
def test_healing_takes_spares_when_ordinary_disks_do_not_suffice(
    spares: list[bool], count: int, seed: int
) -> None:
    disks = [space(number, spare=spare) for number, spare in enumerate(spares)]
    if count > len(disks):
        return

    chosen = choose_disks(
        disks, count, tier=Tier.HOT, fragment_bytes=1, purpose=Purpose.HEALING, seed=seed
    )

    used = sum(disks[disk_id].spare for disk_id in chosen)
    assert used == max(0, count - spares.count(False))


def test_a_spare_adds_nothing_to_what_the_pool_can_take() -> None:
    six = [space(number) for number in range(6)]
    fragment_bytes = EXTENT_BYTES_MAX // 4

    with_spare = user_capacity(
        [*six, space(9, spare=True)], ErasureCoding(4, 2), fragment_bytes=fragment_bytes
    )

    assert with_spare == user_capacity(six, ErasureCoding(4, 2), fragment_bytes=fragment_bytes)
    five = user_capacity(
        [*six[:5], space(9, spare=True)], ErasureCoding(4, 2), fragment_bytes=fragment_bytes
    )
    assert 0 < five.free_bytes < with_spare.free_bytes, "five disks take 3+2, the spare nothing"


@given(
    st.lists(st.tuples(st.sampled_from(DiskState), st.booleans(), st.booleans()), max_size=8),
    st.integers(0, 2),
)
def test_journals_are_on_the_healthiest_disks_and_on_spares_last(
    disks: list[tuple[DiskState, bool, bool]], tolerance: int
) -> None:
    records = [record(number, state) for number, (state, _, _) in enumerate(disks)]
    spares = {uuid(number) for number, (_, spare, _) in enumerate(disks) if spare}
    present = {uuid(number) for number, (_, _, there) in enumerate(disks) if there}

    chosen = choose_journal_set(
        records, present=present, current=(), tolerance=tolerance, spares=spares
    )

    usable = [one for one in records if one.uuid in present and one.state is not DiskState.FAILED]
    staying = [one for one in usable if one.state is not DiskState.DRAINING]
    if len(staying) > tolerance:
        usable = staying
    assert len(chosen) == min(2 * tolerance + 1, len(usable))
    ranks = {one.uuid: (WORSE[one.state], one.uuid in spares) for one in usable}
    left_out = [ranks[one.uuid] for one in usable if one.uuid not in chosen]
    if left_out and chosen:
        assert max(ranks[one] for one in chosen) <= min(left_out)


def test_reads_prefer_the_healthier_of_equally_fast_disks() -> None:
    sources = [
        SourceState(disk_id=DiskId(number), state=state, in_flight=0, latency_s=0.01)
        for number, state in enumerate(reversed(DiskState))
    ]

    order = [sources[disk_id].state for disk_id in order_sources(sources)]

    assert order == list(DiskState)
