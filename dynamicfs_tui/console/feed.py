"""The one poller: asks the pool for a view and turns it into rates."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from dynamicfs_tui.console.rates import NO_RATES, PoolRates, RateBook
from engine.status.views import PoolView

logger = logging.getLogger(__name__)


class ConsoleClock(Protocol):
    """Where the console gets time from."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards."""


class MachineClock:
    """The machine's clock."""

    now_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)


class Feed:
    """Keeps the newest view, its rates, and why there is none. For the UI thread.

    After ``start`` a thread of its own takes the views, so that an engine that
    does not answer leaves the screen alive; before, ``poll`` takes them itself.
    """

    def __init__(self, take_view: Callable[[], PoolView], *, clock: ConsoleClock) -> None:
        self._take_view = take_view
        self._clock = clock
        self._book = RateBook()
        self._taken_s = clock.monotonic_s()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._awake = threading.Event()
        self._hurried = 0
        self.views_asked = 0
        """How many views have been asked for; only the one who takes them counts."""
        self.views_taken = 0
        """How many of them had been asked for when the newest one used was."""
        self._newest: _Taken | None = None
        """Published by the thread by reference; the UI thread only reads it."""
        self._used: _Taken | None = None
        self.view: PoolView | None = None
        self.rates: PoolRates = NO_RATES
        self.fault = ""
        self.changes = 0
        """Grows whenever view or rates differ from before in more than their time."""

    @property
    def stale_s(self) -> float:
        """Seconds since the newest view was taken."""
        return max(0.0, self._clock.monotonic_s() - self._taken_s)

    def start(self, poll_s: float) -> None:
        """Take a view every *poll_s* seconds in a thread, until ``stop``."""
        self._thread = threading.Thread(
            target=self._run, args=(poll_s,), name="console-feed", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread; it is not waited for, since the engine may not answer it."""
        self._ended = True
        self._awake.set()

    def hurry(self, views: int) -> None:
        """Take the next *views* at once: something was just changed."""
        self._hurried = views
        self._awake.set()

    def _run(self, poll_s: float) -> None:
        while not self._ended:
            self._newest = self._take()
            if self._hurried:
                self._hurried -= 1
                continue
            self._awake.wait(poll_s)
            self._awake.clear()

    def _take(self) -> _Taken:
        self.views_asked += 1
        number = self.views_asked
        try:
            view = self._take_view()
        except Exception as error:
            # Whatever is wrong in the engine, the operator must keep the
            # screen; it is shown as a badge.
            return _Taken(view=None, error=error, at_s=self._clock.monotonic_s(), number=number)
        return _Taken(view=view, error=None, at_s=self._clock.monotonic_s(), number=number)

    def poll(self) -> None:
        """Use the newest view. Never raises: a console that dies helps nobody in a failure."""
        taken = self._take() if self._thread is None else self._newest
        if taken is None or taken is self._used:
            return
        self._used = taken
        self.views_taken = taken.number
        error = taken.error
        if taken.view is not None:
            try:
                rates = self._book.observe(taken.view)
            except Exception as found:
                # A view that makes no sense is a fault like one that was not given.
                error = found
            else:
                self._accept(taken.view, rates, taken.at_s)
        if error is not None:
            self._note_fault(error)

    def _accept(self, view: PoolView, rates: PoolRates, at_s: float) -> None:
        if self.view is None or self.fault or rates is not self.rates or differ(view, self.view):
            self.changes += 1
        self.view, self.rates, self.fault, self._taken_s = view, rates, "", at_s

    def _note_fault(self, error: Exception) -> None:
        fault = f"{type(error).__name__}: {error}"
        if fault != self.fault:
            logger.error("the pool's view could not be taken", exc_info=error)
            self.changes += 1
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One attempt to take a view: the view, or what was raised."""

    view: PoolView | None
    error: Exception | None
    at_s: float
    number: int
    """How many were asked for with it."""


def differ(one: PoolView, other: PoolView) -> bool:
    """Whether two views show different things, their time aside."""
    return one != replace(other, monotonic_s=one.monotonic_s, time_ns=one.time_ns)
