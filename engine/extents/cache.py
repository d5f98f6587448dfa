"""Verified pages in memory, the least recently used going first (P8)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.ids import ExtentId
from engine.limits import PAGE_BYTES, PAGE_CACHE_BYTES_MAX
from engine.observe.metrics import Metrics


class SliceKey(NamedTuple):
    """A data slice by content: how many slices its extent is cut into, which one.

    The bytes of an extent never change, so this outlives repair, moves and new
    layouts. Parity depends on more and is not cached. Copies are slice 0 of 1.
    """

    extent_id: ExtentId
    data_slices: int
    slice_index: int


PageKey = tuple[SliceKey, int]


@dataclass(slots=True)
class _Charge:
    """One fetched buffer: its memory is held until its last page leaves.

    ``run`` are the consecutive pages from ``first`` on in one piece, None when
    not all of them proved right.
    """

    bytes: int
    pages: int
    run: memoryview | None
    first: int


class PageCache:
    """Pages by slice and page number. Thread-safe; holds no lock across I/O."""

    def __init__(self, metrics: Metrics, *, bytes_max: int = PAGE_CACHE_BYTES_MAX) -> None:
        self._bytes_max: Final = bytes_max
        self._lock: Final = threading.Lock()
        self._pages: OrderedDict[PageKey, tuple[memoryview, _Charge]] = OrderedDict()
        self._fetching: dict[PageKey, threading.Event] = {}
        self._bytes = 0
        self._hits: Final = metrics.counter("cache_hits_total")
        self._misses: Final = metrics.counter("cache_misses_total")

    @property
    def held_bytes(self) -> int:
        """Memory held, counting whole buffers of which a page is cached."""
        return self._bytes

    def get(self, key: SliceKey, pages: Iterable[int]) -> dict[int, memoryview]:
        """Return those of *pages* that are cached, without counting hits."""
        found: dict[int, memoryview] = {}
        with self._lock:
            for page in pages:
                entry = self._pages.get((key, page))
                if entry is not None:
                    self._pages.move_to_end((key, page))
                    found[page] = entry[0]
        return found

    def run_view(self, key: SliceKey, start: int, stop: int) -> memoryview | None:
        """Return bytes *start* to *stop* of a slice without a copy.

        None unless every page of them is here and came in one piece.
        """
        with self._lock:
            entry = self._pages.get((key, start // PAGE_BYTES))
            if entry is None or entry[1].run is None:
                return None
            charge = entry[1]
            for page in range(start // PAGE_BYTES, -(-stop // PAGE_BYTES)):
                other = self._pages.get((key, page))
                if other is None or other[1] is not charge:
                    return None
                self._pages.move_to_end((key, page))
            base = charge.first * PAGE_BYTES
            assert charge.run is not None
            return charge.run[start - base : stop - base]

    def put(
        self,
        key: SliceKey,
        pages: Mapping[int, memoryview],
        *,
        run: memoryview | None = None,
        first: int = 0,
    ) -> None:
        """Keep *pages*, verified views into one buffer that nobody changes.

        *run* is that buffer when it is exactly the pages from *first* on.
        """
        if not pages:
            return
        with self._lock:
            new = [page for page in pages if (key, page) not in self._pages]
            size = sum(len(pages[page]) for page in pages)
            charge = _Charge(size, len(new), run, first)
            for page in new:
                self._pages[key, page] = (pages[page].toreadonly(), charge)
            if new:
                self._bytes += charge.bytes
            while self._bytes > self._bytes_max:
                _, (_, oldest) = self._pages.popitem(last=False)
                oldest.pages -= 1
                if oldest.pages == 0:
                    self._bytes -= oldest.bytes

    def count(self, *, hits: int, misses: int) -> None:
        """Count pages served from here and pages that had to be fetched."""
        self._hits.add(hits)
        self._misses.add(misses)

    def claim(
        self, key: SliceKey, pages: Iterable[int]
    ) -> tuple[list[int], dict[int, threading.Event]]:
        """Divide *pages* into those the caller fetches and those others do.

        Reading ahead and reading meet on the same pages; each is fetched once.
        The caller must ``unclaim`` its own, and only then wait for the others.
        """
        mine: list[int] = []
        others: dict[int, threading.Event] = {}
        with self._lock:
            for page in pages:
                event = self._fetching.get((key, page))
                if event is None:
                    self._fetching[key, page] = threading.Event()
                    mine.append(page)
                else:
                    others[page] = event
        return mine, others

    def unclaim(self, key: SliceKey, pages: Iterable[int]) -> None:
        """End the fetching of *pages*, whether it succeeded or not."""
        with self._lock:
            events = [self._fetching.pop((key, page)) for page in pages]
        for event in events:
            event.set()

    def drop_extent(self, extent_id: ExtentId) -> None:
        """Forget the pages of an extent that is gone."""
        with self._lock:
            for page_key in [k for k in self._pages if k[0].extent_id == extent_id]:
                _, charge = self._pages.pop(page_key)
                charge.pages -= 1
                if charge.pages == 0:
                    self._bytes -= charge.bytes
