"""Rates from counters: the difference of two views divided by the time between them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from engine.status.views import DiskView, PoolView

HISTORY_S: Final = 60
"""Samples kept per series, one a second: what a sparkline shows."""

SAMPLE_S: Final = 1.0
"""Rates are taken over at least this long, so that they can be read."""

ETA_MIN_S: Final = 10.0
"""No ETA before this much was seen."""

ETA_WINDOW_S: Final = 60.0
"""Time constant of the moving average behind an ETA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRates:
    """Bytes a second of one disk, now and for the last minute (oldest first)."""

    read_bytes_s: float | None = None
    write_bytes_s: float | None = None
    read_history: tuple[float | None, ...] = ()
    write_history: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRates:
    """What the users of the pool do, per second. ``None`` until two views were seen."""

    read_bytes_s: float | None = None
    write_bytes_s: float | None = None
    ops_s: float | None = None
    rebuild_bytes_s: float | None = None
    rebuild_eta_s: float | None = None
    disks: tuple[tuple[str, DiskRates], ...] = ()
    """By disk UUID, in the order of the view."""

    def of(self, uuid: str) -> DiskRates:
        """Return the rates of the disk *uuid*; unknown ones have none."""
        return next((rates for key, rates in self.disks if key == uuid), NO_DISK_RATES)


NO_DISK_RATES: Final = DiskRates()
NO_RATES: Final = PoolRates()


class EtaEstimator:
    """Time left of a job, from a moving average of its rate over ``ETA_WINDOW_S``.

    Starts anew when the job's progress goes backwards (it is another job).
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._last_s = 0.0
        self._last_bytes = 0
        self._rate: float | None = None

    def observe(self, now_s: float, done_bytes: int) -> None:
        """Note that *done_bytes* were done at *now_s*."""
        if self._first_s is None or done_bytes < self._last_bytes:
            self._first_s, self._rate = now_s, None
        elif (passed_s := now_s - self._last_s) > 0:
            rate = (done_bytes - self._last_bytes) / passed_s
            weight = min(1.0, passed_s / ETA_WINDOW_S)
            # While less than a window was seen, a plain average is closer.
            seen_s = now_s - self._first_s
            weight = max(weight, passed_s / seen_s) if seen_s < ETA_WINDOW_S else weight
            self._rate = rate if self._rate is None else self._rate + weight * (rate - self._rate)
        self._last_s, self._last_bytes = now_s, done_bytes

    @property
    def rate_bytes_s(self) -> float | None:
        """Average bytes a second; ``None`` before two observations."""
        return self._rate

    def eta_s(self, total_bytes: int) -> float | None:
        """Return seconds until *total_bytes*; ``None`` while there is no telling."""
        if self._first_s is None or self._last_s - self._first_s < ETA_MIN_S:
            return None
        if not self._rate or self._rate <= 0:
            return None
        return max(0.0, (total_bytes - self._last_bytes) / self._rate)


class _Series:
    """One growing counter and its rate at the last ``HISTORY_S`` seconds."""

    __slots__ = ("history", "last", "rate")

    def __init__(self, start: int) -> None:
        self.last = start
        self.rate: float | None = None
        self.history: deque[float | None] = deque(maxlen=HISTORY_S)

    def sample(self, value: int, passed_s: float) -> None:
        """Add the rate over *passed_s*; seconds nobody looked at become gaps."""
        self.history.extend([None] * min(HISTORY_S, round(passed_s / SAMPLE_S) - 1))
        # A smaller value is another process's counter: a gap, not a negative rate.
        self.rate = (value - self.last) / passed_s if value >= self.last else None
        self.history.append(self.rate)
        self.last = value


class RateBook:
    """Turns a stream of views into rates. For one thread."""

    def __init__(self) -> None:
        self._sampled_s: float | None = None
        self._series: dict[tuple[str, str], _Series] = {}
        self._rebuild = EtaEstimator()
        self._rates = NO_RATES

    def observe(self, view: PoolView) -> PoolRates:
        """Return the rates after *view*; they change once per ``SAMPLE_S``."""
        passed_s = None if self._sampled_s is None else view.monotonic_s - self._sampled_s
        if passed_s is not None and 0 <= passed_s < SAMPLE_S:
            return self._rates
        counters = _counters(view)
        for key, value in counters.items():
            series = self._series.get(key)
            if series is None or passed_s is None or passed_s < 0:
                self._series[key] = _Series(value)
            else:
                series.sample(value, passed_s)
        for gone in self._series.keys() - counters.keys():
            del self._series[gone]
        self._sampled_s = view.monotonic_s
        if view.reconcile.active:
            self._rebuild.observe(view.monotonic_s, view.reconcile.done_bytes)
        else:
            self._rebuild = EtaEstimator()
        self._rates = self._collect(view)
        return self._rates

    def _collect(self, view: PoolView) -> PoolRates:
        rebuild = view.reconcile
        return PoolRates(
            read_bytes_s=self._series["", "read"].rate,
            write_bytes_s=self._series["", "write"].rate,
            ops_s=self._series["", "ops"].rate,
            rebuild_bytes_s=rebuild.rate_bytes_s or self._rebuild.rate_bytes_s,
            rebuild_eta_s=(
                rebuild.eta_s
                if rebuild.eta_s is not None
                else self._rebuild.eta_s(rebuild.total_bytes)
            ),
            disks=tuple((disk.uuid, self._disk(disk)) for disk in view.disks),
        )

    def _disk(self, disk: DiskView) -> DiskRates:
        read, write = self._series[disk.uuid, "read"], self._series[disk.uuid, "write"]
        return DiskRates(
            read_bytes_s=read.rate,
            write_bytes_s=write.rate,
            read_history=tuple(read.history),
            write_history=tuple(write.history),
        )


def _counters(view: PoolView) -> dict[tuple[str, str], int]:
    activity = view.activity
    counters = {
        ("", "read"): activity.read_bytes,
        ("", "write"): activity.write_bytes,
        ("", "ops"): activity.read_ops + activity.write_ops + activity.namespace_ops,
    }
    for disk in view.disks:
        counters[disk.uuid, "read"] = disk.read_bytes
        counters[disk.uuid, "write"] = disk.write_bytes
    return counters
