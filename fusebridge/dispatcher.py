"""One thread that takes requests from the kernel and runs their handlers.

It stands in the place of ``pyfuse3.trio``. Requests that need no disk are
served without leaving the thread or giving up the interpreter lock; the rest
wait for a job on a pool thread while another worker reads on. A *worker* is
pyfuse3's session loop: a coroutine with a receive buffer.

A worker is always in one of these states::

    ready --step--> running --+--> parked reader   (at most one: it holds the lock)
      ^                       +--> lock waiter
      |                       +--> waiting for a job
      +-----------------------+--> ended

A coroutine suspends only by yielding a ``Mark``, and is resumed only by
``send(None)``: results and errors travel inside the job, so nothing is ever
thrown into a Cython frame.

Wake-ups: before it sleeps the dispatcher sets ``_sleeping`` and THEN looks at
the queues again; others append to a queue and THEN look at ``_sleeping``. The
interpreter lock makes both orders visible, so no wake-up is lost and a
sleep costs at most one ring.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final, ParamSpec, TypeAlias, TypeVar, assert_never

import pyfuse3

from fusebridge.descriptors import Descriptors
from fusebridge.marks import Mark, suspend
from fusebridge.runtime import Pool
from fusebridge.trio_stand_in import TrioStandIn
from fusebridge.wake import RequestWake
from fusebridge.worker_pool import Job, WorkerPool

logger = logging.getLogger(__name__)

SPIN_NS: Final = 20_000
"""How long to look for the next request before sleeping. Waking an idle CPU
costs more; 100 and 300 us gained nothing over 20 (trap 7)."""

BURST_MAX: Final = 16
"""Requests one worker may serve before the queues are looked at again."""

GRACE_S: Final = 10.0
"""How long requests in hand may take after the end was asked for."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


Task: TypeAlias = Coroutine[Mark, None, object]
Start: TypeAlias = Callable[[], Task]


class ClosedResourceError(Exception):
    """The session ends; what pyfuse3 expects from a reader that is woken for it."""


class Dispatcher:
    """Runs one session. Implements ``fusebridge.runtime.Runtime``.

    ``stop``, ``call_soon`` and the announcements of pool threads may come from
    any thread; everything else belongs to the thread in ``run``.
    """

    def __init__(self, *, spin_ns: int = SPIN_NS, grace_s: float = GRACE_S) -> None:
        self._spin_ns = spin_ns
        self._grace_s = grace_s
        self._descriptors = Descriptors()
        self._pools = {pool: WorkerPool(pool.name, pool.value, self._announce) for pool in Pool}
        self._ready: deque[Task] = deque()
        self._done: deque[Job[object]] = deque()
        self._woken: deque[RequestWake] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._reader: Task | None = None
        self._lock_held = False
        self._lock_waiters: deque[Task] = deque()
        self._joiner: Task | None = None
        self._root: Task | None = None
        self._starts: dict[Task, Start] = {}
        """Every worker that has not ended, and how to start another like it."""
        self._running: Task | None = None
        self._sharing: dict[Callable[[], None], list[Task]] = {}
        """Who waits for a job that another began, by its function."""
        self._jobs_in_hand = 0
        self._burst = 0
        self._first_error: BaseException | None = None
        self._closing = False
        self._closing_deadline_s = 0.0
        self._sleeping = False
        self._turn_began_s = 0.0
        self._finished = False
        self._finish_lock = threading.Lock()

    # The runtime seam

    def install(self) -> None:
        """Take the place of trio; see ``Runtime.install``."""
        # A module attribute that the type stubs do not know; pyfuse3's own
        # asyncio mode replaces it in the same way.
        vars(pyfuse3)["trio"] = TrioStandIn(self, ClosedResourceError)

    def run(self, session: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run *session*; see ``Runtime.run``."""
        # pyfuse3 awaits nothing but what this class gives it, so every
        # suspension yields a Mark.
        self._root = session()  # type: ignore[assignment]
        assert self._root is not None
        self._ready.append(self._root)
        try:
            while self._root is not None and not self._is_out_of_time():
                self._turn()
        finally:
            self._finish()
        if self._first_error is not None:
            raise self._first_error

    async def offload(
        self,
        pool: Pool,
        function: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run *function* on a thread of *pool*; see ``Runtime.offload``."""
        workers = self._pools[pool]
        job: Job[Result] = Job(workers, self._running, lambda: function(*args, **kwargs))
        self._jobs_in_hand += 1
        # The job cannot come back before the suspension below: jobs are taken
        # from the done queue by this very thread.
        workers.submit(job)  # type: ignore[arg-type]  # a pool never looks at results
        await suspend(Mark.JOB)
        return job.take()

    def make_wake(self) -> RequestWake:
        """Return a new one for the request that is running; see ``Runtime.make_wake``."""
        return RequestWake(self._running, self._announce_wake, self._until_woken)

    async def _until_woken(self) -> None:
        self._jobs_in_hand += 1
        await suspend(Mark.JOB)
        self._jobs_in_hand -= 1

    async def offload_once(self, pool: Pool, function: Callable[[], None], /) -> None:
        """Run *function* once for all who ask meanwhile; see ``Runtime.offload_once``."""
        sharing = self._sharing.get(function)
        if sharing is not None:
            assert self._running is not None
            sharing.append(self._running)
            await suspend(Mark.JOB)
            return
        sharing = self._sharing[function] = []
        try:
            await self.offload(pool, function)
        finally:
            del self._sharing[function]
            self._ready.extend(sharing)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run *function* on the serving thread; see ``Runtime.call_soon``."""
        with self._finish_lock:
            if not self._finished:
                self._calls.append(function)
                self._wake()
                return
        function()

    def stop(self) -> None:
        """Take no more requests; see ``Runtime.stop``. Harmless when repeated."""
        if not self._closing:
            self._closing_deadline_s = time.monotonic() + self._grace_s
            self._closing = True
        self._wake()

    @property
    def late_s(self) -> float:
        """Seconds since the turn in hand began; see ``Runtime.late_s``."""
        began_s = self._turn_began_s  # Once: the serving thread writes it meanwhile.
        return max(0.0, time.monotonic() - began_s) if began_s else 0.0

    # What pyfuse3 asks of trio (see fusebridge.trio_stand_in)

    async def wait_readable(self, descriptor: int) -> None:
        """Return when the kernel has a request; called with the read lock held.

        Raises:
            ClosedResourceError: the session ends.
        """
        if self._descriptors.kernel != descriptor:
            # pyfuse3 shows the descriptor nowhere else.
            self._descriptors.adopt(descriptor)
        if not self._closing and self._next_request_is_here():
            return
        if not self._closing:
            await suspend(Mark.READER)
        if self._closing:
            raise ClosedResourceError

    async def acquire_lock(self) -> None:
        """Take pyfuse3's read lock."""
        if self._lock_held:
            # Marked held for us by the dispatcher before it resumes us.
            await suspend(Mark.LOCK)
        self._lock_held = True

    def release_lock(self) -> None:
        """Give the read lock back and wake nobody.

        Whoever waits gets it after this step, if it is still free then: a
        worker that never suspends keeps reading. Unfair, and harmless, since
        any worker is as good as another.
        """
        self._lock_held = False

    def start_worker(self, start: Start) -> None:
        """Start a worker that *start* makes."""
        worker = start()
        self._starts[worker] = start
        self._ready.append(worker)

    async def join_workers(self) -> None:
        """Wait until no worker is left; raise the first error of one, as it is."""
        if self._starts:
            await suspend(Mark.JOIN)
        if self._first_error is not None:
            raise self._first_error

    # One turn

    def _turn(self) -> None:
        """Serve every class once, in bounded batches, or sleep."""
        self._turn_began_s = time.monotonic()
        self._burst = 0
        while self._calls:
            self._calls.popleft()()
        for _ in range(len(self._done)):
            job = self._done.popleft()
            job.pool.settle()
            self._jobs_in_hand -= 1
            # Only a coroutine of ours can own a job.
            self._step(job.owner)  # type: ignore[arg-type]
        for _ in range(len(self._woken)):
            wake = self._woken.popleft()
            # Only a coroutine of ours can own it; that it waits is what is waited for.
            self._step(wake.owner)  # type: ignore[arg-type]
        for _ in range(len(self._ready)):
            self._step(self._ready.popleft())
        if self._reader is not None and (self._closing or self._descriptors.peek()):
            self._resume_reader()
        elif not (self._is_busy() or self._root is None):
            self._sleep()

    def _is_busy(self) -> bool:
        return bool(self._ready or self._done or self._woken or self._calls)

    def _sleep(self) -> None:
        self._sleeping = True
        # Looked at again only now, see the module docstring.
        if self._is_busy() or (self._closing and self._reader is not None):
            self._sleeping = False
            return
        timeout_s = self._closing_deadline_s - time.monotonic() if self._closing else None
        self._turn_began_s = 0.0
        readable = self._descriptors.sleep(
            watch_kernel=self._reader is not None, timeout_s=timeout_s
        )
        self._turn_began_s = time.monotonic()
        self._sleeping = False
        if readable:
            self._resume_reader()

    def _resume_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._step(reader)

    def _step(self, task: Task) -> None:
        """Run *task* until it suspends or ends, then pass the read lock on."""
        self._running = task
        try:
            mark = task.send(None)
        except StopIteration:
            self._end(task, None)
        except Exception as error:  # kept and raised from run
            self._end(task, error)
        else:
            match mark:
                case Mark.READER:
                    self._reader = task
                case Mark.LOCK:
                    self._lock_waiters.append(task)
                case Mark.JOIN:
                    self._joiner = task
                case Mark.JOB:
                    pass  # The job, or the wake, knows who waits for it.
                case _:
                    assert_never(mark)
        if self._lock_waiters and not self._lock_held:
            self._lock_held = True
            self._ready.append(self._lock_waiters.popleft())

    def _end(self, task: Task, error: Exception | None) -> None:
        if task is self._root:
            self._root = None
            self._first_error = self._first_error or error
            return
        start = self._starts.pop(task)
        if error is not None and _is_withdrawn_request(error):
            # The ended worker still counts in pyfuse3, so one for one (trap 2).
            self.start_worker(start)
        elif error is not None:
            logger.critical("a request handler let an error escape", exc_info=error)
            self._first_error = self._first_error or error
            self.stop()
        if not self._starts and self._joiner is not None:
            self._ready.append(self._joiner)
            self._joiner = None

    def _next_request_is_here(self) -> bool:
        """Look for the next request without suspending, for a moment.

        The spin keeps the interpreter lock, so it ends when a job is done and
        is left out while jobs are in hand: their threads need the lock.
        """
        if self._burst >= BURST_MAX or self._is_busy():
            return False
        self._burst += 1
        peek = self._descriptors.peek
        if peek():
            return True
        if self._jobs_in_hand:
            return False
        clock = time.perf_counter_ns
        end = clock() + self._spin_ns
        while clock() < end and not self._calls:
            if peek():
                return True
        return False

    # Other threads

    def _announce(self, job: Job[object]) -> None:
        self._done.append(job)
        self._wake()

    def _announce_wake(self, wake: RequestWake) -> None:
        self._woken.append(wake)
        self._wake()

    def _wake(self) -> None:
        if self._sleeping:
            self._sleeping = False
            self._descriptors.ring()

    # The end

    def _is_out_of_time(self) -> bool:
        return self._closing and time.monotonic() > self._closing_deadline_s

    def _finish(self) -> None:
        """Leave nothing behind: no coroutine, no caller that waits (trap 9)."""
        if self._starts:
            logger.error("%d requests were abandoned at the end", len(self._starts))
        leftovers = [*self._starts, *([self._root] if self._root is not None else [])]
        for task in leftovers:
            task.close()
        self._turn_began_s = 0.0
        with self._finish_lock:
            self._finished = True
        while self._calls:
            self._calls.popleft()()
        for pool in self._pools.values():
            pool.close()
        self._descriptors.close()


def _is_withdrawn_request(error: Exception) -> bool:
    """Whether receive found nothing: the client was killed after the poll.

    Exactly pyfuse3's receive; a handler's own EAGAIN never gets here because
    every handler is wrapped (traps 2 and 5).
    """
    return (
        isinstance(error, OSError) and error.errno == errno.EAGAIN and "receive_buf" in str(error)
    )
