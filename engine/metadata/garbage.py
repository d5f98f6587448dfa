"""Which extents lost segments, perhaps their last. Protected by the write lock.

Only a hint that saves searching: what a crash makes it forget, or what found
no room, is found again by a sweep over all extents.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX

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
        self._shrunk: set[ExtentId] = set()

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

    def note_shrunk(self, extents: Iterable[ExtentId]) -> None:
        """These have fewer live bytes than before, or none; more than the bound are forgotten."""
        for extent_id in extents:
            if len(self._shrunk) < RECONCILE_ITEMS_MAX:
                self._shrunk.add(extent_id)

    def take_shrunk(self, limit: int) -> list[ExtentId]:
        """Return up to *limit* extents that have fewer live bytes than before."""
        taken = list(islice(self._shrunk, limit))
        self._shrunk.difference_update(taken)
        return taken

    @property
    def shrunk_count(self) -> int:
        """How many extents wait in ``take_shrunk``."""
        return len(self._shrunk)

    @property
    def count(self) -> int:
        """How many wait to be looked at."""
        return len(self._queue)
