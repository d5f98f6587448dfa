"""Pages in memory: what a stream has taken leaves first, what is read again stays."""

from __future__ import annotations

import pytest

from engine.extents.cache import SPENT_BYTES_MAX, STREAM_RUN_BYTES_MIN, PageCache, SliceKey
from engine.ids import ExtentId
from engine.limits import PAGE_BYTES
from engine.observe.metrics import Metrics
from engine.units import MIB

RUN_BYTES = 2 * MIB
PAGES = RUN_BYTES // PAGE_BYTES


@pytest.fixture
def cache() -> PageCache:
    return PageCache(Metrics())


def _key(number: int) -> SliceKey:
    return SliceKey(ExtentId(number), 4, 0)


def _put(cache: PageCache, number: int, *, run_bytes: int = RUN_BYTES) -> None:
    """Keep a run as a fetch brings it, each page filled with its own number."""
    content = b"".join(
        bytes([number % 256]) * min(PAGE_BYTES, run_bytes - at)
        for at in range(0, run_bytes, PAGE_BYTES)
    )
    run = memoryview(content)
    views = {
        page: run[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
        for page in range(-(-run_bytes // PAGE_BYTES))
    }
    cache.put(_key(number), views, run=run)


def test_a_stream_keeps_no_more_than_what_it_took_last(cache: PageCache) -> None:
    for number in range(40):
        _put(cache, number)
        for at in range(0, RUN_BYTES, MIB):
            view = cache.run_view(_key(number), at, at + MIB)
            assert bytes(view or b"") == bytes([number]) * MIB

    assert cache.held_bytes == SPENT_BYTES_MAX
    assert cache.get(_key(0), range(PAGES)) == {}
    assert len(cache.get(_key(39), range(PAGES))) == PAGES


def test_a_run_that_was_not_served_to_its_end_stays(cache: PageCache) -> None:
    _put(cache, 0)
    assert cache.run_view(_key(0), 0, MIB) is not None

    for number in range(1, 20):
        _put(cache, number)
        cache.run_view(_key(number), 0, RUN_BYTES)

    assert len(cache.get(_key(0), range(PAGES))) == PAGES


def test_short_runs_are_no_streams_and_stay(cache: PageCache) -> None:
    short = STREAM_RUN_BYTES_MIN - PAGE_BYTES
    for number in range(40):
        _put(cache, number, run_bytes=short)
        cache.run_view(_key(number), 0, short)

    assert cache.held_bytes == 40 * short


def test_a_run_served_in_pieces_counts_as_served_at_its_end_once(cache: PageCache) -> None:
    for number in range(SPENT_BYTES_MAX // RUN_BYTES):
        _put(cache, number)
        for _ in range(3):
            cache.served(_key(number), RUN_BYTES)

    assert cache.held_bytes == SPENT_BYTES_MAX


def test_a_dropped_extent_frees_its_memory_though_it_was_served(cache: PageCache) -> None:
    _put(cache, 1)
    cache.served(_key(1), RUN_BYTES)

    cache.drop_extent(ExtentId(1))
    for number in range(2, 30):
        _put(cache, number)
        cache.served(_key(number), RUN_BYTES)

    assert cache.held_bytes <= SPENT_BYTES_MAX
    assert cache.get(_key(1), range(PAGES)) == {}


def test_a_view_of_a_run_outlives_its_leaving(cache: PageCache) -> None:
    _put(cache, 7)
    view = cache.run_view(_key(7), 0, RUN_BYTES)

    for number in range(8, 30):
        _put(cache, number)
        cache.run_view(_key(number), 0, RUN_BYTES)

    assert bytes(view or b"") == bytes([7]) * RUN_BYTES
