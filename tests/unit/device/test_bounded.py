"""A device behind a bound: it keeps the contract, and a hang costs its caller the bound once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from engine.device.bounded import BoundedDevice
from engine.device.faulty import Fault, FaultyDevice, Hang
from engine.device.memory import MemoryDevice
from engine.device.protocol import Device
from engine.errors import DeviceSlowError
from engine.ids import Epoch, Generation
from tests.contracts.device import DeviceContract

BRIEF_S = 0.05
CALLS = 50


class TestBoundedDevice(DeviceContract):
    @pytest.fixture
    def device(self) -> Iterator[Device]:
        device = BoundedDevice(MemoryDevice())
        yield device
        device.close()


def test_a_hang_costs_the_bound_once_whatever_is_asked_afterwards() -> None:
    gate = threading.Event()
    faulty = FaultyDevice(MemoryDevice())
    faulty.add_fault(Fault(action=Hang(gate=gate)))
    device = BoundedDevice(faulty, call_s_max=BRIEF_S)
    begun_s = time.monotonic()
    try:
        for _ in range(CALLS):
            with pytest.raises(DeviceSlowError):
                device.capacity()
    finally:
        gate.set()
        device.close()

    assert device.is_slow
    assert time.monotonic() - begun_s < CALLS * BRIEF_S


def test_a_listing_longer_than_a_batch_comes_whole_and_in_order() -> None:
    device = BoundedDevice(MemoryDevice())
    numbers = [Generation(number) for number in range(1, 200)]
    for number in numbers:
        device.journal_put(number, Epoch(1), b"root")
        device.put(f"fragments/0/{number}.1.0", [b"x"])

    assert [one.generation for one in device.journal_list(numbers[0])] == numbers  # type: ignore[union-attr]
    assert len(list(device.list("fragments"))) == len(numbers)
    device.close()
