"""Events across restarts: the timeline goes on, and no number is given twice."""

from __future__ import annotations

from pathlib import Path

from engine.clock import ManualClock
from engine.limits import EVENTS_MAX
from engine.observe.events import EventLog, EventSeverity
from engine.pool.event_keeper import EventKeeper, open_event_log


def opened(pool_dir: Path) -> tuple[EventLog, EventKeeper]:
    log = open_event_log(pool_dir, ManualClock())
    keeper = EventKeeper(pool_dir, log)
    keeper.begin()
    return log, keeper


def test_a_pool_that_is_opened_again_has_its_events_and_goes_on_counting(tmp_path: Path) -> None:
    log, keeper = opened(tmp_path)
    first = log.record(EventSeverity.ERROR, "d1", "d1 is gone", code="DFS-1001")
    keeper.close()

    again, _ = opened(tmp_path)

    assert [one.text for one in again.since(0)] == [
        "the pool is open",
        "d1 is gone",
        "the pool is closed",
        "the pool is open",
    ]
    assert first in again.since(0)
    assert [one.sequence for one in again.since(0)] == [1, 2, 3, 4]


def test_a_crash_is_told_and_numbers_it_may_have_given_are_not_given_again(tmp_path: Path) -> None:
    log, keeper = opened(tmp_path)
    keeper.turn()
    lost = log.record(EventSeverity.INFO, "pool", "told to a follower, and not yet on file")

    again, _ = opened(tmp_path)

    fresh = again.since(1)
    assert "without closing" in fresh[0].text
    assert fresh[0].sequence > lost.sequence
    assert [one.text for one in again.since(fresh[0].sequence)] == ["the pool is open"]


def test_events_that_left_memory_are_read_from_the_file(tmp_path: Path) -> None:
    log, keeper = opened(tmp_path)
    for number in range(EVENTS_MAX + 50):
        log.record(EventSeverity.INFO, "pool", f"event {number}")
        if number % 500 == 0:
            keeper.turn()
    keeper.turn()

    assert len(log.since(0)) == EVENTS_MAX
    assert [one.sequence for one in keeper.since(0, 10)] == list(range(1, 11))
    assert [one.sequence for one in keeper.since(EVENTS_MAX, 3)] == [
        EVENTS_MAX + 1,
        EVENTS_MAX + 2,
        EVENTS_MAX + 3,
    ]
    assert keeper.since(log.last_sequence, 10) == []


def test_a_pool_directory_that_takes_nothing_costs_only_the_file(tmp_path: Path) -> None:
    log, keeper = opened(tmp_path)
    (tmp_path / "events.jsonl").mkdir()

    keeper.turn()
    (tmp_path / "events.jsonl").rmdir()
    keeper.turn()

    assert [one.text for one in open_event_log(tmp_path, ManualClock()).since(0)] == [
        one.text for one in log.since(0)
    ]


def test_a_record_wakes_whoever_writes_it_down(tmp_path: Path) -> None:
    log, keeper = opened(tmp_path)
    keeper.turn()
    assert not log.recorded.is_set()

    log.record(EventSeverity.INFO, "pool", "news")

    assert log.recorded.is_set()
