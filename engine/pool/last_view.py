"""A view within a second, whatever holds the engine: the newest one, or the last with its age."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from engine.clock import Clock
from engine.errors import PoolBusyError
from engine.limits import CONTROL_VIEW_S
from engine.status.codes import Code
from engine.status.sentences import span
from engine.status.verdict import told
from engine.status.views import PoolView


class LastView:
    """Takes views in a thread of its own and keeps the newest. Thread-safe.

    At most one thread is out for a view: those who ask meanwhile wait for that one.
    """

    def __init__(
        self, take: Callable[[], PoolView], clock: Clock, *, wait_s: float = CONTROL_VIEW_S
    ) -> None:
        self._take: Final = take
        self._clock: Final = clock
        self._wait_s: Final = wait_s
        self._lock: Final = threading.Lock()
        self._under_way: _Errand | None = None
        self._newest: PoolView | None = None
        self._taken_s = 0.0

    def view(self) -> PoolView:
        """Return a view of now, or after *wait_s* the last one, which says its age.

        Raises:
            PoolBusyError: the engine does not answer, and there is no last view.
        """
        with self._lock:
            errand = self._under_way
            if errand is None:
                errand = self._under_way = _Errand(self._fetch)
        if errand.done.wait(self._wait_s):
            if errand.error is not None:
                raise errand.error
            assert errand.view is not None
            return errand.view
        with self._lock:
            newest, taken_s = self._newest, self._taken_s
        if newest is None:
            raise PoolBusyError(f"the engine did not answer within {self._wait_s:.0f} s")
        return aged(newest, self._clock.monotonic_s() - taken_s)

    def _fetch(self, errand: _Errand) -> None:
        try:
            errand.view = self._take()
        except Exception as error:  # whatever it is, those who wait must hear it
            errand.error = error
        with self._lock:
            self._under_way = None
            if errand.view is not None:
                self._newest, self._taken_s = errand.view, self._clock.monotonic_s()
        errand.done.set()


class _Errand:
    """One view under way, in a daemon thread: what is stuck must not keep the process."""

    def __init__(self, fetch: Callable[[_Errand], None]) -> None:
        self.done: Final = threading.Event()
        self.view: PoolView | None = None
        self.error: Exception | None = None
        threading.Thread(target=fetch, args=(self,), name="view", daemon=True).start()


def aged(view: PoolView, age_s: float) -> PoolView:
    """Return *view* as one of an engine that has not answered since."""
    sentence = f"The engine does not answer; what is shown is {span(age_s)} old."
    stuck = told(Code.ENGINE_STUCK, sentence, subject="view")
    return replace(
        view,
        heartbeat_s=max(view.heartbeat_s, age_s),
        verdict=stuck,
        conditions=(stuck, *view.conditions),
    )
