"""Two threads measure the disks while extents land (P6)."""

from __future__ import annotations

from engine.limits import EXTENT_BYTES_MAX
from engine.policy.capacity import UserCapacity
from engine.vfs.space import SpaceAccount


def capacity(extents: int) -> UserCapacity:
    size = extents * EXTENT_BYTES_MAX
    return UserCapacity(free_bytes=size, total_bytes=size)


def land(account: SpaceAccount, count: int) -> None:
    for _ in range(count):
        account.reserve()
        account.release(landed=True)


def test_what_landed_between_two_measurements_that_overlap_stays_counted() -> None:
    account = SpaceAccount()
    account.measure(capacity(10), landed_before=account.landed)
    land(account, 3)
    # A writer that found no room and the probe ask the disks at the same time.
    one = account.landed
    other = account.landed
    seen = capacity(7)
    land(account, 2)

    account.measure(seen, landed_before=one)
    account.measure(seen, landed_before=other)

    assert account.free_bytes == 5 * EXTENT_BYTES_MAX
