"""What reconcile was asked for: extents to look at, damage that may be mended, a look at all."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from engine.ids import ExtentId
from engine.limits import RECONCILE_ITEMS_MAX


class Requests:
    """Bounded (P8): too many extents become all of them. Thread-safe."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._extents: list[ExtentId] = []
        self._mend: set[ExtentId] = set()
        self._mend_all = False
        self._look_anew = False

    @property
    def waiting(self) -> bool:
        """Whether anything asked for has not been taken up."""
        return self._look_anew or bool(self._extents)

    def look_at(self, extents: Iterable[ExtentId]) -> None:
        """Have *extents* compared; the caller keeps them bounded."""
        with self._lock:
            self._extents += extents

    def mend(self, extents: Iterable[ExtentId]) -> None:
        """Let the damage of *extents* be mended, soon."""
        with self._lock:
            for extent_id in extents:
                if len(self._mend) < RECONCILE_ITEMS_MAX:
                    self._mend.add(extent_id)
                    self._extents.append(extent_id)
                else:
                    self._mend_all = self._look_anew = True

    def mend_all(self) -> None:
        """Let all known damage be mended."""
        with self._lock:
            self._mend_all = self._look_anew = True

    def look_anew(self) -> None:
        """Have everything compared once more."""
        with self._lock:
            self._look_anew = True

    def take_look_anew(self) -> bool:
        """Return whether everything is to be compared, and forget it."""
        with self._lock:
            asked, self._look_anew = self._look_anew, False
        return asked

    def take(self, count: int) -> list[ExtentId]:
        """Return and forget the next *count* extents to compare."""
        with self._lock:
            taken = self._extents[:count]
            del self._extents[:count]
        return taken

    def may_mend(self, extent_id: ExtentId) -> bool:
        """Whether the known damage of an extent may be mended now."""
        return self._mend_all or extent_id in self._mend

    def settled(self, extent_id: ExtentId) -> None:
        """An extent is as it should be: new damage needs a new request."""
        with self._lock:
            self._mend.discard(extent_id)

    def end_mending(self) -> None:
        """All that may be mended, is."""
        with self._lock:
            self._mend.clear()
            self._mend_all = False
