"""The one poller: asks the pool for a view and turns it into rates."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Protocol

from dynamicfs_tui.console.rates import NO_RATES, PoolRates, RateBook
from engine.status.control import PoolControl
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
    """Keeps the newest view, its rates, and why there is none. For the UI thread."""

    def __init__(self, control: PoolControl) -> None:
        self._control = control
        self._book = RateBook()
        self.view: PoolView | None = None
        self.rates: PoolRates = NO_RATES
        self.fault = ""
        self.changes = 0
        """Grows whenever view or rates differ from before in more than their time."""

    def poll(self) -> None:
        """Take a view. Never raises: a console that dies helps nobody in a failure."""
        try:
            view = self._control.view()
            rates = self._book.observe(view)
        except Exception as error:
            # Whatever is wrong in the engine, the operator must keep the
            # screen; it is shown as a badge and written to the log once.
            fault = f"{type(error).__name__}: {error}"
            if fault != self.fault:
                logger.exception("the pool's view could not be taken")
                self.changes += 1
            self.fault = fault
            return
        if self.view is None or self.fault or rates is not self.rates or differ(view, self.view):
            self.changes += 1
        self.view, self.rates, self.fault = view, rates, ""


def differ(one: PoolView, other: PoolView) -> bool:
    """Whether two views show different things, their time aside."""
    return one != replace(other, monotonic_s=one.monotonic_s, time_ns=one.time_ns)
