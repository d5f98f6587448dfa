"""Shipping: acknowledged means on m+1 members, with everything before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import pytest

from engine.clock import ManualClock
from engine.device.faulty import FailWith, Fault, FaultyDevice, Hang, When
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import (
    DeviceFailedError,
    EngineStoppedError,
    PoolError,
    QuorumError,
)
from engine.format.label import decode_label
from engine.ids import DiskUuid, Generation
from engine.limits import OUTBOX_ROOTS_MAX
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.journals import JournalShipper, MemberState
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode, open_metadata
from engine.metadata.scan import scan_disk
from engine.model.root import RootRecord
from tests.unit.metadata.written_pool import (
    ABC,
    A,
    B,
    C,
    D,
    E,
    LaneDisks,
    WrittenPool,
    first_template,
    journal_of,
    lane_disks,
    shipped,
)

T = TypeVar("T")
WAIT_S = 10.0


@dataclass
class Shipping:
    """A pool whose roots go through a shipper over faulty disks."""

    pool: WrittenPool
    faulty: dict[DiskUuid, FaultyDevice]
    disks: LaneDisks
    shipper: JournalShipper
    gates: list[threading.Event] = field(default_factory=list)

    def ship(self, *, journal_set: tuple[DiskUuid, ...] | None = None) -> Generation:
        """Commit a group and submit its root."""
        record = _commit(self.pool, journal_set)
        self.shipper.submit(shipped(record))
        return record.generation

    def wait(self, generation: Generation) -> None:
        self.shipper.wait_acknowledged(generation, WAIT_S)

    def refuse(self, *disks: DiskUuid) -> None:
        """Let every append to *disks* fail from now on."""
        for disk in disks:
            error = DeviceFailedError("worn out")
            self.faulty[disk].add_fault(Fault(action=FailWith(error=error), method="journal_put"))

    def hang(self, *disks: DiskUuid) -> threading.Event:
        """Let every append to *disks* block until the returned gate opens."""
        gate = threading.Event()
        self.gates.append(gate)
        for disk in disks:
            self.faulty[disk].add_fault(Fault(action=Hang(gate=gate), method="journal_put"))
        return gate

    def until(self, holds: Callable[[], bool]) -> None:
        """Poll, bounded, for what the shipper's own thread brings about."""
        waiting = threading.Event()
        for _ in range(1000):
            if holds():
                return
            waiting.wait(0.01)
        raise AssertionError(self.shipper.members())

    def state(self, disk: DiskUuid) -> MemberState:
        return {view.disk: view.state for view in self.shipper.members()}[disk]


def _commit(pool: WrittenPool, journal_set: tuple[DiskUuid, ...] | None = None) -> RootRecord:
    devices, pool.devices = pool.devices, {}
    try:
        return pool.write(journal_set=journal_set)
    finally:
        pool.devices = devices


@pytest.fixture
def shipping(tmp_path: Path) -> Iterator[Shipping]:
    """Five disks, three of them J, m=1."""
    pool = WrittenPool(tmp_path / "pool", (*ABC, D, E), journal_set=ABC)
    faulty = {disk: FaultyDevice(device) for disk, device in pool.devices.items()}
    with lane_disks(faulty) as disks:
        shipper = JournalShipper(
            disks,
            tolerance=1,
            journal_set=ABC,
            acknowledged=Generation(0),
            on_event=lambda severity, text: None,
            scratch=tmp_path,
        )
        made = Shipping(pool, faulty, disks, shipper)
        yield made
        for gate in made.gates:
            gate.set()
        shipper.close(0.1)


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


def test_a_member_that_fell_far_behind_copies_from_another(shipping: Shipping) -> None:
    shipping.refuse(C)
    for _ in range(OUTBOX_ROOTS_MAX * 2 + 8):
        generation = shipping.ship()
    shipping.wait(generation)

    shipping.faulty[C].clear_faults()
    shipping.shipper.retry_now()

    shipping.until(lambda: shipping.state(C) is MemberState.CURRENT)
    assert journal_of(shipping.pool.devices[C]) == list(range(1, generation + 1))


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
    shipping.until(lambda: journal_of(shipping.pool.devices[E]) == [1, 2])

    # A, D and E hold it: three of the new set, but one of the old.
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
        shipper.submit(shipped(_commit(pool)))
        with pytest.raises(QuorumError):
            shipper.wait_acknowledged(Generation(1), WAIT_S)
        shipper.prepare_member(C)
        shipper.submit(shipped(_commit(pool, (A, C))))
        shipper.wait_acknowledged(Generation(2), WAIT_S)
        shipper.close(1)

    assert journal_of(pool.devices[C]) == [1, 2]


def test_late_results_of_an_abandoned_call_change_nothing() -> None:
    """A call that was given up answers after the member was lost."""
    clock = ManualClock()
    held: list[Callable[[], None]] = []

    class HeldDisks:
        """Disks whose calls run when the test says so."""

        def submit(self, disk: DiskUuid, call: Callable[[Device], T]) -> Future[T]:
            held.append(lambda: call(device))  # type: ignore[arg-type]
            return Future()

        def wait(self, future: Future[T]) -> T:
            raise QuorumError("nobody waits here")

        def reachable(self) -> list[DiskUuid]:
            return []

    device: Device = MemoryDevice()
    shipper = JournalShipper(
        HeldDisks(),
        tolerance=0,
        journal_set=(A,),
        acknowledged=Generation(0),
        on_event=lambda severity, text: None,
        clock=clock,
    )
    root = shipped(replace(first_template((A,), tolerance=0), generation=Generation(1)))
    shipper.submit(root)
    clock.advance(31)
    shipper.retry_now()
    with pytest.raises(QuorumError):
        shipper.wait_acknowledged(root.generation, 60)

    held[0]()

    assert shipper.acknowledged == 0
    shipper.close(0)


def test_a_closed_shipper_refuses(shipping: Shipping) -> None:
    shipping.shipper.close(1)

    with pytest.raises(EngineStoppedError):
        shipping.ship()
