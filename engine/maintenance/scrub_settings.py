"""What an operator set for scrubs, kept among the pool's properties, and the timer."""

from __future__ import annotations

from contextlib import suppress
from datetime import tzinfo
from typing import Final

from engine.clock import Clock
from engine.errors import UsageError
from engine.maintenance.scrub_pace import ScrubPace
from engine.maintenance.scrub_state import ScrubState
from engine.maintenance.scrub_target import ALL
from engine.metadata.tables import Tables
from engine.policy.scrub_pacing import ScrubIntensity
from engine.policy.scrub_schedule import (
    MANUAL,
    Schedule,
    ScheduleKind,
    next_start,
    parse_schedule,
)

INTENSITY_PROPERTY: Final = "scrub.intensity"
LIMIT_PROPERTY: Final = "scrub.limit_bytes_s"
SCHEDULE_PROPERTY: Final = "scrub.schedule"
SINCE_PROPERTY: Final = "scrub.schedule_since_ns"


class ScrubSettings:
    """Intensity, limit and schedule. Setters from any thread; they hold the write lock."""

    def __init__(self, clock: Clock, tables: Tables, pace: ScrubPace, zone: tzinfo) -> None:
        """*zone* is where the machine's clock on the wall is."""
        self._clock: Final = clock
        self._tables: Final = tables
        self._pace: Final = pace
        self._zone: Final = zone
        self.schedule = MANUAL
        self._since_ns = self._ahead_ns = 0
        self._load()

    def _load(self) -> None:
        """Take over what is kept; what cannot be understood is left out."""
        store, members = self._tables.store, self._tables.members
        with store.lock:
            intensity = members.property(INTENSITY_PROPERTY, ScrubIntensity.HIGH)
            limit = members.property(LIMIT_PROPERTY, "0")
            schedule = members.property(SCHEDULE_PROPERTY, str(MANUAL))
            since = members.property(SINCE_PROPERTY, "0")
        with suppress(ValueError):
            self._pace.set_intensity(ScrubIntensity(intensity))
        if limit.isdecimal():
            self._pace.set_limit(int(limit))
        with suppress(UsageError):
            self.schedule = parse_schedule(schedule)
        if since.isdecimal():
            self._since_ns = int(since)

    def set_intensity(self, intensity: ScrubIntensity) -> None:
        """Choose and keep the pauses."""
        self._keep({INTENSITY_PROPERTY: str(intensity)})
        self._pace.set_intensity(intensity)

    def set_limit(self, bytes_s: int) -> None:
        """Choose and keep the limit; 0 is none."""
        self._keep({LIMIT_PROPERTY: str(bytes_s)})
        self._pace.set_limit(bytes_s)

    def set_schedule(self, schedule: Schedule) -> None:
        """Choose and keep the schedule; it counts from now."""
        since_ns = self._clock.now_ns()
        self._keep({SCHEDULE_PROPERTY: str(schedule), SINCE_PROPERTY: str(since_ns)})
        self.schedule, self._since_ns = schedule, since_ns

    def _keep(self, properties: dict[str, str]) -> None:
        store = self._tables.store
        with store.lock:
            store.require_running()
            with store.operation():
                for name, value in properties.items():
                    self._tables.members.set_property(name, value)

    def next_ns(self, state: ScrubState) -> int:
        """Return when the schedule starts the next scrub (epoch nanoseconds); 0 is never."""
        now_ns = self._clock.now_ns()
        last_ns = state.last_full_ns
        if self.schedule.kind is ScheduleKind.NIGHTLY:
            # One that took longer than a day must not go on by day.
            last_ns = max(last_ns, state.whole_ns)
            if state.target == str(ALL):
                last_ns = max(last_ns, state.finished_ns)  # Nor one that was stopped begin anew.
        self._since_ns = min(self._since_ns, now_ns)
        if last_ns > now_ns:
            # The clock was set back behind the last start: count from here, once.
            if last_ns != self._ahead_ns:
                self._ahead_ns, self._since_ns = last_ns, now_ns
            last_ns = self._since_ns
        last_ns = max(last_ns, self._since_ns)
        found = next_start(self.schedule, last_ns=last_ns, now_ns=now_ns, zone=self._zone)
        return 0 if found is None else found
