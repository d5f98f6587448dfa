"""Verified pages in memory, the least recently used going first (P8)."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.ids import ExtentId
from engine.limits import PAGE_BYTES, PAGE_CACHE_BYTES_MAX
from engine.observe.metrics import Metrics
from engine.units import MIB

STREAM_RUN_BYTES_MIN: Final = 1 * MIB
"""A run of pages that was fetched in one piece this long belongs to a stream."""

SPENT_BYTES_MAX: Final = 16 * MIB
"""Memory of streamed runs that were served to their end, the next to leave. The
kernel has those bytes now; and memory used again at once costs no page faults,
which took a third of the time of a cold stream when it filled the cache."""


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
    not all of them proved right, or nothing of it is held any more.
    """

    bytes: int
    pages: int
    run: memoryview | None
    first: int
    spent: bool = False

    def ends_at(self, stop: int) -> bool:
        """Whether a streamed run was served to its end by bytes up to *stop*."""
        if self.run is None or len(self.run) < STREAM_RUN_BYTES_MIN:
            return False
        return stop >= self.first * PAGE_BYTES + len(self.run)


class PageCache:
    """Pages by slice and page number. Thread-safe; holds no lock across I/O."""

    def __init__(self, metrics: Metrics, *, bytes_max: int = PAGE_CACHE_BYTES_MAX) -> None:
        self._bytes_max: Final = bytes_max
        self._lock: Final = threading.Lock()
        self._pages: OrderedDict[PageKey, tuple[memoryview, _Charge]] = OrderedDict()
        self._fetching: dict[PageKey, threading.Event | None] = {}
        """Pages that somebody fetches; an event once somebody else waits for one."""
        self._bytes = 0
        self._spent: deque[tuple[SliceKey, _Charge]] = deque()
        self._spent_bytes = 0
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
            view = charge.run[start - base : stop - base]
            self._spend(key, charge, stop)
            return view

    def served(self, key: SliceKey, stop: int) -> None:
        """Note that a slice was served up to *stop*: a streamed run ends here."""
        with self._lock:
            entry = self._pages.get((key, (stop - 1) // PAGE_BYTES))
            if entry is not None:
                self._spend(key, entry[1], stop)

    def _spend(self, key: SliceKey, charge: _Charge, stop: int) -> None:
        """Let a run that was served to its end leave soon. Under the lock."""
        if charge.spent or not charge.ends_at(stop):
            return
        charge.spent = True
        self._spent.append((key, charge))
        self._spent_bytes += charge.bytes
        while self._spent_bytes > SPENT_BYTES_MAX:
            old_key, old = self._spent.popleft()
            self._spent_bytes -= old.bytes
            if old.run is None:
                continue
            for page in range(old.first, old.first + -(-len(old.run) // PAGE_BYTES)):
                entry = self._pages.get((old_key, page))
                if entry is not None and entry[1] is old:
                    del self._pages[old_key, page]
                    self._let_go(old)

    def _let_go(self, charge: _Charge) -> None:
        """One page of *charge* left; its memory is free with the last. Under the lock."""
        charge.pages -= 1
        if charge.pages == 0:
            self._bytes -= charge.bytes
            charge.run = None

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
                self._let_go(oldest)

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
                if (key, page) not in self._fetching:
                    self._fetching[key, page] = None
                    mine.append(page)
                    continue
                event = self._fetching[key, page]
                if event is None:
                    event = self._fetching[key, page] = threading.Event()
                others[page] = event
        return mine, others

    def get_or_claim(
        self, key: SliceKey, pages: range
    ) -> tuple[dict[int, memoryview], range] | None:
        """Return those of *pages* that are here, and the run of others, now the caller's.

        The caller fetches and must ``unclaim`` them. None, with nothing
        claimed, when they are no one run or somebody else fetches one.
        """
        found: dict[int, memoryview] = {}
        missing: list[int] = []
        with self._lock:
            for page in pages:
                entry = self._pages.get((key, page))
                if entry is not None:
                    self._pages.move_to_end((key, page))
                    found[page] = entry[0]
                elif (key, page) in self._fetching:
                    return None
                else:
                    missing.append(page)
            if not missing:
                return found, range(0)
            if missing[-1] - missing[0] != len(missing) - 1:
                return None
            for page in missing:
                self._fetching[key, page] = None
        return found, range(missing[0], missing[-1] + 1)

    def unclaim(self, key: SliceKey, pages: Iterable[int]) -> None:
        """End the fetching of *pages*, whether it succeeded or not."""
        with self._lock:
            events = [self._fetching.pop((key, page)) for page in pages]
        for event in events:
            if event is not None:
                event.set()

    def drop_extent(self, extent_id: ExtentId) -> None:
        """Forget the pages of an extent that is gone."""
        with self._lock:
            for page_key in [k for k in self._pages if k[0].extent_id == extent_id]:
                _, charge = self._pages.pop(page_key)
                self._let_go(charge)
