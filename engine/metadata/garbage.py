"""Which extents may have lost their last segment. Protected by the write lock.

Only a hint that saves searching: what a crash makes it forget is found again
by a sweep over all extents.
"""

from __future__ import annotations

from engine.ids import ExtentId


class Garbage:
    """Extents to look at, and extents that must be left alone for now."""

    def __init__(self) -> None:
        self._candidates: set[ExtentId] = set()
        self._landing: set[ExtentId] = set()

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

    @property
    def count(self) -> int:
        """How many wait to be looked at."""
        return len(self._candidates)
