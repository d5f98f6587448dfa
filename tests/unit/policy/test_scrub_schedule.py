"""When scrubs start by themselves: tables of real calendars, and properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.policy.scrub_schedule import (
    EVERY_H_MAX,
    MANUAL,
    Schedule,
    ScheduleKind,
    next_start,
    parse_schedule,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_NS = 3600 * 10**9


def at(text: str, zone: tzinfo = UTC) -> int:
    """Return the epoch nanoseconds of a time of *zone*; of one that comes twice, the first."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("schedule", "zone", "last", "expected"),
    [
        ("nightly", UTC, "2026-03-10 01:59:59", "2026-03-10 02:00"),
        ("nightly", UTC, "2026-03-10 02:00", "2026-03-11 02:00"),
        ("nightly", UTC, "2026-12-31 02:00", "2027-01-01 02:00"),
        ("nightly at 23:00", UTC, "2026-03-10 23:30", "2026-03-11 23:00"),
        ("nightly at 0:00", UTC, "2026-03-10 00:00", "2026-03-11 00:00"),
        ("nightly at 3:00", BERLIN, "2026-07-01 12:00+00:00", "2026-07-02 01:00"),
        ("nightly at 3:00", BERLIN, "2026-01-01 12:00+00:00", "2026-01-02 02:00"),
        # 2026-03-29 02:00 does not exist in Berlin: 23 hours after the night before.
        ("nightly at 2:00", BERLIN, "2026-03-28 01:00", "2026-03-29 01:00"),
        ("nightly at 2:00", BERLIN, "2026-03-29 01:00", "2026-03-30 00:00"),
        # 2026-10-25 02:00 comes twice, at 00:00 and at 01:00 UTC: once is enough.
        ("nightly at 2:00", BERLIN, "2026-10-24 00:00", "2026-10-25 00:00"),
        ("nightly at 2:00", BERLIN, "2026-10-25 00:00", "2026-10-26 01:00"),
        ("every 6 h", UTC, "2026-03-10 05:30", "2026-03-10 11:30"),
        # Hours that pass are meant, not what the clock on the wall shows.
        ("every 24 h", BERLIN, "2026-03-28 12:00", "2026-03-29 12:00"),
    ],
)
def test_the_next_start_follows_the_calendar(
    schedule: str, zone: tzinfo, last: str, expected: str
) -> None:
    last_ns = at(last.removesuffix("+00:00"))

    found = next_start(parse_schedule(schedule), last_ns=last_ns, now_ns=last_ns, zone=zone)

    assert found == at(expected)


def test_manual_never_starts() -> None:
    assert next_start(MANUAL, last_ns=0, now_ns=10**18, zone=UTC) is None


def test_nights_that_were_missed_are_made_up_for_once() -> None:
    last, now = at("2026-03-01 02:00"), at("2026-03-20 09:00")

    due = next_start(parse_schedule("nightly"), last_ns=last, now_ns=now, zone=UTC)
    after = next_start(parse_schedule("nightly"), last_ns=now, now_ns=now, zone=UTC)

    assert due is not None
    assert due <= now
    assert after == at("2026-03-21 02:00")


@pytest.mark.parametrize("schedule", ["nightly", "every 6 h"])
def test_a_last_start_in_the_future_is_taken_as_now(schedule: str) -> None:
    now = at("2026-03-10 12:00")

    found = next_start(
        parse_schedule(schedule), last_ns=at("2031-01-01 00:00"), now_ns=now, zone=UTC
    )

    assert found is not None
    assert now < found <= now + 24 * HOUR_NS


TIMES = st.integers(at("2020-01-01 00:00"), at("2035-01-01 00:00"))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
     "Pacific/Kiritimati", "Pacific/Pago_Pago"]
).map(ZoneInfo)  # fmt: skip


@given(hour=st.integers(0, 23), last_ns=TIMES, zone=ZONES)
def test_a_night_comes_within_a_day_and_at_its_hour(
    hour: int, last_ns: int, zone: ZoneInfo
) -> None:
    nightly = Schedule(kind=ScheduleKind.NIGHTLY, hour=hour)

    found = next_start(nightly, last_ns=last_ns, now_ns=last_ns, zone=zone)

    assert found is not None
    assert last_ns < found <= last_ns + 25 * HOUR_NS
    shown = datetime.fromtimestamp(found // 10**9, tz=zone)
    # Where the hour is left out, clocks show the next one already.
    assert (shown.hour, shown.minute) == (hour, 0) or _is_left_out(shown, hour, zone)


def _is_left_out(shown: datetime, hour: int, zone: ZoneInfo) -> bool:
    """Whether no moment of that day shows *hour* o'clock in *zone*: looked up minute by minute."""
    midday = datetime(shown.year, shown.month, shown.day, 12, tzinfo=UTC)
    minutes = (midday + timedelta(minutes=one) for one in range(-36 * 60, 36 * 60))
    return not any(
        (local.date(), local.hour, local.minute) == (shown.date(), hour, 0)
        for local in (one.astimezone(zone) for one in minutes)
    )


@given(hour=st.integers(0, 23), last_ns=TIMES, zone=ZONES)
def test_each_local_day_has_one_start(hour: int, last_ns: int, zone: ZoneInfo) -> None:
    nightly = Schedule(kind=ScheduleKind.NIGHTLY, hour=hour)
    days = []
    for _ in range(4):
        found = next_start(nightly, last_ns=last_ns, now_ns=last_ns, zone=zone)
        assert found is not None
        last_ns = found
        days.append(datetime.fromtimestamp(found // 10**9, tz=zone).date())

    assert days == [days[0] + timedelta(days=number) for number in range(4)]


SCHEDULES = st.one_of(
    st.just(MANUAL),
    st.builds(
        Schedule, kind=st.just(ScheduleKind.NIGHTLY), hour=st.integers(0, 23), repair=st.booleans()
    ),
    st.builds(
        Schedule,
        kind=st.just(ScheduleKind.EVERY),
        every_h=st.integers(1, EVERY_H_MAX),
        repair=st.booleans(),
    ),
)


@given(SCHEDULES)
def test_what_a_schedule_says_is_read_as_that_schedule(schedule: Schedule) -> None:
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize(
    "text",
    ["", "daily", "nightly at 24:00", "nightly at 2:30", "every 0 h", "every h", "every 99999 h",
     "manual with repair", "every -1 h", "nightly with"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_schedule(text)
