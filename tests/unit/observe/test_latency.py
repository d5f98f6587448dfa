"""Percentiles of the newest calls."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from engine.observe.latency import SAMPLE_S_MAX, SAMPLES_MAX, Latency, LatencyRing


@given(st.lists(st.floats(0, 100), min_size=1, max_size=700))
def test_percentiles_are_those_of_the_newest_calls_sorted(calls: list[float]) -> None:
    ring = LatencyRing()
    for seconds in calls:
        ring.add(seconds, at_s=5.0)

    newest = sorted(calls[-SAMPLES_MAX:])
    found = ring.latency(now_s=6.0)

    assert found.count == len(newest)
    assert found.p50_s == newest[len(newest) // 2]
    below = sum(seconds <= found.p99_s for seconds in newest)
    assert below >= 0.99 * len(newest)
    assert found.p99_s in newest


def test_calls_of_long_ago_say_nothing_about_now() -> None:
    ring = LatencyRing()
    ring.add(9.0, at_s=0.0)
    ring.add(1.0, at_s=SAMPLE_S_MAX)

    assert ring.latency(now_s=SAMPLE_S_MAX + 1) == Latency(1, 1.0, 1.0)
    assert ring.latency(now_s=3 * SAMPLE_S_MAX) == Latency()


def test_no_call_is_lost_when_threads_add_at_once() -> None:
    ring = LatencyRing()

    def add_some() -> None:
        for _ in range(100):
            ring.add(0.5, at_s=0.0)

    threads = [threading.Thread(target=add_some) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ring.latency(now_s=0.0).count == 500
