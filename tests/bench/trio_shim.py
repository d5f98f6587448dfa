"""The alternative of decision 0001: trio itself, with its two slow parts replaced.

Only ``wait_readable`` (a look that keeps the interpreter lock, a short spin)
and pyfuse3's read lock are ours. For comparison only: no stress, no
replacement of workers that died of EAGAIN, no grace time at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import ParamSpec, TypeVar

import pyfuse3
import trio

from fusebridge.descriptors import Descriptors
from fusebridge.dispatcher import BURST_MAX, SPIN_NS
from fusebridge.runtime import Pool

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _Lock:
    """Trio's, but taking it while it is free costs no turn of the event loop."""

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


class _TrioWake:
    """Implements ``fusebridge.runtime.Wake``."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token
        self._event = trio.Event()

    def ring(self) -> None:
        self._token.run_sync_soon(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


class TrioShim:
    """Implements ``fusebridge.runtime.Runtime`` over trio."""

    def __init__(self) -> None:
        self._descriptors = Descriptors()
        self._limits = {pool: trio.CapacityLimiter(pool.value) for pool in Pool}
        self._sharing: dict[Callable[[], None], trio.Event] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._burst = 0

    @property
    def late_s(self) -> float:
        """Trio has no turns that could be looked at from outside."""
        return 0.0

    def install(self) -> None:
        """Stand in the place of ``pyfuse3.trio``."""
        lowlevel = SimpleNamespace(**vars(trio.lowlevel))
        lowlevel.wait_readable = self._wait_readable
        stand_in = SimpleNamespace(**vars(trio))
        stand_in.lowlevel = lowlevel
        stand_in.Lock = _Lock
        vars(pyfuse3)["trio"] = stand_in

    def run(self, session: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run *session* under trio."""

        async def remember_and_run() -> None:
            self._token = trio.lowlevel.current_trio_token()
            await session()

        trio.run(remember_and_run)

    async def offload(
        self,
        pool: Pool,
        function: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run *function* on a thread of trio's."""
        call = partial(function, *args, **kwargs)
        return await trio.to_thread.run_sync(call, limiter=self._limits[pool])

    def make_wake(self) -> _TrioWake:
        """Return an event of trio's that other threads may set."""
        assert self._token is not None
        return _TrioWake(self._token)

    async def offload_once(self, pool: Pool, function: Callable[[], None], /) -> None:
        """Run *function* once for all who ask meanwhile."""
        ended = self._sharing.get(function)
        if ended is not None:
            await ended.wait()
            return
        ended = self._sharing[function] = trio.Event()
        try:
            await self.offload(pool, function)
        finally:
            del self._sharing[function]
            ended.set()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run *function* on trio's thread."""
        if self._token is not None:
            try:
                self._token.run_sync_soon(function)
            except trio.RunFinishedError:
                function()

    def stop(self) -> None:
        """Nothing of its own: ``pyfuse3.terminate`` ends trio's session."""

    async def _wait_readable(self, descriptor: int) -> None:
        if self._descriptors.kernel != descriptor:
            self._descriptors.adopt(descriptor)
        if self._burst < BURST_MAX:
            self._burst += 1
            end = time.perf_counter_ns() + SPIN_NS
            while not self._descriptors.peek():
                if time.perf_counter_ns() > end:
                    break
            else:
                return
        self._burst = 0
        await trio.lowlevel.wait_readable(descriptor)
