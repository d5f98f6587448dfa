"""The capacity formula beside a simulation that places extent by extent."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId, ExtentId
from engine.limits import EXTENT_BYTES_MAX
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import ErasureCoding, Replication
from engine.policy.capacity import reserve_bytes, user_capacity, writable_extents
from engine.policy.exposure import exposure_of, journal_exposure, may_fail
from engine.policy.ordering import WorkKind, WorkOrder, work_key
from engine.policy.placement import DiskSpace
from engine.policy.sources import SourceState, order_sources
from engine.units import GIB, MIB, TIB


def disk(
    number: int, free: int, group: str, state: DiskState = DiskState.HEALTHY, total: int = 0
) -> DiskSpace:
    return DiskSpace(
        disk_id=DiskId(number),
        tier=Tier.WARM,
        state=state,
        free_bytes=free,
        total_bytes=total,
        group=group,
    )


def placed_one_by_one(groups: list[tuple[int, int]], width: int, fragment_bytes: int) -> int:
    """Place extents greedily, always where most room per disk is left."""
    room = [(free // fragment_bytes, members) for free, members in groups]
    extents = 0
    while True:
        taken = [0] * len(room)
        for _ in range(width):
            open_groups = [
                index
                for index, (slots, members) in enumerate(room)
                if taken[index] < members and slots - taken[index] > 0
            ]
            if not open_groups:
                return extents
            best = max(open_groups, key=lambda i: (room[i][0] - taken[i]) / (room[i][1]) + 1e-9 * i)
            taken[best] += 1
        room = [(slots - used, members) for (slots, members), used in zip(room, taken, strict=True)]
        extents += 1


@cache
def placed_best(slots: tuple[int, ...], members: tuple[int, ...], width: int) -> int:
    """Try every way to place; for tiny pools only."""
    best = 0
    for choice in _choices(members, width):
        left = tuple(have - used for have, used in zip(slots, choice, strict=True))
        if min(left) >= 0:
            best = max(best, 1 + placed_best(left, members, width))
    return best


def _choices(members: tuple[int, ...], width: int) -> list[tuple[int, ...]]:
    if not members:
        return [()] if width == 0 else []
    return [
        (used, *rest)
        for used in range(min(members[0], width) + 1)
        for rest in _choices(members[1:], width - used)
    ]


def pool_of(groups: list[tuple[int, int]]) -> list[DiskSpace]:
    disks: list[DiskSpace] = []
    for index, (free, members) in enumerate(groups):
        disks.extend(disk(len(disks), free, f"g{index}") for _ in range(members))
    return disks


@given(st.lists(st.integers(0, 60), min_size=1, max_size=7), st.integers(1, 5))
def test_the_formula_agrees_with_placing_extent_by_extent(free: list[int], width: int) -> None:
    groups = [(bytes_free, 1) for bytes_free in free]
    expected = placed_one_by_one(groups, width, 4)
    assert writable_extents(pool_of(groups), width=width, fragment_bytes=4) == expected


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_the_formula_is_exact_when_disks_share_a_device(
    groups: list[tuple[int, int]], width: int
) -> None:
    slots = tuple(free for free, _ in groups)
    members = tuple(count for _, count in groups)
    expected = placed_best(slots, members, width)
    assert writable_extents(pool_of(groups), width=width, fragment_bytes=1) == expected


def test_only_healthy_disks_count() -> None:
    disks = [disk(1, 100, "a"), disk(2, 100, "b"), disk(3, 100, "c", DiskState.DRAINING)]
    assert writable_extents(disks, width=3, fragment_bytes=1) == 0
    assert writable_extents(disks, width=2, fragment_bytes=1) == 100


def test_the_formula_is_quick_at_the_bound_of_pools() -> None:
    disks = [disk(number, 20 * TIB, f"g{number}") for number in range(64)]
    assert writable_extents(disks, width=6, fragment_bytes=2 * MIB) == 64 * 20 * TIB // (12 * MIB)


def test_user_capacity_counts_the_narrower_width_when_a_disk_is_missing() -> None:
    fragment = 2 * MIB
    disks = [disk(number, 60 * MIB, f"g{number}", total=GIB) for number in range(5)]

    capacity = user_capacity(disks, ErasureCoding(4, 2), fragment_bytes=fragment)

    # 3+2 on five disks: fragments of 8/3 MiB, one on each disk for each extent.
    assert capacity.free_bytes == 60 * 3 // 8 * EXTENT_BYTES_MAX
    assert user_capacity(disks[:2], ErasureCoding(4, 2), fragment_bytes=fragment).free_bytes == 0


def test_total_capacity_leaves_the_reserve_out() -> None:
    total = 100 * GIB
    disks = [disk(number, 0, f"g{number}", total=total) for number in range(3)]
    capacity = user_capacity(disks, Replication(3), fragment_bytes=8 * MIB)
    assert capacity.free_bytes == 0
    assert capacity.total_bytes == (total - GIB) // (8 * MIB) * EXTENT_BYTES_MAX


def test_the_reserve_is_one_percent_at_least_256_mib_at_most_a_tenth() -> None:
    assert reserve_bytes(1000 * GIB) == 10 * GIB
    assert reserve_bytes(10 * GIB) == 256 * MIB
    assert reserve_bytes(GIB) == GIB // 10


def test_exposure_is_what_may_still_be_lost() -> None:
    assert [exposure_of(ErasureCoding(4, 2), intact) for intact in range(7)] == [
        -1, -1, -1, -1, 0, 1, 2,
    ]  # fmt: skip
    assert may_fail(2, journal_exposure(tolerance=2, missing=1)) == 1
    assert may_fail(-1, 2) == 0


@given(st.lists(st.tuples(st.integers(-1, 3), st.sampled_from(WorkKind), st.integers(0, 2))))
def test_work_is_ordered_by_exposure_priority_kind_with_compaction_and_lost_extents_last(
    rows: list[tuple[int, WorkKind, int]],
) -> None:
    works = [
        WorkOrder(extent_id=ExtentId(number), kind=kind, exposure=exposure, priority=priority)
        for number, (exposure, kind, priority) in enumerate(rows)
    ]
    ordered = sorted(works, key=work_key)
    for earlier, later in zip(ordered, ordered[1:], strict=False):
        if earlier.exposure == -1:
            assert later.exposure == -1
        elif later.exposure != -1 and earlier.kind is WorkKind.COMPACT:
            assert later.kind is WorkKind.COMPACT
        elif later.exposure != -1 and later.kind is not WorkKind.COMPACT:
            assert earlier.exposure <= later.exposure
            if earlier.exposure == later.exposure:
                assert earlier.priority >= later.priority
                if earlier.priority == later.priority and earlier.kind is later.kind:
                    assert earlier.extent_id < later.extent_id


def test_a_busy_healthy_disk_gives_way_to_an_idle_one_and_failed_disks_come_last() -> None:
    def source(number: int, state: DiskState, in_flight: int, latency_s: float) -> SourceState:
        return SourceState(
            disk_id=DiskId(number), state=state, in_flight=in_flight, latency_s=latency_s
        )

    assert order_sources(
        [
            source(1, DiskState.FAILED, 0, 0.0),
            source(2, DiskState.HEALTHY, 8, 0.1),
            source(3, DiskState.HEALTHY, 0, 0.001),
            source(4, DiskState.SUSPECT, 0, 0.001),
        ]
    ) == (3, 4, 2, 1)
