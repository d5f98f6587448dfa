"""The drills do what they say, or a test that uses them proves nothing."""

from __future__ import annotations

import threading

import pytest

from engine.device.faulty import FailWith, Fault, FaultyDevice, FlipByte, Hang, When
from engine.device.memory import MemoryDevice
from engine.errors import DeviceFailedError, DeviceFullError, DeviceGoneError
from engine.ids import Epoch, Generation


@pytest.fixture
def device() -> FaultyDevice:
    return FaultyDevice(MemoryDevice())


def test_exactly_the_nth_call_fails(device: FaultyDevice) -> None:
    device.add_fault(Fault(action=FailWith(error=DeviceFullError("drill")), method="put", nth=2))

    device.put("a", [b"x"])
    with pytest.raises(DeviceFullError):
        device.put("b", [b"x"])
    device.put("b", [b"x"])

    assert [one.name for one in device.list("")] == ["a", "b"]


def test_a_fault_without_a_method_counts_every_call(device: FaultyDevice) -> None:
    device.add_fault(Fault(action=FailWith(error=DeviceGoneError("drill")), nth=3))

    device.put("a", [b"x"])
    device.sync(["a"])
    with pytest.raises(DeviceGoneError):
        device.stat("a")
    device.stat("a")


def test_an_answer_can_be_lost_after_the_work_was_done(device: FaultyDevice) -> None:
    lost = FailWith(error=DeviceFailedError("drill"), when=When.AFTER)
    device.add_fault(Fault(action=lost, method="journal_put"))

    with pytest.raises(DeviceFailedError):
        device.journal_put(Generation(1), Epoch(1), b"x")

    assert len(list(device.inner.journal_list(Generation(1)))) == 1


def test_one_byte_of_one_name_is_flipped_and_the_store_is_left_alone(
    device: FaultyDevice,
) -> None:
    device.put("bad", [b"\x00\x01\x02"])
    device.put("good", [b"\x00\x01\x02"])
    fault = Fault(action=FlipByte(offset=1), method="get", name_part="bad")
    device.add_fault(fault)

    assert bytes(device.get("bad", offset=0, length=3)) == b"\x00\xfe\x02"
    assert bytes(device.get("good", offset=0, length=3)) == b"\x00\x01\x02"
    device.remove_fault(fault)
    assert bytes(device.get("bad", offset=0, length=3)) == b"\x00\x01\x02"


def test_a_hanging_call_goes_on_when_its_gate_opens(device: FaultyDevice) -> None:
    gate = threading.Event()
    device.add_fault(Fault(action=Hang(gate=gate), method="put"))
    thread = threading.Thread(target=device.put, args=("a", [b"x"]))
    thread.start()
    thread.join(0.02)
    assert thread.is_alive()
    assert list(device.list("")) == []

    gate.set()
    thread.join(10)

    assert [one.name for one in device.list("")] == ["a"]


def test_calls_and_bytes_are_counted(device: FaultyDevice) -> None:
    device.put("a", [b"12345", b"678"])
    device.get("a", offset=2, length=3)
    device.get("a", offset=6, length=30)
    device.journal_put(Generation(1), Epoch(1), b"1234")

    assert device.counters.calls == {"put": 1, "get": 2, "journal_put": 1}
    assert device.counters.bytes_moved == {"put": 8, "get": 5, "journal_put": 4}
