"""Reads ranges of extents: from memory, from the slice, or by reconstruction.

A healthy read touches the fragments whose slices the range crosses, reads only
the pages asked for, and each run of pages in one device call. A page that is
missing or wrong is taken from the other fragments in the same call and
reported (P1, P4). Nothing here holds a lock across I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from engine.clock import Clock
from engine.codec.kernel import Kernel
from engine.device.lanes import Lane
from engine.extents.cache import STREAM_RUN_BYTES_MIN, PageCache, SliceKey
from engine.extents.disks import DiskSource
from engine.extents.fragments import FetchedPages, FragmentReader
from engine.extents.reconstruct import Pages, Reconstructor
from engine.extents.tables import PageTableCache, SourceMeter
from engine.limits import DEVICE_CALL_S_MAX, PAGE_BYTES
from engine.model.extent import ExtentRecord
from engine.model.redundancy import Replication
from engine.observe.metrics import Metrics
from engine.units import MIB

PREFETCH_WHOLE_BYTES_MIN: Final = 1 * MIB
"""A range read ahead that is this long belongs to a stream."""


@dataclass(frozen=True, slots=True)
class SliceRange:
    """Bytes *start* to *stop* of one data slice."""

    index: int
    start: int
    stop: int

    @property
    def pages(self) -> range:
        """The pages that hold them."""
        return range(self.start // PAGE_BYTES, -(-self.stop // PAGE_BYTES))


@dataclass(slots=True)
class StartedRead:
    """A range of one slice of which one device call brings what is *missing*.

    See ``ExtentReader.start``. The thread that ends the call writes it before
    it says so; others read it after that.
    """

    record: ExtentRecord
    part: SliceRange
    source: int
    pages: Pages
    missing: range
    data: bytes | memoryview | None = None
    """The bytes of the range when all came right; else ``finish`` returns them."""


def slice_ranges(record: ExtentRecord, offset: int, length: int) -> list[SliceRange]:
    """Return what the range is in each data slice it crosses, in order.

    Raises:
        ValueError: the range is not within the extent.
    """
    if not 0 <= offset <= offset + length <= record.length_bytes:
        raise ValueError(
            f"extent {record.extent_id}: range {offset}+{length} of {record.length_bytes}"
        )
    size = record.slice_bytes
    result = []
    end = offset + length
    while offset < end:
        index, start = divmod(offset, size)
        stop = min(size, start + end - offset)
        result.append(SliceRange(index, start, stop))
        offset += stop - start
    return result


class ExtentReader:
    """Reads extents of one pool. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        disks: DiskSource,
        *,
        kernel: Kernel,
        cache: PageCache | None = None,
        tables: PageTableCache | None = None,
    ) -> None:
        meter = SourceMeter(clock)
        self.cache: Final = cache or PageCache(metrics)
        self.fragments: Final = FragmentReader(disks, tables or PageTableCache(), meter)
        self.reconstructor: Final = Reconstructor(disks, self.fragments, meter, kernel)
        self._degraded_reads: Final = metrics.counter("degraded_reads_total")

    def read(
        self, record: ExtentRecord, offset: int, length: int, *, lane: Lane
    ) -> bytes | memoryview:
        """Return the bytes of the range, each proven (P1).

        Raises:
            ValueError: the range is not within the extent.
            ExtentUnrecoverableError: fewer than k fragments are left of a page.
            DamagedPageError: what was reconstructed is not what was written.
        """
        ranges = slice_ranges(record, offset, length)
        pages = self._pages(record, ranges, lane)
        self._served(record, ranges)
        return _cut(ranges, pages)

    def try_read(self, record: ExtentRecord, offset: int, length: int) -> bytes | memoryview | None:
        """Return the range if all its pages are in memory, else None. Quick."""
        ranges = slice_ranges(record, offset, length)
        if len(ranges) == 1:
            part = ranges[0]
            view = self.cache.run_view(_slice_key(record, part.index), part.start, part.stop)
            if view is not None:
                self.cache.count(hits=len(part.pages), misses=0)
                return view
        found: list[Pages] = []
        for part in ranges:
            pages = self.cache.get(_slice_key(record, part.index), part.pages)
            if len(pages) != len(part.pages):
                return None
            found.append(pages)
        self.cache.count(hits=sum(map(len, found)), misses=0)
        self._served(record, ranges)
        return _cut(ranges, found)

    def start(
        self,
        record: ExtentRecord,
        offset: int,
        length: int,
        *,
        lane: Lane,
        arrived: Callable[[], None],
    ) -> bytes | memoryview | StartedRead | None:
        """Return the range from memory, or ask for what is missing if one device call brings it.

        Waits for nothing. None: it takes more than that, and ``read`` does it.
        Where a call is under way *arrived* is called once, from another thread
        and in bounded time (P8): then ``data`` is there, proven (P1), or
        ``finish`` gets it.
        """
        ranges = slice_ranges(record, offset, length)
        if len(ranges) != 1:
            return self.try_read(record, offset, length)
        part = ranges[0]
        key = _slice_key(record, part.index)
        view = self.cache.run_view(key, part.start, part.stop)
        if view is not None:
            self.cache.count(hits=len(part.pages), misses=0)
            return view
        claimed = self.cache.get_or_claim(key, part.pages)
        if claimed is None:
            return None
        started = StartedRead(record, part, self._source_of(record, part.index), *claimed)
        hits = len(started.pages)
        if not started.missing:
            self.cache.count(hits=hits, misses=0)
            self.cache.served(key, part.stop)
            return _cut(ranges, (started.pages,))

        def came(finish: Callable[[], FetchedPages]) -> None:
            try:
                self._take_in(started, key, finish())
            finally:
                self.cache.unclaim(key, started.missing)
                arrived()

        if self.fragments.try_start(record, started.source, started.missing, lane, came):
            self.cache.count(hits=hits, misses=len(started.missing))
            return started
        self.cache.unclaim(key, started.missing)
        return None

    def _take_in(self, started: StartedRead, key: SliceKey, fetched: FetchedPages) -> None:
        part, first = started.part, started.missing.start
        self.cache.put(key, fetched.pages, run=fetched.run, first=first)
        started.pages.update(fetched.pages)
        if fetched.run is None:
            return  # Recovering waits for other disks: not on this thread.
        if len(fetched.pages) == len(part.pages):
            base = first * PAGE_BYTES
            started.data = fetched.run[part.start - base : part.stop - base]
        else:
            started.data = _cut((part,), (started.pages,))
        if len(fetched.run) >= STREAM_RUN_BYTES_MIN:
            self.cache.served(key, part.stop)

    def finish(self, started: StartedRead, *, lane: Lane) -> bytes | memoryview:
        """Return the range of a read that did not bring all of it.

        What did not come right is taken from other fragments. Raises as ``read``.
        """
        record, part = started.record, started.part
        pages = started.pages | self.cache.get(_slice_key(record, part.index), part.pages)
        lost = [page for page in part.pages if page not in pages]
        if lost:
            pages |= self._recover(record, part.index, started.source, lost, lane)
        self._served(record, (part,))
        return _cut((part,), (pages,))

    def _served(self, record: ExtentRecord, ranges: Sequence[SliceRange]) -> None:
        for part in ranges:
            self.cache.served(_slice_key(record, part.index), part.stop)

    def prefetch(self, record: ExtentRecord, offset: int, length: int, *, lane: Lane) -> None:
        """Bring the pages of the range into memory. Raises as ``read`` does.

        A long range goes on to the end of its last slice, which a sequence
        needs next: so slices come in one piece, and are served without a copy.
        """
        if length >= PREFETCH_WHOLE_BYTES_MIN:
            size = record.slice_bytes
            end = -(-(offset + length) // size) * size
            length = min(end, record.length_bytes) - offset
        self._pages(record, slice_ranges(record, offset, length), lane)

    def _pages(self, record: ExtentRecord, ranges: Sequence[SliceRange], lane: Lane) -> list[Pages]:
        """Return the pages of each of *ranges*, from memory or from disks."""
        found = [self.cache.get(_slice_key(record, part.index), part.pages) for part in ranges]
        hits = sum(map(len, found))
        missing = {
            part.index: [page for page in part.pages if page not in pages]
            for part, pages in zip(ranges, found, strict=True)
            if len(pages) < len(part.pages)
        }
        self.cache.count(hits=hits, misses=sum(map(len, missing.values())))
        if missing:
            fetched = self._fetch_once(record, missing, lane)
            for part, pages in zip(ranges, found, strict=True):
                pages.update(fetched.get(part.index, {}))
        return found

    def _fetch_once(
        self, record: ExtentRecord, missing: Mapping[int, list[int]], lane: Lane
    ) -> dict[int, Pages]:
        """Fetch pages by slice; those that another thread fetches are awaited."""
        mine: dict[int, list[int]] = {}
        others = {}
        for index, pages in missing.items():
            mine[index], others[index] = self.cache.claim(_slice_key(record, index), pages)
        claimed = dict(mine)

        def landed(index: int) -> None:
            self.cache.unclaim(_slice_key(record, index), claimed.pop(index))

        try:
            result = self._fetch(record, mine, lane, landed)
        finally:
            # Before waiting for others, or two threads could wait for each other.
            for index in list(claimed):
                landed(index)
        left: dict[int, list[int]] = {}
        for index, events in others.items():
            for event in events.values():
                event.wait(DEVICE_CALL_S_MAX)
            result[index].update(self.cache.get(_slice_key(record, index), events))
            left[index] = [page for page in events if page not in result[index]]
        # What others did not bring failed there, or left the cache at once.
        for index, pages_left in self._fetch(record, left, lane, lambda _index: None).items():
            result[index].update(pages_left)
        return result

    def _fetch(
        self,
        record: ExtentRecord,
        wanted: Mapping[int, list[int]],
        lane: Lane,
        landed: Callable[[int], None],
    ) -> dict[int, Pages]:
        """Fetch pages by slice, in parallel; recover what does not come right.

        *landed* hears of each slice that came right whole, while others are
        still on their way.
        """
        fetches = []
        for index, pages in wanted.items():
            source = self._source_of(record, index) if pages else index
            for run in runs_of(pages):
                fetches.append((index, self.fragments.start(record, source, run, lane)))
        result: dict[int, Pages] = {index: {} for index in wanted}
        bad: list[tuple[int, int, list[int]]] = []
        for index, fetch in fetches:
            fetched = self.fragments.finish(fetch)
            pages_found = dict(fetched.pages)
            key = _slice_key(record, index)
            self.cache.put(key, pages_found, run=fetched.run, first=fetch.pages.start)
            result[index].update(pages_found)
            lost = [page for page in fetch.pages if page not in pages_found]
            if lost:
                bad.append((index, fetch.index, lost))
            elif len(result[index]) == len(wanted[index]):
                landed(index)
        for index, source, lost in bad:
            result[index].update(self._recover(record, index, source, lost, lane))
        return result

    def _source_of(self, record: ExtentRecord, index: int) -> int:
        """Return which fragment to read slice *index* from: for copies, the best."""
        if isinstance(record.redundancy, Replication):
            return self.reconstructor.order(record)[0]
        return index

    def _recover(
        self, record: ExtentRecord, index: int, source: int, lost: Iterable[int], lane: Lane
    ) -> Pages:
        """Return pages that fragment *source* did not give, from other fragments."""
        self._degraded_reads.add()
        result: Pages = {}
        for run in runs_of(lost):
            pages = self._recover_run(record, source, run, lane)
            self.cache.put(_slice_key(record, index), pages)
            result.update(pages)
        return result

    def _recover_run(self, record: ExtentRecord, source: int, run: range, lane: Lane) -> Pages:
        sources = self.reconstructor.gather(
            record, run, without=frozenset({source}), lane=lane, lookup=self._cached_slice
        )
        if not isinstance(record.redundancy, Replication):
            for sibling, pages in sources.items():
                if sibling < record.needed_count:
                    self.cache.put(_slice_key(record, sibling), pages)
        return self.reconstructor.compute(record, source, run, sources)

    def _cached_slice(self, record: ExtentRecord, index: int, pages: range) -> Pages:
        if isinstance(record.redundancy, Replication) or index >= record.needed_count:
            return {}
        return self.cache.get(_slice_key(record, index), pages)


def runs_of(pages: Iterable[int]) -> list[range]:
    """Return ascending *pages* as runs of consecutive ones.

    >>> runs_of([1, 2, 3, 7, 9, 10])
    [range(1, 4), range(7, 8), range(9, 11)]
    """
    runs = []
    for _, group in groupby(enumerate(pages), key=lambda pair: pair[1] - pair[0]):
        members = [page for _, page in group]
        runs.append(range(members[0], members[-1] + 1))
    return runs


def _slice_key(record: ExtentRecord, index: int) -> SliceKey:
    return SliceKey(record.extent_id, record.needed_count, index)


def _cut(ranges: Sequence[SliceRange], pages: Sequence[Pages]) -> bytes | memoryview:
    """Return the bytes of *ranges*; without a copy when one page holds them all."""
    parts: list[memoryview] = []
    for part, views in zip(ranges, pages, strict=True):
        for page in part.pages:
            base = page * PAGE_BYTES
            parts.append(views[page][max(0, part.start - base) : part.stop - base])
    return parts[0] if len(parts) == 1 else b"".join(parts)
