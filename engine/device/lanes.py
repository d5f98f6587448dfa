"""Two lanes of threads for each disk, so that a disk that hangs stops only itself.

A call that runs past its limit is abandoned: its thread stays behind, stuck,
a fresh one takes its place, and what it answers late is dropped. A device is
never called from anywhere but its lanes once it is part of a pool.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from enum import Enum
from typing import Final, Generic, TypeVar

from engine.device.abandonment import set_current_call
from engine.device.overdue import SHARED_WATCH
from engine.device.protocol import Device
from engine.errors import DeviceError, DeviceGoneError, DeviceSlowError
from engine.limits import DEVICE_CALL_S_MAX, LANE_QUEUE_MAX, LANES_ABANDONED_MAX

T = TypeVar("T")


class Lane(Enum):
    """Who asks: somebody waits, or nobody does. The value counts threads."""

    FOREGROUND = 2
    MAINTENANCE = 1


LANE_NAMES: Final = {Lane.FOREGROUND: "foreground", Lane.MAINTENANCE: "maintenance"}


class LaneCall(Future[T], Generic[T]):
    """One call: a future that knows its lane, and whether anybody still waits."""

    def __init__(self, owner: DiskLanes, lane: _LaneState, work: Callable[[Device], T]) -> None:
        super().__init__()
        self.owner = owner
        self.lane = lane
        self.work = work
        self.submitted_s = 0.0
        """Of a call that nobody waits for; 0 where a waiter keeps the time."""
        self.started_s = 0.0
        self.thread: threading.Thread | None = None
        self.abandoned = False

    def run_on(self, device: Device) -> None:
        """Do the work and keep its outcome, unless nobody waits for it."""
        set_current_call(self)
        try:
            result = self.work(device)
        except BaseException as error:
            # Whatever it is, it belongs to the waiter, not to this thread.
            with suppress(InvalidStateError):  # Abandoned: the answer is dropped.
                self.set_exception(error)
        else:
            with suppress(InvalidStateError):
                self.set_result(result)
        finally:
            set_current_call(None)


class _LaneState:
    """Queue and threads of one lane; all fields belong to the lanes' lock."""

    def __init__(self, lane: Lane, lock: threading.Lock) -> None:
        self.lane = lane
        self.queue: deque[LaneCall[object]] = deque()
        self.work_ready = threading.Condition(lock)
        self.room_ready = threading.Condition(lock)
        self.idle = 0
        self.threads: set[threading.Thread] = set()
        self.running: set[LaneCall[object]] = set()


class DiskLanes:
    """The lanes of one disk. Thread-safe; one lock, never held in the device."""

    def __init__(self, device: Device, *, on_slow: Callable[[], None]) -> None:
        """*on_slow* is called, without the lock, each time a waiter gives up."""
        self.device = device
        self._on_slow = on_slow
        self._lock = threading.Lock()
        self._lanes = {lane: _LaneState(lane, self._lock) for lane in Lane}
        self._stuck: set[LaneCall[object]] = set()
        self._closed = False
        self._watched = False

    @property
    def stuck_count(self) -> int:
        """How many threads are in calls that nobody waits for any more."""
        return len(self._stuck)

    def submit(self, lane: Lane, work: Callable[[Device], T]) -> Future[T]:
        """Queue *work* and return its future; waits while the lane is full.

        Raises:
            DeviceSlowError: too many threads are stuck in this disk, or the
                lane stayed full for DEVICE_CALL_S_MAX.
            DeviceGoneError: the lanes are closed.
        """
        state = self._lanes[lane]
        call: LaneCall[T] = LaneCall(self, state, work)
        with self._lock:
            self._check_usable()
            if len(state.queue) >= LANE_QUEUE_MAX:
                self._wait_for_room(state)
            self._enqueue(state, call)
        return call

    def try_submit(
        self, lane: Lane, work: Callable[[Device], T], ended: Callable[[Future[T]], None]
    ) -> bool:
        """Queue *work*, for which nobody waits; False where a waiter would be held or refused.

        *ended* is called once with the future, done: by the lane's thread, or
        by another that gives the call up DEVICE_CALL_S_MAX after now (the
        future then raises DeviceSlowError). It must neither wait nor raise.
        """
        state = self._lanes[lane]
        call: LaneCall[T] = LaneCall(self, state, work)
        call.add_done_callback(ended)
        call.submitted_s = time.monotonic()
        with self._lock:
            stuck = len(self._stuck) > LANES_ABANDONED_MAX
            if self._closed or stuck or len(state.queue) >= LANE_QUEUE_MAX:
                return False
            self._enqueue(state, call)
            is_new, self._watched = not self._watched, True
        if is_new:
            SHARED_WATCH.add(self.give_up_overdue)
        return True

    def _enqueue(self, state: _LaneState, call: LaneCall[T]) -> None:
        # The queue does not look at results, so their type is lost here.
        state.queue.append(call)  # type: ignore[arg-type]
        if len(state.queue) > state.idle and len(state.threads) < state.lane.value:
            self._start_thread(state)
        else:
            state.work_ready.notify()

    def wait(self, future: Future[T], timeout_s: float = DEVICE_CALL_S_MAX) -> T:
        """Return the future's result; give up after *timeout_s* seconds.

        Raises:
            DeviceSlowError: it took longer. A call not begun will never run; a
                running one is abandoned, and its result dropped.
        """
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            if future.done() and not future.cancelled():
                return future.result()  # It came in this moment, or raised this itself.
            self._give_up(future, timeout_s)
            raise DeviceSlowError(f"no answer within {timeout_s:g} s") from error

    def give_up_overdue(self) -> bool:
        """Give up what nobody waits for and takes too long; return whether any is left."""
        oldest_s = time.monotonic() - DEVICE_CALL_S_MAX
        overdue: list[LaneCall[object]] = []
        with self._lock:
            left = False
            for state in self._lanes.values():
                for call in [one for one in (*state.queue, *state.running) if one.submitted_s]:
                    if call.submitted_s > oldest_s:
                        left = True
                    elif not call.abandoned:
                        overdue.append(call)
                        if call in state.running:
                            self._abandon(state, call)
                        else:
                            state.queue.remove(call)
            self._watched = left
        self._fail_overdue(overdue, DEVICE_CALL_S_MAX)
        if overdue:
            self._on_slow()
        return left

    def close(self, timeout_s: float = 2.0) -> None:
        """End the threads; those still in a call after *timeout_s* stay behind."""
        with self._lock:
            self._closed = True
            threads = [one for state in self._lanes.values() for one in state.threads]
            waiting = [call for state in self._lanes.values() for call in state.queue]
            for state in self._lanes.values():
                state.queue.clear()
                state.work_ready.notify_all()
                state.room_ready.notify_all()
        for call in waiting:
            if call.set_running_or_notify_cancel():
                call.set_exception(DeviceGoneError("the disk was closed"))
        deadline = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def close_device(self, timeout_s: float = 2.0) -> None:
        """End the threads and close the device, waiting at most *timeout_s* for each.

        Closing a file of a file system that hangs can hang as well, so it is
        left to a thread that may stay behind.
        """
        self.close(timeout_s)
        closer = threading.Thread(target=self._close_device, name="disk-close", daemon=True)
        closer.start()
        closer.join(timeout_s)

    def _close_device(self) -> None:
        # The descriptors are gone whatever their last answer was, and what
        # counts was flushed before.
        with suppress(OSError, DeviceError):
            self.device.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise DeviceGoneError("the disk was closed")
        if len(self._stuck) > LANES_ABANDONED_MAX:
            raise DeviceSlowError(f"{len(self._stuck)} calls are stuck in this disk")

    def _wait_for_room(self, state: _LaneState) -> None:
        deadline = time.monotonic() + DEVICE_CALL_S_MAX
        while len(state.queue) >= LANE_QUEUE_MAX:
            left = deadline - time.monotonic()
            if left <= 0 or not state.room_ready.wait(left):
                raise DeviceSlowError("the disk's queue stayed full")
            self._check_usable()

    def _start_thread(self, state: _LaneState) -> None:
        name = f"disk-{LANE_NAMES[state.lane]}"
        thread = threading.Thread(target=self._serve, args=(state,), name=name, daemon=True)
        state.threads.add(thread)
        thread.start()

    def _serve(self, state: _LaneState) -> None:
        """Run calls until the lanes close or this thread's call is abandoned."""
        me = threading.current_thread()
        while (call := self._next_call(state, me)) is not None:
            if not call.set_running_or_notify_cancel():
                self._finish(state, call)
                continue
            call.run_on(self.device)
            if not self._finish(state, call):
                return
            # Holding the last call would keep its buffers alive while idle.
            del call

    def _next_call(self, state: _LaneState, me: threading.Thread) -> LaneCall[object] | None:
        with self._lock:
            while not state.queue:
                if self._closed:
                    state.threads.discard(me)
                    return None
                state.idle += 1
                state.work_ready.wait()
                state.idle -= 1
            call = state.queue.popleft()
            if len(state.queue) == LANE_QUEUE_MAX - 1:
                state.room_ready.notify_all()
            call.started_s = time.monotonic()
            call.thread = me
            state.running.add(call)
            return call

    def _finish(self, state: _LaneState, call: LaneCall[object]) -> bool:
        """Return whether this thread goes on serving its lane."""
        me = threading.current_thread()
        with self._lock:
            state.running.discard(call)
            if not call.abandoned:
                return True
            self._stuck.discard(call)
            if len(state.threads) >= state.lane.value:
                return False
            # Nobody took its place, for too many were stuck; now it is back.
            state.threads.add(me)
            return True

    def _give_up(self, future: Future[T], timeout_s: float) -> None:
        assert isinstance(future, LaneCall), "not a future of these lanes"
        overdue: list[LaneCall[object]] = [] if future.cancel() else [future]
        now_s = time.monotonic()
        with self._lock:
            # Others of this lane may have no waiter, and block it all the same.
            overdue += [
                call
                for call in future.lane.running
                if call is not future and now_s - call.started_s > timeout_s
            ]
            for call in overdue:
                self._abandon(future.lane, call)
        self._fail_overdue(overdue, timeout_s)
        self._on_slow()

    @staticmethod
    def _fail_overdue(overdue: list[LaneCall[object]], timeout_s: float) -> None:
        for call in overdue:
            with suppress(InvalidStateError):  # It answered in this very moment.
                call.set_exception(DeviceSlowError(f"abandoned after {timeout_s:g} s"))

    def _abandon(self, state: _LaneState, call: LaneCall[object]) -> None:
        """Leave the call's thread behind, and put another in its place."""
        if call not in state.running or call.abandoned:
            return
        call.abandoned = True
        self._stuck.add(call)
        if call.thread is not None:
            state.threads.discard(call.thread)
        if state.queue and len(self._stuck) <= LANES_ABANDONED_MAX:
            self._start_thread(state)


def wait_for(future: Future[T], timeout_s: float = DEVICE_CALL_S_MAX) -> T:
    """Return the result of a future of any lanes; see ``DiskLanes.wait``."""
    assert isinstance(future, LaneCall), "not a future of lanes"
    owner: DiskLanes = future.owner
    result: T = owner.wait(future, timeout_s)
    return result
