"""Where fragments would go: room is never used twice, and nothing is left out of the account."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId
from engine.model.disk import DiskState, Tier
from engine.policy.forecast import Forecast
from engine.policy.placement import DiskSpace
from engine.policy.succession import choose_successors

FRAGMENT = 10


def disk(
    number: int,
    free: int,
    *,
    group: str = "",
    state: DiskState = DiskState.HEALTHY,
    spare: bool = False,
    replaces: frozenset[DiskId] = frozenset(),
) -> DiskSpace:
    return DiskSpace(
        disk_id=DiskId(number),
        tier=Tier.HOT,
        state=state,
        free_bytes=free,
        total_bytes=1000,
        group=group or f"g{number}",
        spare=spare,
        replaces=replaces,
    )


@dataclass(frozen=True)
class Move:
    """Alike extents with fragments to move, and the disks that keep one."""

    extents: int
    moving: int
    holders: frozenset[DiskId]


SPACES = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from(["a", "b", "c"]), st.sampled_from([*DiskState])),
    max_size=6,
).map(
    lambda made: [
        disk(number, free, group=group, state=state)
        for number, (free, group, state) in enumerate(made, 1)
    ]
)
MOVES = st.lists(
    st.builds(
        Move,
        extents=st.integers(1, 20),
        moving=st.integers(1, 3),
        holders=st.frozensets(st.integers(1, 6).map(DiskId), max_size=4),
    ),
    max_size=6,
)


@given(SPACES, MOVES, st.sets(st.integers(1, 6).map(DiskId)))
def test_every_fragment_is_placed_once_or_told_as_homeless(
    spaces: list[DiskSpace], moves: list[Move], leaving: set[DiskId]
) -> None:
    forecast = Forecast(spaces, leaving=leaving)
    for move in moves:
        before = sum(forecast.bytes_to.values()) // FRAGMENT
        sure = forecast.place(
            move.extents, moving=move.moving, fragment_bytes=FRAGMENT, holders=move.holders
        )
        given = sum(forecast.bytes_to.values()) // FRAGMENT - before
        assert sure * move.extents <= given
        assert (sure == move.moving) == (given == move.moving * move.extents)

    asked = sum(move.extents * move.moving for move in moves)
    placed = sum(forecast.bytes_to.values()) // FRAGMENT
    homeless = forecast.homeless_fragments + forecast.homeless_bytes // FRAGMENT
    assert placed + homeless == asked


@given(SPACES, MOVES, st.sets(st.integers(1, 6).map(DiskId)))
def test_only_healthy_disks_that_stay_are_given_anything_and_no_device_more_than_it_has(
    spaces: list[DiskSpace], moves: list[Move], leaving: set[DiskId]
) -> None:
    forecast = Forecast(spaces, leaving=leaving)
    for move in moves:
        before = dict(forecast.bytes_to)
        forecast.place(
            move.extents, moving=move.moving, fragment_bytes=FRAGMENT, holders=move.holders
        )
        given_now = {
            disk_id: size - before.get(disk_id, 0) for disk_id, size in forecast.bytes_to.items()
        }
        # No two fragments of an extent on one disk.
        assert all(size <= move.extents * FRAGMENT for size in given_now.values())
        assert all(not given_now.get(disk_id) for disk_id in move.holders)

    states = {space.disk_id: space.state for space in spaces}
    assert all(states[one] is DiskState.HEALTHY for one in forecast.bytes_to)
    assert not leaving & set(forecast.bytes_to)
    for group in {space.group for space in spaces}:
        members = [space for space in spaces if space.group == group]
        healthy = [s.free_bytes for s in members if s.disk_id in forecast.bytes_to]
        taken = sum(forecast.bytes_to.get(space.disk_id, 0) for space in members)
        assert taken <= max(healthy, default=0)


def test_a_single_fragment_of_each_extent_goes_wherever_there_is_room_until_all_is_full() -> None:
    forecast = Forecast([disk(1, 55), disk(2, 35)], leaving=set())

    forecast.place(9, moving=1, fragment_bytes=FRAGMENT, holders=set())

    assert forecast.bytes_to == {1: 50, 2: 30}
    assert forecast.homeless_bytes == FRAGMENT
    assert forecast.homeless_fragments == 0


def test_no_disk_is_given_two_fragments_of_an_extent_however_empty_it_is() -> None:
    forecast = Forecast([disk(1, 1000), disk(2, 20)], leaving=set())

    forecast.place(5, moving=2, fragment_bytes=FRAGMENT, holders=set())

    assert forecast.bytes_to == {1: 50, 2: 20}
    assert forecast.homeless_bytes == 3 * FRAGMENT


def test_a_fragment_for_which_every_other_disk_has_one_is_homeless() -> None:
    forecast = Forecast([disk(1, 1000), disk(2, 1000)], leaving=set())

    forecast.place(4, moving=1, fragment_bytes=FRAGMENT, holders={DiskId(1), DiskId(2)})

    assert (forecast.homeless_fragments, forecast.homeless_bytes) == (4, 0)


def test_the_replacement_is_filled_before_any_other_disk() -> None:
    forecast = Forecast([disk(1, 1000), disk(2, 30), disk(3, 1000)], leaving={DiskId(3)})

    forecast.place(5, moving=1, fragment_bytes=FRAGMENT, holders=set(), successor=DiskId(2))

    assert forecast.bytes_to == {2: 30, 1: 20}


def test_spares_are_used_when_no_ordinary_disk_has_room() -> None:
    forecast = Forecast([disk(1, 20), disk(2, 1000, spare=True)], leaving=set())

    forecast.place(5, moving=1, fragment_bytes=FRAGMENT, holders=set())

    assert forecast.bytes_to == {1: 20, 2: 30}


def test_how_full_a_disk_gets_counts_what_it_has_and_what_it_is_given() -> None:
    full = disk(1, 400)
    forecast = Forecast([full], leaving=set())

    forecast.place(10, moving=1, fragment_bytes=FRAGMENT, holders=set())

    assert forecast.used_ratio_after(full) == 0.7


def test_a_fragment_follows_its_disk_to_the_replacement_unless_that_cannot_take_it() -> None:
    moving = {0: DiskId(2)}

    def chosen(new: DiskSpace, holders: set[DiskId]) -> dict[int, DiskId]:
        return choose_successors([disk(1, 1000), new], moving, holders=holders, fragment_bytes=10)

    old = frozenset({DiskId(2)})
    assert chosen(disk(7, 10, replaces=old), set()) == {0: DiskId(7)}
    assert chosen(disk(7, 9, replaces=old), set()) == {}
    assert chosen(disk(7, 10, replaces=frozenset({DiskId(3)})), set()) == {}
    assert chosen(disk(7, 10, replaces=old, state=DiskState.SUSPECT), set()) == {}
    assert chosen(disk(7, 10, replaces=old), {DiskId(7)}) == {}
