"""Room is counted in whole extents, and never twice or not at all (P6, O7)."""

from __future__ import annotations

import pytest

from engine.errors import NoSpaceError
from engine.limits import EXTENT_BYTES_MAX
from engine.policy.capacity import UserCapacity
from engine.vfs.space import SpaceAccount


def measured(extents: float, *, landed_before: int = 0, account: SpaceAccount) -> None:
    free = round(extents * EXTENT_BYTES_MAX)
    account.measure(
        UserCapacity(free_bytes=free, total_bytes=2 * free), landed_before=landed_before
    )


@pytest.fixture
def account() -> SpaceAccount:
    made = SpaceAccount()
    measured(3, account=made)
    return made


def test_an_account_that_was_never_measured_has_no_room() -> None:
    with pytest.raises(NoSpaceError):
        SpaceAccount().reserve()


def test_each_reservation_takes_one_extent_until_none_is_left(account: SpaceAccount) -> None:
    for left in (2, 1, 0):
        account.reserve()
        assert account.free_bytes == left * EXTENT_BYTES_MAX

    with pytest.raises(NoSpaceError):
        account.reserve()


def test_a_reservation_that_came_to_nothing_is_given_back(account: SpaceAccount) -> None:
    account.reserve()
    account.release(landed=False)

    assert account.free_bytes == 3 * EXTENT_BYTES_MAX


def test_what_landed_stays_taken_until_a_measurement_saw_it(account: SpaceAccount) -> None:
    account.reserve()
    account.release(landed=True)
    assert account.free_bytes == 2 * EXTENT_BYTES_MAX

    measured(2, landed_before=account.landed, account=account)

    assert account.free_bytes == 2 * EXTENT_BYTES_MAX


def test_what_landed_while_the_disks_were_asked_is_not_forgotten(account: SpaceAccount) -> None:
    before = account.landed
    account.reserve()
    account.release(landed=True)

    measured(3, landed_before=before, account=account)

    assert account.free_bytes == 2 * EXTENT_BYTES_MAX


def test_part_of_an_extent_is_no_room(account: SpaceAccount) -> None:
    measured(0.99, account=account)

    with pytest.raises(NoSpaceError):
        account.reserve()
    assert account.free_bytes == 0


def test_less_room_than_is_taken_already_shows_as_none(account: SpaceAccount) -> None:
    account.reserve()
    account.reserve()

    measured(1, account=account)

    assert account.free_bytes == 0
    assert account.total_bytes == 2 * EXTENT_BYTES_MAX


def test_what_is_lent_beyond_what_is_free_is_promised_to_nobody_else(account: SpaceAccount) -> None:
    for _ in range(3):
        account.release(landed=True, units=account.reserve())
    account.lend_units(2)

    measured(3, landed_before=3, account=account)  # As much became free again meanwhile.
    assert account.free_bytes == EXTENT_BYTES_MAX
    account.release(landed=True, units=2)
    assert account.free_bytes == EXTENT_BYTES_MAX
    measured(3, landed_before=5, account=account)
    assert account.free_bytes == 3 * EXTENT_BYTES_MAX


def test_nothing_is_lent_while_anything_is_promised(account: SpaceAccount) -> None:
    units = account.reserve()

    with pytest.raises(NoSpaceError, match="promised"):
        account.lend_units(1)

    account.release(landed=False, units=units)
    account.lend_units(1)
    assert account.is_promised
