"""Which extents lost segments, perhaps their last. Protected by the write lock.

Only a hint that saves searching: what a crash makes it forget is found again
by a sweep over all extents.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX


class Garbage:
    """Extents to look at, and extents that must be left alone for now."""

    def __init__(self) -> None:
        self._candidates: set[ExtentId] = set()
        self._landing: set[ExtentId] = set()
        self._shrunk: set[ExtentId] = set()

    def suspect(self, extents: frozenset[ExtentId]) -> None:
        """These lost a segment, perhaps their last."""
        self._candidates |= extents

    def begin_landing(self, extent_id: ExtentId) -> None:
        """The extent's segments are being added, several operations long."""
        self._landing.add(extent_id)

    def end_landing(self, extent_id: ExtentId) -> None:
        """All its segments are there; it may be that none is."""
        self._landing.discard(extent_id)
        self._candidates.add(extent_id)

    def is_landing(self, extent_id: ExtentId) -> bool:
        """Whether the extent must be left alone."""
        return extent_id in self._landing

    def take(self, limit: int) -> list[ExtentId]:
        """Return up to *limit* candidates that may be looked at now."""
        taken = [one for one in self._candidates if one not in self._landing][:limit]
        self._candidates.difference_update(taken)
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
        return len(self._candidates)
