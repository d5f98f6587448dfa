"""Counting without locks, and the bounded event ring."""

from __future__ import annotations

import threading

import pytest

from engine.clock import ManualClock
from engine.observe.events import EventLog, EventSeverity
from engine.observe.metrics import Metrics
from engine.observe.names import NAMES, MetricKind


def run_threads(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_additions_of_many_threads_are_all_counted_after_the_threads_ended() -> None:
    metrics = Metrics()
    counter = metrics.counter("disk_reads_total", "d1")

    def add_many() -> None:
        for _ in range(2000):
            counter.add(3)

    run_threads([threading.Thread(target=add_many) for _ in range(8)])

    assert metrics.snapshot()["disk_reads_total"] == {"d1": 8 * 2000 * 3}
    assert metrics.snapshot()["disk_reads_total"] == {"d1": 8 * 2000 * 3}


def test_slots_of_ended_threads_are_given_up() -> None:
    metrics = Metrics()
    counter = metrics.counter("syncs_total")
    for _ in range(50):
        run_threads([threading.Thread(target=counter.add)])

    assert metrics.snapshot()["syncs_total"] == {"": 50}
    assert len(metrics._threads) <= 1


def test_counts_of_a_running_thread_are_seen() -> None:
    metrics = Metrics()
    counter = metrics.counter("syncs_total")
    added, seen = threading.Event(), threading.Event()

    def add_and_wait() -> None:
        counter.add()
        added.set()
        seen.wait(10)

    thread = threading.Thread(target=add_and_wait)
    thread.start()
    added.wait(10)
    values = metrics.snapshot()
    seen.set()
    thread.join()

    assert values["syncs_total"] == {"": 1}


def test_a_counter_made_after_the_threads_first_addition_counts_too() -> None:
    metrics = Metrics()
    metrics.counter("syncs_total").add()
    younger = metrics.counter("disk_writes_total", "d2")
    younger.add(4)
    younger.add(5)

    assert metrics.snapshot() == {"syncs_total": {"": 1}, "disk_writes_total": {"d2": 9}}


def test_the_same_name_and_label_give_the_same_counter() -> None:
    metrics = Metrics()
    assert metrics.counter("disk_reads_total", "a") is metrics.counter("disk_reads_total", "a")
    assert metrics.counter("disk_reads_total", "a") is not metrics.counter("disk_reads_total", "b")


def test_a_gauge_shows_the_last_value() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("dirty_bytes")
    gauge.set(5)
    gauge.set(3)
    assert metrics.snapshot() == {"dirty_bytes": {"": 3}}


@pytest.mark.parametrize("name", ["no_such_name", "dirty_bytes"])
def test_a_counter_without_an_entry_in_the_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Metrics().counter(name)


def test_counters_and_only_counters_end_in_total() -> None:
    for name, entry in NAMES.items():
        assert name.endswith("_total") == (entry.kind is MetricKind.COUNTER), name


def test_the_event_ring_keeps_the_newest_events_only() -> None:
    log = EventLog(ManualClock(), events_max=3)
    for number in range(5):
        log.record(EventSeverity.INFO, "test", str(number))

    assert [event.text for event in log.since(0)] == ["2", "3", "4"]
    assert [event.text for event in log.since(4)] == ["4"]
    assert log.since(5) == ()
    assert log.since(99) == ()


def test_events_carry_the_time_of_the_clock() -> None:
    clock = ManualClock(now_ns=7)
    log = EventLog(clock)
    clock.advance(1.0)
    assert log.record(EventSeverity.ERROR, "disk", "gone").time_ns == 1_000_000_007


def test_events_of_many_threads_get_distinct_sequences_in_order() -> None:
    log = EventLog(ManualClock())
    run_threads(
        [
            threading.Thread(
                target=lambda: [log.record(EventSeverity.INFO, "test", "x") for _ in range(100)]
            )
            for _ in range(4)
        ]
    )
    assert [event.sequence for event in log.since(0)] == list(range(1, 401))
