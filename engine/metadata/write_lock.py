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

_BUCKETS: Final = 64
"""More than the nanoseconds of the clock have bits, so none is ever out of range."""

_now_ns: Final = time.perf_counter_ns


class WriteLock:
    """A re-entrant lock that remembers how long it was held.

    >>> lock = WriteLock()
    >>> with lock, lock:
    ...     pass
    >>> lock.holds(), 0 < lock.held_below_s(0.99) < 1
    (1, True)
    """

    # Every operation takes it several times over, so each taking is one call here.

    __slots__ = ("_depth", "_holds", "_lock", "_taken_ns")

    def __init__(self) -> None:
        self._lock: Final = threading.RLock()
        self._depth = 0
        self._taken_ns = 0
        self._holds: Final = [0] * _BUCKETS

    def acquire(self) -> None:
        """Take it; the thread that holds it may take it again."""
        self._lock.acquire()
        if self._depth:
            self._depth += 1
        else:
            self._depth = 1
            self._taken_ns = _now_ns()

    def release(self) -> None:
        """Give it back, as often as it was taken."""
        if self._depth > 1:
            self._depth -= 1
        else:
            self._depth = 0
            self._holds[((_now_ns() - self._taken_ns) // 1000).bit_length()] += 1
        self._lock.release()

    def condition(self) -> threading.Condition:
        """Return a condition of this lock; a wait on it ends the hold, however deep."""
        return threading.Condition(cast(threading.RLock, self))

    # What ``threading.Condition`` asks of a re-entrant lock

    def _is_owned(self) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        # Free just now, or ours: only then somebody has taken it before.
        owned = self._depth > 0
        self._lock.release()
        return owned

    def _release_save(self) -> int:
        depth = self._depth
        for _ in range(depth):
            self.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        for _ in range(depth):
            self.acquire()

    __enter__ = acquire

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._depth > 1:
            self._depth -= 1
        else:
            self._depth = 0
            self._holds[((_now_ns() - self._taken_ns) // 1000).bit_length()] += 1
        self._lock.release()

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
