"""Says what fragments are, by reading all of them from their disks.

Verification never repairs and remembers nothing: header, page table and every
page are read again, whatever is in memory. Findings are reported to the pool
as they are met.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.codec.code import reconstruct
from engine.codec.kernel import Kernel
from engine.device.lanes import Lane
from engine.extents.disks import DiskSource
from engine.extents.fragments import FetchedPages, FragmentReader, HeadFrom, pages_bytes
from engine.extents.reconstruct import Pages
from engine.extents.slices import Progress, no_progress, steps
from engine.extents.verdict import Verdict
from engine.model.extent import ExtentRecord


class ExtentVerifier:
    """Verifies fragments and parity of one pool. Thread-safe."""

    def __init__(self, disks: DiskSource, fragments: FragmentReader, *, kernel: Kernel) -> None:
        self._disks: Final = disks
        self._fragments: Final = fragments
        self._kernel: Final = kernel

    def verify_fragment(
        self,
        record: ExtentRecord,
        index: int,
        *,
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> Verdict:
        """Read one fragment whole; return the first thing wrong with it."""
        for run in steps(record):
            verdict = self._fetch(record, [index], run, lane)[index].verdict
            if verdict is not Verdict.INTACT:
                return verdict
            progress(pages_bytes(record.slice_bytes, run))
        return Verdict.INTACT

    def verify_extent(
        self,
        record: ExtentRecord,
        *,
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> tuple[Verdict, ...]:
        """Read all fragments, each byte once; return a verdict for each.

        Fragments that are intact are also compared with what the code makes of
        k others: a disagreement that no checksum shows is PARITY, said of the
        fragments behind the first k intact ones.
        """
        verdicts = dict.fromkeys(range(len(record.fragments)), Verdict.INTACT)
        for run in steps(record):
            asked = [index for index, found in verdicts.items() if found is Verdict.INTACT]
            fetched = self._fetch(record, asked, run, lane)
            verdicts |= {index: found.verdict for index, found in fetched.items()}
            intact = {
                index: dict(found.pages)
                for index, found in fetched.items()
                if found.verdict is Verdict.INTACT
            }
            for index in self._disagreeing(record, run, intact):
                verdicts[index] = Verdict.PARITY
                self._disks.report_corruption(
                    record.extent_id, index, record.fragments[index].disk_id, Verdict.PARITY
                )
            progress(len(asked) * pages_bytes(record.slice_bytes, run))
        return tuple(verdicts[index] for index in sorted(verdicts))

    def verify_parity(
        self,
        record: ExtentRecord,
        *,
        lane: Lane = Lane.MAINTENANCE,
        progress: Progress = no_progress,
    ) -> Verdict:
        """Return PARITY if intact fragments contradict the code, else INTACT.

        UNREACHABLE when too few fragments are intact to compare anything.
        """
        verdicts = self.verify_extent(record, lane=lane, progress=progress)
        if Verdict.PARITY in verdicts:
            return Verdict.PARITY
        if sum(verdict is Verdict.INTACT for verdict in verdicts) <= record.needed_count:
            return Verdict.UNREACHABLE
        return Verdict.INTACT

    def _fetch(
        self, record: ExtentRecord, indexes: list[int], run: range, lane: Lane
    ) -> dict[int, FetchedPages]:
        # With the first run the head is read from disk; it is memory's then.
        head_from = HeadFrom.DISK if run.start == 0 else HeadFrom.MEMORY
        fetches = [self._fragments.start(record, index, run, lane, head_from) for index in indexes]
        return {fetch.index: self._fragments.finish(fetch) for fetch in fetches}

    def _disagreeing(
        self, record: ExtentRecord, run: range, intact: Mapping[int, Pages]
    ) -> list[int]:
        """Return which intact fragments differ from what the first k intact make."""
        joined = {index: b"".join(pages[page] for page in run) for index, pages in intact.items()}
        sources = sorted(joined)[: record.needed_count]
        others = [index for index in sorted(joined) if index not in sources]
        if len(sources) < record.needed_count or not others:
            return []
        made = reconstruct(
            record.redundancy,
            {index: joined[index] for index in sources},
            others,
            pages_bytes(record.slice_bytes, run),
            self._kernel,
        )
        return [index for index in others if made[index] != joined[index]]
