"""Even filling: every move helps, and moves come to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId
from engine.policy.balance import BAND, DiskFill, choose_move

SIZE = 1000


def fills_of(used: list[int], groups: list[int]) -> dict[DiskId, DiskFill]:
    return {
        DiskId(number): DiskFill(used_bytes=bytes_used, size_bytes=SIZE, group=f"g{group}")
        for number, (bytes_used, group) in enumerate(zip(used, groups, strict=True), start=1)
    }


DISKS = st.integers(3, 7).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, SIZE), min_size=count, max_size=count),
        st.lists(st.integers(0, 6), min_size=count, max_size=count),
        st.lists(
            st.permutations(range(1, count + 1)).map(lambda order: tuple(order[:3])),
            min_size=1,
            max_size=8,
        ),
    )
)


@given(DISKS, st.integers(1, 40))
def test_moves_even_out_and_end(
    disks: tuple[list[int], list[int], list[tuple[int, ...]]], fragment_bytes: int
) -> None:
    used, groups, extents = disks
    fills = fills_of(used, groups)
    holders = [[DiskId(one) for one in extent] for extent in extents]
    moves = 0

    moved = True
    while moved:
        moved = False
        for extent in holders:
            move = choose_move(extent, fills, fragment_bytes=fragment_bytes)
            if move is None:
                continue
            source = extent[move.position]
            before = sum(fill.used_bytes**2 for fill in fills.values())
            shared = len({fills[one].group for one in extent})
            assert fills[source].ratio - fills[move.target].ratio > BAND
            fills[source] = fills[source].with_bytes(-fragment_bytes)
            fills[move.target] = fills[move.target].with_bytes(fragment_bytes)
            extent[move.position] = move.target
            # Fills come together, no disk twice, and no more fragments on one device.
            assert sum(fill.used_bytes**2 for fill in fills.values()) <= before
            assert len(set(extent)) == len(extent)
            assert len({fills[one].group for one in extent}) >= shared
            moves += 1
            moved = True
    assert moves <= len(extents) * len(fills) * SIZE


def test_a_spare_and_a_sick_disk_are_given_nothing() -> None:
    fills = fills_of([900, 800, 700], [1, 2, 3])
    fills[DiskId(4)] = DiskFill(used_bytes=0, size_bytes=SIZE, group="g4", takes=False)

    assert choose_move([DiskId(1), DiskId(2), DiskId(3)], fills, fragment_bytes=10) is None


def test_disks_of_one_device_are_evened_out_too() -> None:
    fills = fills_of([900, 900, 0], [1, 1, 1])

    move = choose_move([DiskId(1), DiskId(2)], fills, fragment_bytes=10)

    assert move is not None
    assert move.target == DiskId(3)
