"""What ``pyfuse3`` finds under the name ``trio``: the few things it uses of it.

They are Lock, ClosedResourceError, open_nursery, and of ``lowlevel``
wait_readable, current_task, current_trio_token and notify_closing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Never, Protocol


class Owner(Protocol):
    """What the dispatcher does for each of them."""

    async def wait_readable(self, descriptor: int) -> None:
        """Wait for the kernel."""

    async def acquire_lock(self) -> None:
        """Take the read lock."""

    def release_lock(self) -> None:
        """Give it back."""

    def start_worker(self, start: Callable[[], Coroutine[Never, None, object]]) -> None:
        """Start a coroutine."""

    async def join_workers(self) -> None:
        """Wait for all of them."""

    def stop(self) -> None:
        """End the session."""


class _Lock:
    """The read lock; see ``Dispatcher.release_lock`` for its unusual manners."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def __aenter__(self) -> None:
        await self._owner.acquire_lock()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.release_lock()


class _Nursery:
    """Where pyfuse3 starts its workers."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def __aenter__(self) -> _Nursery:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._owner.join_workers()

    def start_soon(
        self, function: Callable[..., Coroutine[Never, None, object]], *args: object, name: str
    ) -> None:
        """Start a worker. Its name serves only trio's own displays."""
        self._owner.start_worker(lambda: function(*args))


class _CurrentTask:
    """pyfuse3 reads the name for its debug log."""

    name = "fuse-worker"


class _LowLevel:
    """``trio.lowlevel``."""

    def __init__(self, owner: Owner) -> None:
        self.wait_readable = owner.wait_readable
        self._owner = owner
        self._task = _CurrentTask()

    def current_task(self) -> _CurrentTask:
        """Return something with a name."""
        return self._task

    def current_trio_token(self) -> object:
        """Return a token; pyfuse3 only stores it."""
        return self._owner

    def notify_closing(self, descriptor: int) -> None:
        """End the session; called by ``pyfuse3.terminate`` from any thread."""
        self._owner.stop()


class TrioStandIn:
    """The object in the place of the module."""

    def __init__(self, owner: Owner, closed: type[Exception]) -> None:
        self._owner = owner
        self.ClosedResourceError = closed
        self.lowlevel = _LowLevel(owner)

    def Lock(self) -> _Lock:  # noqa: N802 - the name pyfuse3 asks for
        """Return the read lock; pyfuse3 makes one per session."""
        return _Lock(self._owner)

    def open_nursery(self) -> _Nursery:
        """Return the nursery of this session."""
        return _Nursery(self._owner)
