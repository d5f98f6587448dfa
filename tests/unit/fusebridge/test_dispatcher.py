"""The dispatcher by itself: a pipe stands for the kernel's descriptor."""

from __future__ import annotations

import os
import threading
import time
from functools import partial

from engine.errors import EngineStoppedError
from fusebridge.dispatcher import Dispatcher
from fusebridge.empty import EmptyFileSystem
from fusebridge.notifications import Notifications
from fusebridge.operations import Operations
from fusebridge.runtime import Pool

BUSY_S = 0.6
CHANGES = 20
WAIT_S_MAX = 5.0
"""For how long a wait for room is no failure of the test."""


def test_a_loop_that_never_rests_is_busy_and_not_late() -> None:
    dispatcher = Dispatcher()
    kernel, writer = os.pipe()
    os.write(writer, b"x")  # Never read: there is always a next request.
    lateness: list[float] = []

    async def serve() -> None:
        # It slept once, so it notes its turns from here on.
        await dispatcher.offload(Pool.READ, threading.Event().wait, 0.05)
        end_s = time.monotonic() + BUSY_S
        while time.monotonic() < end_s:
            await dispatcher.wait_readable(kernel)
            lateness.append(dispatcher.late_s)

    try:
        dispatcher.run(serve)
    finally:
        os.close(kernel)
        os.close(writer)

    assert len(lateness) > 100
    assert max(lateness) < BUSY_S / 2
    assert dispatcher.late_s == 0.0


def test_a_request_goes_on_when_another_thread_rings_before_it_waits_or_after() -> None:
    dispatcher = Dispatcher()
    heard: list[str] = []

    async def serve() -> None:
        early = dispatcher.make_wake()
        thread = threading.Thread(target=early.ring)
        thread.start()
        thread.join()
        await early.wait()
        heard.append("early")
        late = dispatcher.make_wake()
        threading.Timer(0.02, late.ring).start()
        await late.wait()
        heard.append("late")

    dispatcher.run(serve)

    assert heard == ["early", "late"]


class CrowdedFiles(EmptyFileSystem):
    """There is no room until ``make_room``; counts the threads that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._room = threading.Event()
        self.waits = 0

    def has_room(self) -> bool:
        return self._room.is_set()

    def wait_for_room(self) -> None:
        self.waits += 1
        assert self._room.wait(timeout=WAIT_S_MAX)

    def make_room(self) -> None:
        """Let everybody in."""
        self._room.set()


def test_many_changes_that_wait_for_room_leave_threads_to_a_slow_one_that_does_not() -> None:
    dispatcher, files = Dispatcher(), CrowdedFiles()
    operations = Operations(files, dispatcher, Notifications())
    ended: list[str] = []

    async def change(name: str) -> None:
        await operations.wait_for_room()
        ended.append(name)

    async def rename() -> None:
        # It passed the question for room before there was none, and then needs a thread.
        await dispatcher.offload(Pool.METADATA, ended.append, "rename")
        files.make_room()

    async def serve() -> None:
        for number in range(CHANGES):
            dispatcher.start_worker(partial(change, f"change {number}"))
        dispatcher.start_worker(rename)
        await dispatcher.join_workers()

    dispatcher.run(serve)

    assert ended == ["rename", *(f"change {number}" for number in range(CHANGES))]
    assert files.waits == 1


def test_those_who_shared_a_wait_that_failed_look_anew() -> None:
    dispatcher = Dispatcher()
    told: list[str] = []

    def fail() -> None:
        raise EngineStoppedError("made for a test")

    async def ask(name: str) -> None:
        try:
            await dispatcher.offload_once(Pool.METADATA, fail)
            told.append(f"{name} goes on")
        except EngineStoppedError as error:
            told.append(f"{name}: {error}")

    async def serve() -> None:
        dispatcher.start_worker(partial(ask, "first"))
        dispatcher.start_worker(partial(ask, "second"))
        await dispatcher.join_workers()

    dispatcher.run(serve)

    assert told == ["first: made for a test", "second goes on"]
