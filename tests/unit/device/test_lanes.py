"""Lanes: order, limits, and what becomes of a disk that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from engine.device import lanes
from engine.device.faulty import FailWith, Fault, FaultyDevice, Hang
from engine.device.lanes import DiskLanes, Lane
from engine.device.memory import MemoryDevice
from engine.device.overdue import OverdueWatch
from engine.device.protocol import Device
from engine.errors import DeviceFailedError, DeviceGoneError, DeviceSlowError, NameAbsentError
from engine.limits import LANE_QUEUE_MAX, LANES_ABANDONED_MAX

BRIEF_S = 0.02
LONG_S = 20.0


class HangingDisk:
    """Lanes over a device whose calls can be made to hang, and a count of alarms."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.memory = MemoryDevice()
        self.device = FaultyDevice(self.memory)
        self.alarms = 0
        self.lanes = DiskLanes(self.device, on_slow=self._alarm)

    def _alarm(self) -> None:
        self.alarms += 1

    def hang(self, method: str) -> None:
        self.device.add_fault(Fault(action=Hang(gate=self.gate), method=method))


@pytest.fixture
def disk() -> Iterator[HangingDisk]:
    disk = HangingDisk()
    yield disk
    disk.gate.set()
    disk.lanes.close()


def free_bytes(device: Device) -> int:
    return device.capacity().free_bytes


@pytest.mark.parametrize("lane", list(Lane))
def test_a_call_runs_on_the_device_and_gives_its_result(disk: HangingDisk, lane: Lane) -> None:
    future = disk.lanes.submit(lane, lambda device: device.put("a", [b"x"]))
    disk.lanes.wait(future)

    assert bytes(disk.memory.get("a", offset=0, length=1)) == b"x"


def test_the_error_of_a_call_reaches_its_waiter(disk: HangingDisk) -> None:
    future = disk.lanes.submit(Lane.FOREGROUND, lambda device: device.stat("absent"))

    with pytest.raises(NameAbsentError):
        disk.lanes.wait(future)
    assert disk.alarms == 0


def test_a_timeout_raised_by_the_call_itself_is_no_slow_disk(disk: HangingDisk) -> None:
    def work(_: Device) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        disk.lanes.wait(disk.lanes.submit(Lane.FOREGROUND, work))
    assert disk.alarms == 0


def test_calls_of_the_maintenance_lane_run_one_after_the_other_in_order(
    disk: HangingDisk,
) -> None:
    seen: list[int] = []

    def noting(one: int) -> Callable[[Device], None]:
        return lambda _: seen.append(one)

    futures = [disk.lanes.submit(Lane.MAINTENANCE, noting(one)) for one in range(100)]
    for future in futures:
        disk.lanes.wait(future)

    assert seen == list(range(100))


def test_two_foreground_calls_run_at_once(disk: HangingDisk) -> None:
    both = threading.Barrier(2)

    def meet(_: Device) -> int:
        return both.wait(LONG_S)

    futures = [disk.lanes.submit(Lane.FOREGROUND, meet) for _ in range(2)]

    assert sorted(disk.lanes.wait(future) for future in futures) == [0, 1]


def test_maintenance_that_hangs_does_not_hold_up_the_foreground(disk: HangingDisk) -> None:
    disk.hang("stat")
    stuck = disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))

    assert disk.lanes.wait(disk.lanes.submit(Lane.FOREGROUND, free_bytes)) > 0
    assert not stuck.done()


def test_a_call_past_its_limit_is_abandoned_and_its_lane_goes_on(disk: HangingDisk) -> None:
    disk.hang("stat")
    stuck = disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))

    with pytest.raises(DeviceSlowError):
        disk.lanes.wait(stuck, BRIEF_S)

    assert disk.alarms == 1
    assert disk.lanes.stuck_count == 1
    assert disk.lanes.wait(disk.lanes.submit(Lane.MAINTENANCE, free_bytes)) > 0


def test_a_call_without_a_waiter_is_abandoned_by_one_who_waits_behind_it(
    disk: HangingDisk,
) -> None:
    disk.hang("stat")
    disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))
    behind = disk.lanes.submit(Lane.MAINTENANCE, free_bytes)

    with pytest.raises(DeviceSlowError):
        disk.lanes.wait(behind, BRIEF_S)
    assert behind.cancelled()
    with pytest.raises(DeviceSlowError):
        disk.lanes.wait(disk.lanes.submit(Lane.MAINTENANCE, lambda d: d.stat("b")), BRIEF_S)


def test_the_late_result_of_an_abandoned_call_is_dropped(disk: HangingDisk) -> None:
    disk.hang("put")
    finished = threading.Event()

    def work(device: Device) -> str:
        try:
            device.put("a", [b"x"])
            return "late"
        finally:
            finished.set()

    stuck = disk.lanes.submit(Lane.FOREGROUND, work)
    with pytest.raises(DeviceSlowError):
        disk.lanes.wait(stuck, BRIEF_S)
    disk.gate.set()
    assert finished.wait(LONG_S)
    disk.lanes.close()

    with pytest.raises(DeviceSlowError):
        stuck.result(0)


def test_beyond_the_bound_of_stuck_calls_every_submit_is_refused_until_they_return(
    disk: HangingDisk,
) -> None:
    disk.hang("stat")
    for _ in range(LANES_ABANDONED_MAX + 1):
        stuck = disk.lanes.submit(Lane.FOREGROUND, lambda device: device.stat("a"))
        with pytest.raises(DeviceSlowError):
            disk.lanes.wait(stuck, BRIEF_S)

    for lane in Lane:
        with pytest.raises(DeviceSlowError, match="stuck"):
            disk.lanes.submit(lane, free_bytes)

    names = {"disk-foreground", "disk-maintenance"}
    ours = [one for one in threading.enumerate() if one.name in names]
    assert len(ours) <= LANES_ABANDONED_MAX + 3
    disk.gate.set()
    for thread in ours:
        thread.join(BRIEF_S)
    assert disk.lanes.stuck_count == 0
    assert disk.lanes.wait(disk.lanes.submit(Lane.FOREGROUND, free_bytes)) > 0


def test_submit_waits_while_its_lane_is_full(disk: HangingDisk) -> None:
    disk.hang("stat")
    disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))
    submitted: list[int] = []

    def fill() -> None:
        for one in range(LANE_QUEUE_MAX + 50):
            disk.lanes.submit(Lane.MAINTENANCE, free_bytes)
            submitted.append(one)

    filler = threading.Thread(target=fill)
    filler.start()
    filler.join(0.2)
    held_at = len(submitted)
    disk.gate.set()
    filler.join(LONG_S)

    assert LANE_QUEUE_MAX - 1 <= held_at <= LANE_QUEUE_MAX + 1
    assert len(submitted) == LANE_QUEUE_MAX + 50


def test_close_leaves_a_stuck_thread_behind_and_fails_what_was_queued(
    disk: HangingDisk,
) -> None:
    disk.hang("stat")
    disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))
    queued = disk.lanes.submit(Lane.MAINTENANCE, free_bytes)

    disk.lanes.close(BRIEF_S)

    with pytest.raises(DeviceGoneError):
        queued.result(0)
    with pytest.raises(DeviceGoneError):
        disk.lanes.submit(Lane.FOREGROUND, free_bytes)


def test_idle_threads_end_with_close(disk: HangingDisk) -> None:
    for lane in Lane:
        disk.lanes.wait(disk.lanes.submit(lane, free_bytes))
    disk.lanes.close(LONG_S)

    assert not [one for one in threading.enumerate() if one.name.startswith("disk-")]


def test_many_submitters_lose_no_call(disk: HangingDisk) -> None:
    done: list[int] = []

    def submit_many() -> None:
        for _ in range(500):
            disk.lanes.wait(disk.lanes.submit(Lane.FOREGROUND, lambda _: done.append(1)))

    threads = [threading.Thread(target=submit_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)

    assert len(done) == 4000


def test_a_device_error_does_not_end_the_lane(disk: HangingDisk) -> None:
    disk.device.add_fault(
        Fault(action=FailWith(error=DeviceFailedError("rot")), method="stat", nth=1)
    )
    with pytest.raises(DeviceFailedError):
        disk.lanes.wait(disk.lanes.submit(Lane.MAINTENANCE, lambda d: d.stat("a")))

    assert disk.lanes.wait(disk.lanes.submit(Lane.MAINTENANCE, free_bytes)) > 0


def test_a_thread_whose_place_was_taken_ends_when_its_call_returns(disk: HangingDisk) -> None:
    disk.hang("stat")
    before = set(threading.enumerate())
    stuck = disk.lanes.submit(Lane.MAINTENANCE, lambda device: device.stat("a"))
    (old,) = set(threading.enumerate()) - before
    with pytest.raises(DeviceSlowError):
        disk.lanes.wait(stuck, BRIEF_S)
    disk.lanes.wait(disk.lanes.submit(Lane.MAINTENANCE, free_bytes))

    disk.gate.set()
    old.join(LONG_S / 10)

    assert not old.is_alive()


# Calls that nobody waits for


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the watch look often, and a call take next to no time."""
    monkeypatch.setattr(lanes, "DEVICE_CALL_S_MAX", BRIEF_S)
    monkeypatch.setattr(lanes, "SHARED_WATCH", OverdueWatch(look_s=0.01))


class Ended:
    """Hears of the end of a call, and keeps it."""

    def __init__(self) -> None:
        self.futures: list[Future[object]] = []
        self.event = threading.Event()

    def __call__(self, future: Future[object]) -> None:
        self.futures.append(future)
        self.event.set()

    def result(self) -> object:
        assert self.event.wait(LONG_S)
        (future,) = self.futures
        return future.result(0)


def test_a_call_that_nobody_waits_for_tells_how_it_ended(disk: HangingDisk) -> None:
    well, badly = Ended(), Ended()

    assert disk.lanes.try_submit(Lane.FOREGROUND, lambda _: "done", well)
    assert disk.lanes.try_submit(Lane.FOREGROUND, lambda device: device.stat("absent"), badly)

    assert well.result() == "done"
    with pytest.raises(NameAbsentError):
        badly.result()


@pytest.mark.usefixtures("hasty")
def test_a_hung_call_that_nobody_waits_for_is_given_up_and_its_lane_goes_on(
    disk: HangingDisk,
) -> None:
    disk.hang("stat")
    stuck, behind, later = Ended(), Ended(), Ended()
    ran: list[int] = []

    disk.lanes.try_submit(Lane.MAINTENANCE, lambda device: device.stat("a"), stuck)
    disk.lanes.try_submit(Lane.MAINTENANCE, lambda _: ran.append(1), behind)

    for ended in (stuck, behind):
        with pytest.raises(DeviceSlowError):
            ended.result()
    assert disk.alarms >= 1
    assert disk.lanes.try_submit(Lane.MAINTENANCE, lambda _: "done", later)
    assert later.result() == "done"
    disk.gate.set()
    disk.lanes.close(LONG_S)
    assert (len(stuck.futures), ran) == (1, [])


@pytest.mark.usefixtures("hasty")
def test_the_watch_leaves_calls_alone_that_somebody_waits_for(disk: HangingDisk) -> None:
    disk.hang("stat")
    waited = disk.lanes.submit(Lane.FOREGROUND, lambda device: device.stat("a"))
    ended = Ended()
    disk.lanes.try_submit(Lane.FOREGROUND, lambda device: device.stat("a"), ended)
    with pytest.raises(DeviceSlowError):
        ended.result()

    assert not waited.done()
    disk.gate.set()
    with pytest.raises(NameAbsentError):
        disk.lanes.wait(waited, LONG_S)


def test_what_would_have_to_wait_or_be_refused_is_not_taken(
    disk: HangingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LANE_QUEUE_MAX", 1)
    disk.hang("stat")
    ended, queued, begun = Ended(), Ended(), threading.Event()

    def work(device: Device) -> None:
        begun.set()
        device.stat("a")

    disk.lanes.submit(Lane.MAINTENANCE, work)
    assert begun.wait(LONG_S)
    assert disk.lanes.try_submit(Lane.MAINTENANCE, free_bytes, queued)

    assert not disk.lanes.try_submit(Lane.MAINTENANCE, free_bytes, ended)
    disk.lanes.close(BRIEF_S)
    assert not disk.lanes.try_submit(Lane.FOREGROUND, free_bytes, ended)

    with pytest.raises(DeviceGoneError):
        queued.result()
    assert not ended.futures


def test_the_watch_looks_until_nothing_is_left_and_begins_again() -> None:
    watch = OverdueWatch(look_s=0.001)
    for _ in range(3):
        looks = iter([True, True, False])
        done = threading.Event()

        def look(looks: Iterator[bool] = looks, done: threading.Event = done) -> bool:
            again = next(looks)
            if not again:
                done.set()
            return again

        watch.add(look)
        assert done.wait(LONG_S)
        for thread in threading.enumerate():
            if thread.name == "overdue-calls":
                thread.join(LONG_S)
