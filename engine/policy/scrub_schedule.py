"""When a scrub starts by itself. Pure: times come in, a time comes out.

A schedule that was missed, because the machine was off or the clock jumped
forward, is made up for once. One whose last start lies in the future, because
the clock was set back, counts from now: it must neither start at once nor
wait for the old time to come round again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from engine.errors import UsageError
from engine.units import NS_PER_S

NIGHTLY_HOUR: Final = 2
"""Local hour of ``nightly`` when none is named: backups are over, nobody works yet."""

EVERY_H_MAX: Final = 24 * 366
"""Beyond a year it is no schedule."""

_HOUR_NS: Final = 3600 * NS_PER_S
_NIGHTLY: Final = re.compile(r"nightly(?: at (\d{1,2}):00)?( with repair)?")
_EVERY: Final = re.compile(r"every (\d{1,5}) ?h( with repair)?")


class ScheduleKind(StrEnum):
    """How starts follow each other."""

    MANUAL = "manual"
    NIGHTLY = "nightly"
    EVERY = "every"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """``hour`` is local and counts for NIGHTLY, ``every_h`` for EVERY."""

    kind: ScheduleKind = ScheduleKind.MANUAL
    hour: int = 0
    every_h: int = 0
    repair: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.hour <= 23:
            raise ValueError(f"hour {self.hour}")
        if self.kind is ScheduleKind.EVERY and not 1 <= self.every_h <= EVERY_H_MAX:
            raise ValueError(f"every {self.every_h} h")

    def __str__(self) -> str:
        match self.kind:
            case ScheduleKind.MANUAL:
                return "manual"
            case ScheduleKind.NIGHTLY:
                words = f"nightly at {self.hour:02}:00"
            case ScheduleKind.EVERY:
                words = f"every {self.every_h} h"
        return words + (" with repair" if self.repair else "")


MANUAL: Final = Schedule()


def parse_schedule(text: str) -> Schedule:
    """Return the schedule that *text* says.

    >>> str(parse_schedule("nightly")), str(parse_schedule("every 6 h with repair"))
    ('nightly at 02:00', 'every 6 h with repair')

    Raises:
        UsageError: it says none.
    """
    words = " ".join(text.split())
    nightly, every = _NIGHTLY.fullmatch(words), _EVERY.fullmatch(words)
    if words == "manual":
        return MANUAL
    if nightly is not None and int(nightly[1] or NIGHTLY_HOUR) <= 23:
        hour = int(nightly[1] or NIGHTLY_HOUR)
        return Schedule(kind=ScheduleKind.NIGHTLY, hour=hour, repair=bool(nightly[2]))
    if every is not None and 1 <= int(every[1]) <= EVERY_H_MAX:
        return Schedule(kind=ScheduleKind.EVERY, every_h=int(every[1]), repair=bool(every[2]))
    raise UsageError(
        f"{text!r} is no schedule: nightly, nightly at HH:00, every N h or manual,"
        " the first three also ``with repair``"
    )


def next_start(schedule: Schedule, *, last_ns: int, now_ns: int, zone: tzinfo) -> int | None:
    """Return when the next scrub starts (epoch nanoseconds); None for MANUAL.

    *last_ns* is the last start, or when the schedule was set if none came since.
    A time at or before *now_ns* means: now.
    """
    last_ns = min(last_ns, now_ns)
    match schedule.kind:
        case ScheduleKind.MANUAL:
            return None
        case ScheduleKind.EVERY:
            return last_ns + schedule.every_h * _HOUR_NS
        case ScheduleKind.NIGHTLY:
            return _next_night_ns(schedule.hour, last_ns, zone)


def _next_night_ns(hour: int, last_ns: int, zone: tzinfo) -> int:
    """Return the first time behind *last_ns* at which clocks in *zone* show *hour*.

    An hour that a change to summer time leaves out is taken as the moment it
    would have been; of one that comes twice, the first.
    """
    day = datetime.fromtimestamp(last_ns // NS_PER_S, tz=UTC).astimezone(zone).date()
    # The local day may be one ahead of the hour's last turn, never two.
    day -= timedelta(days=1)
    while True:
        local = datetime.combine(day, time(hour), tzinfo=zone)
        found_ns = round(local.timestamp()) * NS_PER_S
        if found_ns > last_ns:
            return found_ns
        day += timedelta(days=1)
