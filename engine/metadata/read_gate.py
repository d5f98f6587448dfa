"""Who may still be reading what: fragments outlive every reader that saw them (P5)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadGate:
    """Counts reads in flight by the order they began. Thread-safe.

    Collect takes a ``mark`` after it dropped an extent and deletes the files
    once ``passed`` says that every read from before the mark has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 1
        self._active: set[int] = set()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold while resolving a range and reading its extents."""
        ticket = self.begin()
        try:
            yield
        finally:
            self.end(ticket)

    def begin(self) -> int:
        """Begin what ``enter`` holds, where it ends elsewhere; return its ticket for ``end``."""
        with self._lock:
            ticket = self._next
            self._next += 1
            self._active.add(ticket)
        return ticket

    def end(self, ticket: int) -> None:
        """End a read; harmless when repeated. Any thread."""
        with self._lock:
            self._active.discard(ticket)

    def mark(self) -> int:
        """Return a mark: reads that begin later do not count for it."""
        with self._lock:
            return self._next

    def passed(self, mark: int) -> bool:
        """Whether every read from before *mark* has ended."""
        with self._lock:
            return not self._active or min(self._active) >= mark
