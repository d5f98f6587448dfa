"""The dispatcher by itself: a pipe stands for the kernel's descriptor."""

from __future__ import annotations

import os
import threading
import time

from fusebridge.dispatcher import Dispatcher
from fusebridge.runtime import Pool

BUSY_S = 0.6


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
