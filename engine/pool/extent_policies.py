"""What files want of extents, for reconcile (``maintenance.topology.ExtentPolicies``)."""

from __future__ import annotations

import threading
from typing import Final

from engine.ids import ExtentId
from engine.maintenance.wanted import WantedRedundancy
from engine.model.redundancy import Redundancy
from engine.pool.assembly import Engine

SETTLE_S: Final = 10.0
"""A move of a directory may change what files want: all are compared anew, but
not more often than this."""


class FileWishes:
    """The policies of the files of one engine. Thread-safe; ``refresh`` by one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._wanted: Final = WantedRedundancy(
            engine.readers, default=lambda: engine.properties.redundancy
        )
        self._lock: Final = threading.Lock()
        self._version = 0
        self._taken_s = float("-inf")

    def version(self) -> int:
        """Return a number that changes when any answer may; 0 while no file wants its own."""
        policies, base = self._engine.policies, self._engine.base
        now_s = base.clock.monotonic_s()
        with self._lock:
            if now_s - self._taken_s < SETTLE_S:
                return self._version
            seen = self._version
        with base.store.lock:
            # One more than it says, which may be 0 although there are policies.
            version = policies.version + 1 if policies.is_any() else 0
        with self._lock:
            if version != seen:
                self._version, self._taken_s = version, now_s
            return self._version

    def refresh(self) -> None:
        """Walk the files with a policy anew."""
        self._wanted.refresh()

    def wanted_of(self, extent_id: ExtentId) -> Redundancy | None:
        """Return the strongest policy of its files."""
        return self._wanted.of(extent_id)
