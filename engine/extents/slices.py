"""Whole fragments into memory, proven: for rebuild, drain and re-encoding.

Works through pages in steps of RECONSTRUCT_BYTES_MAX per fragment, passes the
page cache by, and reconstructs what a fragment's own disk does not give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from engine.device.lanes import Lane
from engine.errors import DamagedPageError
from engine.extents.disks import DiskSource
from engine.extents.fragments import FragmentReader, pages_bytes, pages_of
from engine.extents.reconstruct import Pages, Reconstructor
from engine.extents.verdict import Verdict
from engine.format.fragment import encode_header, encode_page_table, header_hash
from engine.limits import PAGE_BYTES, RECONSTRUCT_BYTES_MAX
from engine.model.extent import ExtentRecord

Progress = Callable[[int], None]
"""Hears how many more payload bytes are done. May wait, to throttle, and may
raise, to cancel: nothing was changed yet (P7)."""


def no_progress(done_bytes: int) -> None:
    """Ignore progress."""


def steps(record: ExtentRecord) -> Iterator[range]:
    """Yield the pages of a fragment in runs of RECONSTRUCT_BYTES_MAX."""
    pages = pages_of(record)
    width = RECONSTRUCT_BYTES_MAX // PAGE_BYTES
    for first in range(0, len(pages), width):
        yield pages[first : first + width]


class SliceSource:
    """Fills memory with the payloads of fragments. Thread-safe."""

    def __init__(
        self, disks: DiskSource, fragments: FragmentReader, reconstructor: Reconstructor
    ) -> None:
        self._disks: Final = disks
        self._fragments: Final = fragments
        self._reconstructor: Final = reconstructor

    def fill(
        self,
        record: ExtentRecord,
        targets: Mapping[int, memoryview],
        *,
        lane: Lane,
        progress: Progress = no_progress,
    ) -> None:
        """Write the payload of each fragment index in *targets* to its memory.

        Raises:
            ExtentUnrecoverableError: a page has fewer than k proven sources.
            DamagedPageError: what was reconstructed is not what was written.
        """
        if not targets:
            return
        lost: set[int] = set()
        for run in steps(record):
            own = self._own_pages(record, [i for i in targets if i not in lost], run, lane)
            lost |= {index for index in targets if len(own.get(index, {})) < len(run)}
            if lost:
                own |= self._made_pages(record, frozenset(lost), run, own, lane)
            for index, target in targets.items():
                for page, view in own[index].items():
                    target[page * PAGE_BYTES : page * PAGE_BYTES + len(view)] = view
            progress(len(targets) * pages_bytes(record.slice_bytes, run))
        for index in lost:
            self._prove(record, index, targets[index])

    def _own_pages(
        self, record: ExtentRecord, indexes: list[int], run: range, lane: Lane
    ) -> dict[int, Pages]:
        fetches = [self._fragments.start(record, index, run, lane) for index in indexes]
        return {fetch.index: dict(self._fragments.finish(fetch).pages) for fetch in fetches}

    def _made_pages(
        self,
        record: ExtentRecord,
        lost: frozenset[int],
        run: range,
        known: Mapping[int, Pages],
        lane: Lane,
    ) -> dict[int, Pages]:
        """Reconstruct *run* of all *lost* fragments from one set of sources."""
        sources = self._reconstructor.gather(
            record,
            run,
            without=lost,
            lane=lane,
            lookup=lambda _record, index, _pages: known.get(index, {}),
        )
        return {index: self._reconstructor.compute(record, index, run, sources) for index in lost}

    def _prove(self, record: ExtentRecord, index: int, payload: memoryview) -> None:
        """Check a whole reconstructed payload against its fragment's header hash.

        The header is made again: fragments that were written together differ
        in index, layout and page table only, so a sibling's proven header
        gives the rest. Where no sibling was written with it (a fragment
        repaired alone, and lost again) there is nothing to compare with, and
        what ``engine.extents.reconstruct`` says of lost tables holds.
        """
        ref = record.fragments[index]
        table_hash = header_hash(encode_page_table(payload))
        contradicts = False
        for sibling in record.fragments:
            head = self._fragments.known_head(record, sibling.index)
            if head is None:
                continue
            header = replace(head.header, index=index, layout=ref.layout, table_hash=table_hash)
            if header_hash(encode_header(header)) == ref.header_hash:
                return
            # One layout is one writing, so this header cannot differ otherwise.
            contradicts = contradicts or sibling.layout == ref.layout
        if contradicts:
            self._disks.report_corruption(record.extent_id, index, ref.disk_id, Verdict.PARITY)
            raise DamagedPageError(
                f"extent {record.extent_id}: fragment {index} as reconstructed"
                " contradicts its header"
            )
