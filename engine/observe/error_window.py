"""Errors of one disk: totals for ever, and how many lately.

Lately is counted in buckets of time, so that memory and the statistics file
stay bounded whatever a disk does (P8). Sums do not depend on the order in
which errors were noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BUCKET_NS: Final = 10 * 1_000_000_000
"""Errors of one such span of wall-clock time are one number."""

WINDOW_NS: Final = 600 * 1_000_000_000
"""What is older is no longer recent: ten minutes (H2)."""

assert WINDOW_NS % BUCKET_NS == 0


class ErrorKind(StrEnum):
    """What went wrong on a disk, or was made good again."""

    IO = "io"
    CHECKSUM = "checksum"
    TIMEOUT = "timeout"
    DENIED = "denied"
    """It refused a change: read-only, or not permitted."""
    REPAIRED = "repaired"
    """Information, no error."""


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """*count* errors of one *kind* within one bucket; ``bucket`` is in BUCKET_NS."""

    kind: ErrorKind
    bucket: int
    count: int


class ErrorWindow:
    """Counts by kind. Not thread-safe: the owner has a lock.

    >>> window = ErrorWindow()
    >>> window.note(ErrorKind.IO, now_ns=0, count=2)
    >>> window.recent(ErrorKind.IO, now_ns=WINDOW_NS), window.total(ErrorKind.IO)
    (2, 2)
    >>> window.recent(ErrorKind.IO, now_ns=WINDOW_NS + BUCKET_NS), window.total(ErrorKind.IO)
    (0, 2)
    """

    def __init__(
        self, totals: Iterable[tuple[ErrorKind, int]] = (), recent: Iterable[ErrorCount] = ()
    ) -> None:
        self._totals: dict[ErrorKind, int] = defaultdict(int, totals)
        self._buckets: dict[tuple[ErrorKind, int], int] = {
            (one.kind, one.bucket): one.count for one in recent
        }
        self._last_ns = max((one.bucket * BUCKET_NS for one in recent), default=0)

    def note(self, kind: ErrorKind, *, now_ns: int, count: int = 1) -> None:
        """Count *count* more of *kind*, of now."""
        key = (kind, now_ns // BUCKET_NS)
        self._totals[kind] += count
        self._buckets[key] = self._buckets.get(key, 0) + count
        if kind is not ErrorKind.REPAIRED:
            self._last_ns = max(self._last_ns, now_ns)
        self._forget_old(now_ns)

    def recent(self, kind: ErrorKind, *, now_ns: int) -> int:
        """Return how many of *kind* there were within the window before now."""
        return sum(
            count
            for (one, bucket), count in self._buckets.items()
            if one is kind and _is_recent(bucket, now_ns)
        )

    def total(self, kind: ErrorKind) -> int:
        """Return how many of *kind* there ever were."""
        return self._totals[kind]

    def quiet_s(self, *, now_ns: int) -> float:
        """Return seconds since the last error; many when there was none."""
        return max(0, now_ns - self._last_ns) / 1e9

    def counts(self, *, now_ns: int) -> list[ErrorCount]:
        """Return the recent buckets, to be kept in a file."""
        self._forget_old(now_ns)
        return [ErrorCount(kind, bucket, n) for (kind, bucket), n in self._buckets.items()]

    def totals(self) -> list[tuple[ErrorKind, int]]:
        """Return the totals, to be kept in a file."""
        return list(self._totals.items())

    def begin_anew(self) -> None:
        """Forget what was recent; totals stay."""
        self._buckets.clear()
        self._last_ns = 0

    def _forget_old(self, now_ns: int) -> None:
        for key in [key for key in self._buckets if not _is_recent(key[1], now_ns)]:
            del self._buckets[key]


def _is_recent(bucket: int, now_ns: int) -> bool:
    """Whether a bucket is within the window; one far ahead is of a clock that was wrong."""
    return abs(now_ns // BUCKET_NS - bucket) <= WINDOW_NS // BUCKET_NS
