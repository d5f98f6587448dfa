"""Room for extents of other redundancies than the pool's (P6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NoSpaceError
from engine.limits import EXTENT_BYTES_MAX
from engine.model.redundancy import ErasureCoding, Redundancy, Replication
from engine.policy.capacity import UserCapacity
from engine.vfs.space import Measured, SpaceAccount

UNIT = ErasureCoding(4, 2)


def account(extents: int, *, disks_hold: int) -> SpaceAccount:
    """Return an account of *extents* units; of any other redundancy *disks_hold* fit."""
    made = SpaceAccount()
    room = extents * EXTENT_BYTES_MAX
    made.measure(
        UserCapacity(free_bytes=room, total_bytes=room),
        landed_before=0,
        disks=Measured(UNIT, lambda _: disks_hold),
    )
    return made


def test_six_copies_count_for_as_many_units_as_have_their_bytes() -> None:
    # 48 MiB in all, 8 MiB a disk; a unit is 12 MiB in all, 2 MiB a disk.
    made = account(10, disks_hold=100)

    assert made.reserve(Replication(6)) == 4
    assert made.free_bytes == 6 * EXTENT_BYTES_MAX


def test_what_a_wide_extent_took_is_given_back_whole() -> None:
    made = account(10, disks_hold=100)
    units = made.reserve(Replication(6))

    made.release(landed=False, units=units)

    assert made.free_bytes == 10 * EXTENT_BYTES_MAX


def test_free_units_are_no_room_when_no_disks_take_the_fragments() -> None:
    made = account(10, disks_hold=0)

    with pytest.raises(NoSpaceError, match="copies:6"):
        made.reserve(Replication(6))

    assert made.free_bytes == 10 * EXTENT_BYTES_MAX
    made.reserve(UNIT)


@given(
    wanted=st.lists(
        st.sampled_from([UNIT, Replication(2), Replication(6), ErasureCoding(2, 1)]), max_size=30
    ),
    free_mib=st.integers(0, 400),
)
def test_whatever_is_reserved_has_its_bytes_free(wanted: list[Redundancy], free_mib: int) -> None:
    """The oracle adds up plain bytes: fragments times their length."""
    disks = 6
    stored_mib = {UNIT: 12, Replication(2): 16, Replication(6): 48, ErasureCoding(2, 1): 12}
    per_disk_mib = {UNIT: 2, Replication(2): 8, Replication(6): 8, ErasureCoding(2, 1): 4}
    made = SpaceAccount()
    room = free_mib // 2 * EXTENT_BYTES_MAX
    made.measure(
        UserCapacity(free_bytes=room, total_bytes=room),
        landed_before=0,
        disks=Measured(UNIT, lambda one: free_mib // per_disk_mib[one] * disks // disks),
    )

    accepted_mib = 0
    for redundancy in wanted:
        try:
            made.reserve(redundancy)
        except NoSpaceError:
            continue
        accepted_mib += stored_mib[redundancy]

    assert accepted_mib <= disks * free_mib
