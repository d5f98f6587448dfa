"""Threads that run what must wait for a disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Job(Generic[Result]):
    """One call that runs on a pool thread; it carries its result back.

    Written by the pool thread before it is announced as done, read by the
    serving thread after that.
    """

    __slots__ = ("call", "error", "owner", "pool", "result")

    def __init__(self, pool: WorkerPool, owner: object, call: Callable[[], Result]) -> None:
        self.pool = pool
        self.owner = owner
        """The coroutine that waits for it."""
        self.call = call
        self.result: Result | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call, and keep what came of it: the waiting request must get an answer."""
        try:
            self.result = self.call()
        except BaseException as error:  # re-raised by the coroutine that waits
            self.error = error

    def take(self) -> Result:
        """Return the result or raise the error of the call."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # set whenever error is None


class WorkerPool:
    """Up to *threads_max* daemon threads over one FIFO queue, started on demand.

    Daemon threads: a call that is stuck in a disk must not keep the process
    from ending. ``submit`` and ``settle`` belong to the serving thread, so the
    counts need no lock. The queue is bounded by the number of requests in
    hand: each waits for at most one job.
    """

    def __init__(
        self, name: str, threads_max: int, announce: Callable[[Job[object]], None]
    ) -> None:
        self.name = name
        self._threads_max = threads_max
        self._announce = announce
        self._queue: queue.SimpleQueue[Job[object] | None] = queue.SimpleQueue()
        self._threads = 0
        self._in_hand = 0

    def submit(self, job: Job[object]) -> None:
        """Queue *job*; start a thread when all may be busy."""
        self._in_hand += 1
        self._queue.put(job)
        if self._threads < min(self._in_hand, self._threads_max):
            self._threads += 1
            threading.Thread(
                target=self._serve, name=f"fuse-{self.name}-{self._threads}", daemon=True
            ).start()

    def settle(self) -> None:
        """Count one job as answered."""
        self._in_hand -= 1

    def close(self) -> None:
        """Let every thread end after what it does now."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()
            self._announce(job)
            # Not held until the next job comes: results are up to 1 MiB.
            del job
