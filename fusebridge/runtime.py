"""The seam between the bridge and whatever runs its coroutines.

Operations know only ``offload``; Mount knows only ``run``, ``call_soon`` and
``stop``. The dispatcher is one implementation, a thin layer over trio could be
another (decision 0001).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import ParamSpec, Protocol, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Pool(Enum):
    """Who waits with whom. The value is the number of threads at most.

    Reads never queue behind writers that wait for a buffer, names never
    behind data, and many fsyncs share one group, so they get the most threads.
    """

    READ = 16
    WRITE = 8
    METADATA = 4
    SYNC = 32


class Wake(Protocol):
    """Lets one request wait for something that another thread tells of."""

    def ring(self) -> None:
        """Let the request go on; once, from any thread, also before it waits."""

    async def wait(self) -> None:
        """Wait until it rang; at most once, in the request that made it."""


class Runtime(Protocol):
    """Runs the session of one mount."""

    def install(self) -> None:
        """Take the place of ``pyfuse3.trio``; before ``pyfuse3.init``."""

    def run(self, session: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run *session* to its end on this thread; raise what ended it."""

    async def offload(
        self,
        pool: Pool,
        function: Callable[Parameters, Result],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Run *function* on a thread of *pool*; return or raise what it does."""
        ...

    def make_wake(self) -> Wake:
        """Return a new one for the request that is running."""
        ...

    async def offload_once(self, pool: Pool, function: Callable[[], None], /) -> None:
        """Run *function* on a thread of *pool*, once for all who ask while it runs.

        Those who come later hold no thread and go on behind the first, in their
        order, however it ended: its error is raised to the first alone.
        """
        ...

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run *function* on the serving thread; any thread may ask.

        When the session is over it runs at once, on the caller's thread.
        """

    @property
    def late_s(self) -> float:
        """Seconds since the turn in hand began; 0 while nothing is to do. Any thread.

        A turn is some requests, each served without waiting for a disk: one that
        lasts for seconds is stuck in one of them. Takes no lock.
        """

    def stop(self) -> None:
        """Take no more requests, finish those in hand; any thread may ask."""
