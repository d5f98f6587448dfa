"""A thread that looks at calls for which nobody waits, so that each is ended in time (P8)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

LOOK_S: Final = 1.0
"""Between two looks; a call is given up this much later than its limit at most."""

IDLE_LOOKS_MAX: Final = 10
"""Looks without any call under way before the thread ends."""

Look = Callable[[], bool]
"""Gives up what is overdue; returns whether it has to look again."""


class OverdueWatch:
    """Repeats looks until each finds nothing left. Thread-safe.

    The thread is there while it is needed, so nobody has to close it.
    """

    def __init__(self, *, look_s: float = LOOK_S) -> None:
        """*look_s* is how many seconds pass between two looks."""
        self._look_s: Final = look_s
        self._lock: Final = threading.Lock()
        self._looks: set[Look] = set()
        self._runs = False

    def add(self, look: Look) -> None:
        """Call *look* from now on, until it returns False."""
        with self._lock:
            self._looks.add(look)
            starts, self._runs = not self._runs, True
        if starts:
            threading.Thread(target=self._serve, name="overdue-calls", daemon=True).start()

    def _serve(self) -> None:
        idle = 0
        while True:
            time.sleep(self._look_s)
            with self._lock:
                # Taken out before they look: what is added meanwhile stays.
                looks, self._looks = self._looks, set()
                idle = 0 if looks else idle + 1
                if idle > IDLE_LOOKS_MAX:
                    self._runs = False
                    return
            again = {look for look in looks if look()}
            with self._lock:
                self._looks |= again


SHARED_WATCH: Final = OverdueWatch()
"""One for the process: a look takes no time."""
