"""Which extents may have lost their last segment. Protected by the write lock.

Only a hint that saves searching: what a crash makes it forget, or what found
no room, is found again by a sweep over all extents.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from engine.ids import ExtentId

CANDIDATES_MAX: Final = 65_536
"""Hints that are kept (P8), some 10 MB; a sweep finds the others."""


class Garbage:
    """Extents to look at, oldest hint first, and extents to leave alone for now."""

    def __init__(self) -> None:
        self._queue: deque[ExtentId] = deque()
        self._queued: set[ExtentId] = set()
        self._landing: set[ExtentId] = set()
        self.forgot = False
        """Whether hints found no room since this was last set back; a sweep is due."""

    def suspect(self, extents: Iterable[ExtentId]) -> None:
        """These lost a segment, perhaps their last."""
        for extent_id in extents:
            if extent_id in self._queued:
                continue
            if len(self._queue) >= CANDIDATES_MAX:
                self.forgot = True
                return
            self._queued.add(extent_id)
            self._queue.append(extent_id)

    def begin_landing(self, extent_id: ExtentId) -> None:
        """The extent's segments are being added, several operations long."""
        self._landing.add(extent_id)

    def end_landing(self, extent_id: ExtentId) -> None:
        """All its segments are there; it may be that none is."""
        self._landing.discard(extent_id)
        self.suspect((extent_id,))

    def is_landing(self, extent_id: ExtentId) -> bool:
        """Whether the extent must be left alone."""
        return extent_id in self._landing

    def take(self, limit: int) -> list[ExtentId]:
        """Return up to *limit* candidates that may be looked at now.

        One that is landing is passed: it comes again when it has landed. Takes
        time for what it returns, however many wait.
        """
        taken: list[ExtentId] = []
        while self._queue and len(taken) < limit:
            extent_id = self._queue.popleft()
            self._queued.discard(extent_id)
            if extent_id not in self._landing:
                taken.append(extent_id)
        return taken

    @property
    def count(self) -> int:
        """How many wait to be looked at."""
        return len(self._queue)
