"""Shipping: acknowledged means on m+1 members, with everything before it."""

from __future__ import annotations

import threading
from itertools import combinations
from typing import TypeVar

import pytest

from engine.errors import (
    QuorumError,
)
from engine.ids import DiskUuid, Generation
from engine.limits import OUTBOX_ROOTS_MAX
from engine.metadata.journals import MemberState
from tests.unit.metadata.shipping_pool import WAIT_S, Shipping
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    D,
    journal_of,
)

T = TypeVar("T")


def test_an_acknowledged_root_is_on_m_plus_one_members(shipping: Shipping) -> None:
    for _ in range(5):
        generation = shipping.ship()
        shipping.wait(generation)

        holders = [d for d in ABC if generation in journal_of(shipping.pool.devices[d])]
        assert len(holders) >= 2


@pytest.mark.parametrize("lost", ABC)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_the_loss_of_any_m_members_at_any_point_stops_nothing(
    shipping: Shipping, lost: DiskUuid, after: int
) -> None:
    for number in range(5):
        if number == after:
            shipping.refuse(lost)
        shipping.wait(shipping.ship())

    others = [disk for disk in ABC if disk != lost]
    assert all(journal_of(shipping.pool.devices[disk]) == [1, 2, 3, 4, 5] for disk in others)
    shipping.until(lambda: shipping.state(lost) is MemberState.LOST)


@pytest.mark.parametrize("lost", list(combinations(ABC, 2)))
def test_more_losses_than_m_raise_and_acknowledge_nothing(
    shipping: Shipping, lost: tuple[DiskUuid, ...]
) -> None:
    shipping.refuse(*lost)

    generation = shipping.ship()

    with pytest.raises(QuorumError, match="1 journal disks answer, 2 needed"):
        shipping.wait(generation)
    assert shipping.shipper.acknowledged == 0


def test_a_root_whose_predecessor_is_not_safe_is_not_acknowledged(shipping: Shipping) -> None:
    """B has both roots, A only the first one and C, which hangs, none."""
    gate = shipping.hang(C)
    shipping.wait(shipping.ship())
    shipping.refuse(A)

    second = shipping.ship()
    shipping.until(lambda: journal_of(shipping.pool.devices[B]) == [1, 2])
    assert shipping.shipper.acknowledged == 1
    gate.set()
    shipping.wait(second)


def test_a_hanging_member_delays_nobody_and_gets_everything_in_order(shipping: Shipping) -> None:
    gate = shipping.hang(B)
    for _ in range(6):
        shipping.wait(shipping.ship())
    assert journal_of(shipping.pool.devices[B]) == []

    gate.set()

    shipping.until(lambda: shipping.state(B) is MemberState.CURRENT)
    assert journal_of(shipping.pool.devices[B]) == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("short_ring")
def test_a_member_that_hung_longer_than_the_ring_reaches_is_brought_up(
    shipping: Shipping,
) -> None:
    gate = shipping.hang(B)
    for _ in range(40):
        generation = shipping.ship()
    shipping.wait(generation)

    gate.set()

    shipping.until(lambda: shipping.state(B) is MemberState.CURRENT)
    assert journal_of(shipping.pool.devices[B]) == list(range(1, generation + 1))


def test_a_leaving_member_can_be_kept_for_the_next_change(shipping: Shipping) -> None:
    shipping.wait(shipping.ship())
    shipping.shipper.prepare_member(D)
    gate = shipping.hang(B, D)
    shipping.ship(journal_set=(A, B, D))

    shipping.shipper.prepare_member(C)
    gate.set()
    shipping.wait(shipping.ship(journal_set=(A, C, D)))
    shipping.wait(shipping.ship())

    shipping.until(lambda: journal_of(shipping.pool.devices[C]) == [1, 2, 3, 4])


def test_the_committer_waits_when_too_many_roots_are_unacknowledged(shipping: Shipping) -> None:
    gate = shipping.hang(*ABC)
    done = threading.Event()

    def commit() -> None:
        for _ in range(OUTBOX_ROOTS_MAX + 1):
            shipping.ship()
        done.set()

    committer = threading.Thread(target=commit)
    committer.start()
    shipping.until(lambda: len(shipping.pool.records) == OUTBOX_ROOTS_MAX + 1)
    assert not done.wait(0.05)
    gate.set()
    committer.join(WAIT_S)

    shipping.wait(Generation(OUTBOX_ROOTS_MAX + 1))
