"""Pages of a lost fragment, computed from the same pages of others.

Reed-Solomon works column by column, so a page of one slice depends on that
page of k others only. Every source page is proven before it is used. The
result is proven by the lost fragment's page table where that is known. When
the table was lost with its disk, what proves the result is that each source
was proven against committed metadata and the code is deterministic: the same
k inputs gave the parity that was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from engine.codec.code import reconstruct
from engine.codec.kernel import Kernel
from engine.device.lanes import Lane
from engine.errors import DamagedPageError, ExtentUnrecoverableError
from engine.extents.disks import DiskSource
from engine.extents.fragments import FragmentReader, pages_bytes
from engine.extents.tables import SourceMeter
from engine.extents.verdict import Verdict
from engine.format.fragment import verify_pages
from engine.ids import DiskId
from engine.limits import PAGE_BYTES
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord
from engine.model.redundancy import Replication
from engine.policy.sources import order_sources

Pages = dict[int, memoryview]
"""Page number to proven bytes."""

Lookup = Callable[[ExtentRecord, int, range], Mapping[int, memoryview]]
"""(record, index, pages) to those pages of a fragment that are in memory."""


class Reconstructor:
    """Finds k proven sources for each page and computes what is wanted. Thread-safe."""

    def __init__(
        self,
        disks: DiskSource,
        fragments: FragmentReader,
        meter: SourceMeter,
        kernel: Kernel,
    ) -> None:
        self._disks: Final = disks
        self._fragments: Final = fragments
        self._meter: Final = meter
        self._kernel: Final = kernel

    def order(self, record: ExtentRecord, without: frozenset[int] = frozenset()) -> list[int]:
        """Return the fragment indexes to ask, the best source first.

        On healthy disks data slices go before parity: their pages serve the
        reads that follow, so reading an extent degraded costs no more bytes.
        """
        by_disk: dict[DiskId, int] = {
            ref.disk_id: ref.index for ref in record.fragments if ref.index not in without
        }
        states = self._meter.states(list(by_disk), self._disks.spaces())
        ordered = order_sources(states)
        if not isinstance(record.redundancy, Replication):
            healthy = {one.disk_id for one in states if one.state is DiskState.HEALTHY}
            ordered = tuple(
                sorted(
                    ordered,
                    key=lambda disk_id: (
                        disk_id not in healthy,
                        by_disk[disk_id] >= record.needed_count,
                    ),
                )
            )
        return [by_disk[disk_id] for disk_id in ordered]

    def gather(
        self,
        record: ExtentRecord,
        pages: range,
        *,
        without: frozenset[int],
        lane: Lane,
        lookup: Lookup | None = None,
    ) -> dict[int, Pages]:
        """Return, by fragment index, pages such that each page has k sources.

        Asks as many fragments as are missing at once and each at most once.

        Raises:
            ExtentUnrecoverableError: some page has fewer than k proven sources.
        """
        found: dict[int, Pages] = {}
        waiting = self.order(record, without)
        if lookup is not None:
            for index in list(waiting):
                cached = dict(lookup(record, index, pages))
                if len(cached) == len(pages):
                    found[index] = cached
                    waiting.remove(index)
        while (short := record.needed_count - _fewest_sources(found, pages)) > 0:
            batch, waiting = waiting[:short], waiting[short:]
            if not batch:
                intact = record.needed_count - short
                raise ExtentUnrecoverableError(
                    record.extent_id, intact=intact, needed=record.needed_count
                )
            fetches = [self._fragments.start(record, index, pages, lane) for index in batch]
            for fetch in fetches:
                found[fetch.index] = dict(self._fragments.finish(fetch).pages)
        return found

    def compute(
        self, record: ExtentRecord, wanted: int, pages: range, sources: Mapping[int, Pages]
    ) -> Pages:
        """Return *pages* of fragment *wanted* from *sources* of ``gather``.

        Raises:
            DamagedPageError: the fragment's own page table is known and the
                result contradicts it: the parity does not fit the data.
        """
        result: Pages = {}
        for run, indexes in _runs_by_sources(pages, sources, record.needed_count):
            length = pages_bytes(record.slice_bytes, run)
            available = {index: _joined(sources[index], run) for index in indexes}
            made = reconstruct(record.redundancy, available, [wanted], length, self._kernel)
            body = memoryview(made[wanted]).toreadonly()
            self._prove(record, wanted, run, body)
            for page in run:
                start = (page - run.start) * PAGE_BYTES
                result[page] = body[start : start + PAGE_BYTES]
        return result

    def _prove(self, record: ExtentRecord, wanted: int, run: range, body: memoryview) -> None:
        head = self._fragments.known_head(record, wanted)
        if head is None:
            return
        try:
            verify_pages(head.table, run.start, body)
        except DamagedPageError:
            self._disks.report_corruption(
                record.extent_id, wanted, record.fragments[wanted].disk_id, Verdict.PARITY
            )
            raise


def _fewest_sources(found: Mapping[int, Pages], pages: range) -> int:
    return min(sum(page in views for views in found.values()) for page in pages)


def _runs_by_sources(
    pages: range, sources: Mapping[int, Pages], needed: int
) -> list[tuple[range, tuple[int, ...]]]:
    """Divide *pages* into runs that have the same first k sources."""
    runs: list[tuple[range, tuple[int, ...]]] = []
    for page in pages:
        indexes = tuple(sorted(index for index in sources if page in sources[index])[:needed])
        if runs and runs[-1][1] == indexes:
            runs[-1] = (range(runs[-1][0].start, page + 1), indexes)
        else:
            runs.append((range(page, page + 1), indexes))
    return runs


def _joined(views: Pages, run: range) -> bytes | memoryview:
    return views[run.start] if len(run) == 1 else b"".join(views[page] for page in run)
