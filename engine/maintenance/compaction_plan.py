"""What compacting now would read, write and free, found without doing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import apsw

from engine.extents.writer import fragment_file_bytes
from engine.limits import EXTENT_BYTES_MAX
from engine.maintenance.live_bytes import LiveScan
from engine.metadata.wal import ReaderPool
from engine.model.redundancy import Redundancy, fragment_count, parse_redundancy
from engine.policy.compaction import ExtentShare, is_worth_compacting

_EXTENT: Final = "SELECT redundancy, tier FROM extent WHERE id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionPlan:
    """Sums over the extents below a threshold; bytes are those on disks, headers included.

    ``read_bytes`` are at most read, and ``written_bytes`` written if every new
    extent could be filled. Extents that need mending first are counted, too.
    """

    extents: int = 0
    live_bytes: int = 0
    """User bytes that move."""
    read_bytes: int = 0
    written_bytes: int = 0
    freed_bytes: int = 0
    """What the disks have more of in the end."""


def plan_compaction(readers: ReaderPool, percent: int) -> CompactionPlan:
    """Return what compacting all extents below *percent* would mean. Any thread.

    Looks at every segment, in pieces: some microseconds for each.
    """
    scan = LiveScan(readers)
    scan.restart()
    extents = read_bytes = old_bytes = 0
    live_bytes: Counter[tuple[str, str]] = Counter()
    while scan.running:
        worth = [one for one in scan.next_piece() if is_worth_compacting(one, percent)]
        with readers.read() as connection:
            forms = [_form_of(connection, one) for one in worth]
        for share, form in zip(worth, forms, strict=True):
            if form is None:
                continue
            redundancy = parse_redundancy(form[0])
            extents += 1
            live_bytes[form] += share.live_bytes
            read_bytes += share.length_bytes
            old_bytes += _bytes_on_disks(redundancy, share.length_bytes)
    written_bytes = sum(
        _bytes_on_disks(parse_redundancy(form[0]), EXTENT_BYTES_MAX) * (size // EXTENT_BYTES_MAX)
        + _bytes_on_disks(parse_redundancy(form[0]), size % EXTENT_BYTES_MAX)
        for form, size in live_bytes.items()
    )
    return CompactionPlan(
        extents=extents,
        live_bytes=live_bytes.total(),
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        freed_bytes=max(0, old_bytes - written_bytes),
    )


def _form_of(connection: apsw.Connection, share: ExtentShare) -> tuple[str, str] | None:
    """Return redundancy and tier, in which extents go together; None when it is gone."""
    row = connection.execute(_EXTENT, (share.extent_id,)).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def _bytes_on_disks(redundancy: Redundancy, length_bytes: int) -> int:
    if not length_bytes:
        return 0
    return fragment_file_bytes(redundancy, length_bytes) * fragment_count(redundancy)
