"""Verified pages of single fragments: the only place that reads payloads.

P1 is kept here: what leaves this module was proven by BLAKE3 along the chain
extent record -> header -> page table -> page. Whatever fails the chain, or
does not come at all, is reported to the pool and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final

from engine.device.lanes import Lane
from engine.device.protocol import Device
from engine.errors import (
    DamagedPageError,
    DamagedRecordError,
    DeviceError,
    NameAbsentError,
)
from engine.extents.disks import DiskSource
from engine.extents.tables import PageTableCache, ProvenHead, SourceMeter
from engine.extents.verdict import Verdict
from engine.format.constants import HEADER_BYTES
from engine.format.fragment import (
    decode_header,
    header_hash,
    page_count,
    payload_offset,
    verify_page,
    verify_pages,
    verify_table,
)
from engine.limits import PAGE_BYTES
from engine.model.extent import ExtentRecord, FragmentRef, fragment_name

_Parts = tuple[memoryview | None, memoryview]
"""Header and table, unless they are cached; and the pages asked for."""


class HeadFrom(Enum):
    """Whether header and page table may be remembered or are read again."""

    MEMORY = auto()
    DISK = auto()


@dataclass(frozen=True, slots=True)
class PageFetch:
    """A read on its way; ``future`` is None when the disk could not be asked."""

    record: ExtentRecord
    index: int
    pages: range
    head: ProvenHead | None
    future: Future[_Parts] | None
    begun_s: float


@dataclass(frozen=True, slots=True)
class FetchedPages:
    """What a read brought: the pages that proved right, and how it went.

    ``run`` are all of them in one piece, None when one is missing.
    """

    pages: Mapping[int, memoryview]
    verdict: Verdict
    run: memoryview | None = None


def pages_of(record: ExtentRecord) -> range:
    """Return the numbers of all pages of a fragment."""
    return range(page_count(record.slice_bytes))


def pages_bytes(slice_bytes: int, pages: range) -> int:
    """Return the length of a run of pages; the payload's last may be short.

    >>> pages_bytes(65536 + 4096, range(0, 2)), pages_bytes(65536 + 4096, range(0, 1))
    (69632, 65536)
    """
    return min(pages.stop * PAGE_BYTES, slice_bytes) - pages.start * PAGE_BYTES


class FragmentReader:
    """Fetches runs of pages from single fragments. Thread-safe."""

    def __init__(self, disks: DiskSource, tables: PageTableCache, meter: SourceMeter) -> None:
        self._disks: Final = disks
        self._tables: Final = tables
        self._meter: Final = meter

    def start(
        self,
        record: ExtentRecord,
        index: int,
        pages: range,
        lane: Lane,
        head_from: HeadFrom = HeadFrom.MEMORY,
    ) -> PageFetch:
        """Ask the disk of fragment *index* for a run of pages; one read of them.

        Every fetch started must be finished.
        """
        ref = record.fragments[index]
        head = self.known_head(record, index) if head_from is HeadFrom.MEMORY else None
        call = _ReadCall(record, ref, pages, with_head=head is None)
        future: Future[_Parts] | None = None
        begun_s = self._meter.begin(ref.disk_id)
        try:
            if self._disks.readable(ref.disk_id):
                future = self._disks.submit(ref.disk_id, lane, call)
        except DeviceError as error:
            self._disks.report_failure(ref.disk_id, error)
        return PageFetch(record, index, pages, head, future, begun_s)

    def try_start(
        self,
        record: ExtentRecord,
        index: int,
        pages: range,
        lane: Lane,
        arrived: Callable[[Callable[[], FetchedPages]], None],
    ) -> bool:
        """Ask as ``start`` does, with nobody who waits; False where that would wait.

        *arrived* is called once, from another thread and in bounded time, with
        the ``finish`` of the fetch, which waits for nothing then.
        """
        ref = record.fragments[index]
        head = self.known_head(record, index)
        call = _ReadCall(record, ref, pages, with_head=head is None)
        begun_s = self._meter.begin(ref.disk_id)

        def ended(future: Future[_Parts]) -> None:
            fetch = PageFetch(record, index, pages, head, future, begun_s)
            arrived(partial(self.finish, fetch))

        if self._disks.try_submit(ref.disk_id, lane, call, ended):
            return True
        self._meter.withdraw(ref.disk_id)
        return False

    def finish(self, fetch: PageFetch) -> FetchedPages:
        """Wait for a fetch; return its proven pages. Never raises a device error."""
        ref = fetch.record.fragments[fetch.index]
        try:
            if fetch.future is None:
                return FetchedPages({}, Verdict.UNREACHABLE)
            raw_head, body = self._disks.wait(fetch.future)
        except NameAbsentError:
            return self._reported(fetch, {}, Verdict.MISSING)
        except DeviceError as error:
            self._disks.report_failure(ref.disk_id, error)
            return FetchedPages({}, Verdict.UNREACHABLE)
        finally:
            self._meter.end(ref.disk_id, fetch.begun_s)
        head = fetch.head
        if head is None:
            assert raw_head is not None
            head = proven_head(ref, raw_head)
            if head is None:
                return self._reported(fetch, {}, verdict_of_head(raw_head))
            self._tables.put((fetch.record.extent_id, ref.index, ref.layout), head)
        pages = _proven_pages(fetch, head.table, body)
        if len(pages) == len(fetch.pages):
            return FetchedPages(pages, Verdict.INTACT, body.toreadonly())
        return self._reported(fetch, pages, Verdict.CORRUPT)

    def known_head(self, record: ExtentRecord, index: int) -> ProvenHead | None:
        """Return header and page table of a fragment if they were proven before."""
        ref = record.fragments[index]
        return self._tables.get((record.extent_id, index, ref.layout))

    def _reported(
        self, fetch: PageFetch, pages: Mapping[int, memoryview], verdict: Verdict
    ) -> FetchedPages:
        ref = fetch.record.fragments[fetch.index]
        self._disks.report_corruption(fetch.record.extent_id, fetch.index, ref.disk_id, verdict)
        return FetchedPages(pages, verdict)


class _ReadCall:
    """Runs in a lane: a read of header and table if they are needed, and of the pages."""

    __slots__ = ("_length", "_name", "_offset", "_payload", "_with_head")

    def __init__(
        self, record: ExtentRecord, ref: FragmentRef, pages: range, *, with_head: bool
    ) -> None:
        self._name = fragment_name(record.extent_id, ref.layout, ref.index)
        self._payload = payload_offset(record.slice_bytes)
        self._offset = self._payload + pages.start * PAGE_BYTES
        self._length = pages_bytes(record.slice_bytes, pages)
        self._with_head = with_head

    def __call__(self, device: Device) -> _Parts:
        if self._with_head and self._offset == self._payload:
            # The first pages follow the table: one read brings both.
            whole = device.get(self._name, offset=0, length=self._payload + self._length)
            return whole[: self._payload], whole[self._payload :]
        head = None
        if self._with_head:
            head = device.get(self._name, offset=0, length=self._payload)
        return head, device.get(self._name, offset=self._offset, length=self._length)


def proven_head(ref: FragmentRef, head: memoryview) -> ProvenHead | None:
    """Return header and page table in *head*, or None when the chain is broken.

    *head* is what the disk returned for both. The header is proven by the
    record's hash, so its fields need no comparison of their own.
    """
    header_bytes = head[:HEADER_BYTES]
    if header_hash(header_bytes) != ref.header_hash:
        return None
    table = bytes(head[HEADER_BYTES:])
    try:
        header = decode_header(header_bytes)
        verify_table(header, table)
    except DamagedRecordError:
        return None
    return ProvenHead(header, table)


def verdict_of_head(head: memoryview) -> Verdict:
    """Return why *head* was not the one expected.

    A header that is valid in itself, under a name it does not belong to, was
    misdirected; anything else is rot.
    """
    try:
        header = decode_header(head[:HEADER_BYTES])
        verify_table(header, head[HEADER_BYTES:])
    except DamagedRecordError:
        return Verdict.CORRUPT
    return Verdict.MISPLACED


def _proven_pages(fetch: PageFetch, table: bytes, body: memoryview) -> dict[int, memoryview]:
    body = body.toreadonly()
    first = fetch.pages.start
    if len(fetch.pages) == 1:
        return {first: body} if _is_proven(table, first, body) else {}
    pages = {
        page: body[(page - first) * PAGE_BYTES : (page + 1 - first) * PAGE_BYTES]
        for page in fetch.pages
    }
    if len(body) == pages_bytes(fetch.record.slice_bytes, fetch.pages):
        try:
            verify_pages(table, first, body)
        except DamagedPageError:
            pass  # Some page is wrong; below, each is looked at.
        else:
            return pages
    return {page: view for page, view in pages.items() if _is_proven(table, page, view)}


def _is_proven(table: bytes, page: int, view: memoryview) -> bool:
    try:
        verify_page(table, page, view)
    except DamagedPageError:
        return False
    return True
