"""Members of the journal set: they return, join and leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from engine.clock import ManualClock
from engine.device.faulty import FailWith, Fault, When
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import (
    DeviceFailedError,
    EngineStoppedError,
    PoolError,
    QuorumError,
)
from engine.format.label import decode_label
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.journals import JournalShipper, MemberState
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode, open_metadata
from engine.metadata.scan import scan_disk
from tests.unit.metadata.shipping_pool import WAIT_S, Shipping, commit_only
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    D,
    E,
    WrittenPool,
    first_template,
    journal_of,
    lane_disks,
    shipped,
)

T = TypeVar("T")


def test_a_member_that_failed_comes_back_from_the_ring(shipping: Shipping) -> None:
    shipping.wait(shipping.ship())
    shipping.refuse(C)
    shipping.wait(shipping.ship())
    shipping.until(lambda: shipping.state(C) is MemberState.LOST)

    shipping.faulty[C].clear_faults()
    shipping.shipper.retry_now()
    shipping.wait(shipping.ship())

    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    assert journal_of(shipping.pool.devices[C]) == [1, 2, 3]


def test_a_loss_is_told_once_and_so_is_the_return(shipping: Shipping) -> None:
    shipping.refuse(C)
    for _ in range(3):
        shipping.wait(shipping.ship())
    shipping.until(lambda: len(shipping.events) == 1)
    shipping.shipper.retry_now()
    shipping.faulty[C].clear_faults()
    shipping.shipper.retry_now()
    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    shipping.shipper.retry_now()

    shipping.until(lambda: len(shipping.events) == 2)
    assert shipping.events == [
        f"journal disk {C} was lost: worn out",
        f"journal disk {C} is back",
    ]


def test_a_failed_append_is_not_trusted_when_the_member_returns(shipping: Shipping) -> None:
    error = DeviceFailedError("the flush failed")
    shipping.wait(shipping.ship())
    shipping.until(lambda: journal_of(shipping.pool.devices[C]) == [1])
    shipping.faulty[C].add_fault(
        Fault(action=FailWith(error=error, when=When.AFTER), method="journal_put", nth=1)
    )
    shipping.wait(shipping.ship())

    shipping.until(lambda: journal_of(shipping.pool.devices[C]) == [1, 2])
    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    assert [e.generation for e in shipping.pool.devices[C].stale_entries] == [2]


@pytest.mark.usefixtures("short_ring")
def test_a_member_that_fell_far_behind_copies_from_another(shipping: Shipping) -> None:
    shipping.refuse(C)
    for _ in range(40):
        generation = shipping.ship()
    shipping.wait(generation)

    shipping.faulty[C].clear_faults()
    shipping.shipper.retry_now()

    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    assert journal_of(shipping.pool.devices[C]) == list(range(1, generation + 1))


@pytest.mark.usefixtures("short_ring")
def test_a_member_whose_next_root_was_trimmed_everywhere_begins_anew_with_a_checkpoint(
    shipping: Shipping,
) -> None:
    shipping.wait(shipping.ship())
    shipping.until(lambda: all(len(journal_of(shipping.pool.devices[d])) == 1 for d in ABC))
    make_checkpoint(
        shipping.disks,
        database=shipping.pool.database,
        scratch=shipping.pool.folder,
        quorum=JournalSet(disks=ABC, tolerance=1),
        wait_acknowledged=shipping.wait,
    )
    shipping.refuse(C)
    for _ in range(2):
        for _ in range(20):
            generation = shipping.ship()
        shipping.wait(generation)
        shipping.until(
            lambda: all(
                journal_of(shipping.pool.devices[d])[-1:] == [len(shipping.pool.records)]
                for d in (A, B)
            )
        )
        make_checkpoint(
            shipping.disks,
            database=shipping.pool.database,
            scratch=shipping.pool.folder,
            quorum=JournalSet(disks=(A, B), tolerance=1),
            wait_acknowledged=shipping.wait,
        )

    shipping.faulty[C].clear_faults()
    shipping.shipper.retry_now()

    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    shipping.wait(shipping.ship())
    shipping.until(lambda: journal_of(shipping.pool.devices[C])[-1:] == [42])
    scan = scan_disk(C, shipping.pool.devices[C])
    assert [point.root.generation for point in scan.checkpoints] == [41]
    # What it had before leads nowhere: a scrub would miss what came between.
    assert journal_of(shipping.pool.devices[C]) == [42]


def test_callbacks_see_acknowledgements_in_order(shipping: Shipping) -> None:
    seen: list[int] = []
    shipping.shipper.on_acknowledged(seen.append)
    for _ in range(20):
        generation = shipping.ship()
    shipping.wait(generation)

    shipping.until(lambda: bool(seen) and seen[-1] == generation)
    assert seen == sorted(set(seen))


def test_a_change_of_j_needs_prepared_members(shipping: Shipping) -> None:
    with pytest.raises(PoolError, match="not prepared"):
        shipping.ship(journal_set=(A, B, D))


def test_a_change_of_j_is_acknowledged_by_old_and_new(shipping: Shipping) -> None:
    shipping.wait(shipping.ship())
    for disk in (D, E):
        shipping.shipper.prepare_member(disk)
    gate = shipping.hang(B, C)

    change = shipping.ship(journal_set=(A, D, E))
    shipping.ship()
    everyone = [shipping.pool.devices[disk] for disk in (A, D, E)]
    shipping.until(lambda: all(journal_of(device) == [1, 2, 3] for device in everyone))

    # A, D and E hold both: three of the new set, but one of the old.
    assert shipping.shipper.acknowledged == 1
    gate.set()
    shipping.wait(change)
    shipping.wait(shipping.ship())
    assert [view.disk for view in shipping.shipper.members()] == [A, D, E]
    shipping.until(
        lambda: decode_label(shipping.pool.devices[E].get_label()).journal_set == (A, D, E)
    )


def test_a_new_member_has_the_checkpoint_and_every_journal_since(shipping: Shipping) -> None:
    for _ in range(3):
        shipping.wait(shipping.ship())
    shipping.until(lambda: all(len(journal_of(shipping.pool.devices[d])) == 3 for d in ABC))
    make_checkpoint(
        shipping.disks,
        database=shipping.pool.database,
        scratch=shipping.pool.folder,
        quorum=JournalSet(disks=ABC, tolerance=1),
        wait_acknowledged=shipping.wait,
    )
    shipping.wait(shipping.ship())

    shipping.shipper.prepare_member(D)
    change = shipping.ship(journal_set=(A, B, D))
    shipping.wait(change)

    shipping.until(lambda: journal_of(shipping.pool.devices[D])[-1:] == [5])
    scan = scan_disk(D, shipping.pool.devices[D])
    assert [point.root.generation for point in scan.checkpoints] == [3]
    shipping.until(
        lambda: decode_label(shipping.pool.devices[D].get_label()).journal_set == (A, B, D)
    )
    elsewhere = shipping.pool.folder / "elsewhere"
    elsewhere.mkdir()
    opened = open_metadata(elsewhere, shipping.pool.only(D, B), mode=OpenMode.READ_WRITE)
    assert opened.head.generation == 5


def test_a_dead_disk_of_a_small_journal_set_can_be_replaced(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool", (A, B, C), journal_set=(A, B))
    with lane_disks(pool.devices) as disks:
        shipper = JournalShipper(
            disks,
            tolerance=1,
            journal_set=(A, B),
            acknowledged=Generation(0),
            on_event=lambda severity, text: None,
        )
        disks.gone.add(B)
        shipper.submit(shipped(commit_only(pool)))
        with pytest.raises(QuorumError):
            shipper.wait_acknowledged(Generation(1), WAIT_S)
        shipper.prepare_member(C)
        shipper.submit(shipped(commit_only(pool, (A, C))))
        shipper.wait_acknowledged(Generation(2), WAIT_S)
        shipper.close(1)

    assert journal_of(pool.devices[C]) == [1, 2]


def test_late_results_of_an_abandoned_call_change_nothing() -> None:
    """The disk answers, but only after the member was given up."""
    clock = ManualClock()
    held: list[Callable[[], None]] = []

    class HeldDisks:
        """Disks whose calls run when the test says so."""

        def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
            held.append(lambda: call(SlowDevice()))  # type: ignore[arg-type]
            return Future()

        def wait(self, future: Future[T]) -> T:
            raise QuorumError("nobody waits here")

        def reachable(self) -> list[DiskUuid]:
            return []

    class SlowDevice(MemoryDevice):
        """Stores a root after everybody stopped waiting for it."""

        def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
            clock.advance(31)
            shipper.retry_now()
            with pytest.raises(QuorumError):
                shipper.wait_acknowledged(generation, 60)
            super().journal_put(generation, epoch, payload)

    shipper = JournalShipper(
        HeldDisks(),
        tolerance=0,
        journal_set=(A,),
        acknowledged=Generation(0),
        on_event=lambda severity, text: None,
        clock=clock,
    )
    record = replace(first_template((A,), tolerance=0), generation=Generation(1))
    shipper.submit(shipped(record))

    held[0]()

    assert shipper.acknowledged == 0
    shipper.close(0)


def test_a_closed_shipper_refuses(shipping: Shipping) -> None:
    shipping.shipper.close(1)

    with pytest.raises(EngineStoppedError):
        shipping.ship()


def test_a_close_waits_for_the_member_that_is_behind(shipping: Shipping) -> None:
    gate = shipping.hang(C)
    shipping.wait(shipping.ship())
    last = shipping.ship()
    shipping.wait(last)
    closing = threading.Thread(target=shipping.shipper.close, args=(WAIT_S,))

    closing.start()
    closing.join(0.05)
    still_waits = closing.is_alive()
    gate.set()
    closing.join(WAIT_S)

    assert still_waits
    assert journal_of(shipping.pool.devices[C])[-1] == last
