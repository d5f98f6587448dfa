"""The lock around the metadata, and for how long it is held.

Everything that changes names, maps or extents waits for it, so what one
holder does is what all others wait (P7). Holds are counted in buckets of
powers of two microseconds, by the holder: no other lock, no allocation.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Final, cast

_BUCKETS: Final = 32
"""The last one begins at 2**30 µs: nobody holds a lock for eighteen minutes."""


class WriteLock:
    """A re-entrant lock that remembers how long it was held.

    >>> lock = WriteLock()
    >>> with lock, lock:
    ...     pass
    >>> lock.holds(), 0 < lock.held_below_s(0.99) < 1
    (1, True)
    """

    __slots__ = ("_depth", "_holds", "_lock", "_owner", "_taken_ns")

    def __init__(self) -> None:
        self._lock: Final = threading.RLock()
        self._depth = 0
        self._owner = 0
        self._taken_ns = 0
        self._holds: Final = [0] * _BUCKETS

    def acquire(self) -> None:
        """Take it; the thread that holds it may take it again."""
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self._owner = threading.get_ident()
            self._taken_ns = time.perf_counter_ns()

    def release(self) -> None:
        """Give it back, as often as it was taken."""
        self._depth -= 1
        if not self._depth:
            self._count_hold()
        self._lock.release()

    def condition(self) -> threading.Condition:
        """Return a condition of this lock; a wait on it ends the hold, however deep."""
        return threading.Condition(cast(threading.RLock, self))

    def _count_hold(self) -> None:
        self._owner = 0
        held_us = (time.perf_counter_ns() - self._taken_ns) // 1000
        self._holds[min(held_us.bit_length(), _BUCKETS - 1)] += 1

    # What ``threading.Condition`` asks of a re-entrant lock

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()

    def _release_save(self) -> int:
        depth, self._depth = self._depth, 0
        self._count_hold()
        for _ in range(depth):
            self._lock.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        for _ in range(depth):
            self.acquire()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def holds(self) -> int:
        """Return how often it was held, from the outermost taking on. Any thread."""
        return sum(self._holds)

    def held_below_s(self, share: float) -> float:
        """Return the seconds that *share* of the holds stayed below, to a factor of two."""
        counts = self._holds[:]
        left = sum(counts) * share
        if not left:
            return 0.0
        for bucket, count in enumerate(counts):
            left -= count
            if left <= 0:
                return float(1 << bucket) / 1e6
        return float(1 << (_BUCKETS - 1)) / 1e6
