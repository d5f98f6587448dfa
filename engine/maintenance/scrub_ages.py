"""How long ago each fragment was proven intact: the histogram of ages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.ids import ExtentId
from engine.maintenance.scrub_records import Proof, ScrubRecords
from engine.metadata.wal import ReaderPool
from engine.units import NS_PER_S

PIECE_EXTENTS: Final = 1000
DAY_S: Final = 24 * 3600
BOUNDS_D: Final = (0, 1, 7, 30, 90)
"""Where the buckets begin, in days; the last has no end."""

NEVER_S: Final = -1


@dataclass(frozen=True, slots=True)
class PlacedFragment:
    """A fragment as its extent's record names it. ``size_bytes`` is of its payload."""

    extent_id: ExtentId
    position: int
    layout: int
    size_bytes: int

    def verified_s(self, proofs: Mapping[tuple[int, int], Proof]) -> int:
        """Return when it was proven intact (epoch seconds), NEVER_S without proof.

        A proof of another layout is of the fragment that was there before.
        """
        proof = proofs.get((self.extent_id, self.position))
        return proof.verified_s if proof is not None and proof.layout == self.layout else NEVER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeBucket:
    """Fragments of an age in days from ``days_min`` to below ``days_max``; None is for ever."""

    days_min: int
    days_max: int | None
    fragments: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """All fragments by age; ``never`` are those that no scrub read."""

    buckets: tuple[AgeBucket, ...]
    never_fragments: int
    never_bytes: int


def fragment_pieces(readers: ReaderPool) -> Iterator[list[PlacedFragment]]:
    """Yield every fragment by extent, whole extents at a time; no piece is empty."""
    cursor = 0
    while True:
        with readers.read() as connection:
            rows = list(
                connection.execute(
                    "SELECT f.extent, f.position, f.layout,"
                    " ((e.length + e.needed - 1) / e.needed + 4095) / 4096 * 4096"
                    " FROM (SELECT id, length, needed FROM extent WHERE id > ?"
                    "       ORDER BY id LIMIT ?) AS e"
                    " JOIN fragment AS f ON f.extent = e.id ORDER BY f.extent, f.position",
                    (cursor, PIECE_EXTENTS),
                )
            )
        if not rows:
            return
        cursor = rows[-1][0]
        yield [PlacedFragment(ExtentId(row[0]), row[1], row[2], row[3]) for row in rows]


def count_ages(readers: ReaderPool, records: ScrubRecords, now_ns: int) -> Ages:
    """Return the ages of all fragments. Walks them all: some 3 us each."""
    fragments, sizes = [0] * len(BOUNDS_D), [0] * len(BOUNDS_D)
    never_fragments = never_bytes = 0
    for piece in fragment_pieces(readers):
        proofs = records.proofs(piece[0].extent_id, piece[-1].extent_id)
        for one in piece:
            verified_s = one.verified_s(proofs)
            if verified_s == NEVER_S:
                never_fragments += 1
                never_bytes += one.size_bytes
                continue
            bucket = bucket_of(now_ns // NS_PER_S - verified_s)
            fragments[bucket] += 1
            sizes[bucket] += one.size_bytes
    ends = (*BOUNDS_D[1:], None)
    return Ages(
        buckets=tuple(
            AgeBucket(days_min=start, days_max=end, fragments=count, bytes=size)
            for start, end, count, size in zip(BOUNDS_D, ends, fragments, sizes, strict=True)
        ),
        never_fragments=never_fragments,
        never_bytes=never_bytes,
    )


def bucket_of(age_s: int) -> int:
    """Return the index of the bucket for an age in seconds; the future is no age.

    >>> bucket_of(-5), bucket_of(86_399), bucket_of(86_400), bucket_of(10**9)
    (0, 0, 1, 4)
    """
    days = max(0, age_s) // DAY_S
    return max(index for index, start in enumerate(BOUNDS_D) if start <= days)
