"""Numbers over all extents: exposure, fragments of each disk, tiers.

Read in pieces through reader connections, kept for as long as neither the
metadata nor the disks changed, and not taken more often than they are cheap.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import apsw

from engine.clock import Clock
from engine.ids import DiskId, Generation
from engine.maintenance.topology import DiskStatus
from engine.metadata.wal import ReaderPool
from engine.model.disk import Tier
from engine.policy.exposure import LOST, ExposureBucket, bucket_of

PIECE_EXTENTS: Final = 2000
"""Extents of one read transaction: some 15 ms with 4+2."""

REST_RATIO: Final = 20
"""Figures that took t seconds are good for this many t: 5 % of a core at most."""


_DISKS_WITH_FRAGMENTS: Final = (
    "WITH RECURSIVE step (disk) AS (SELECT min(disk) FROM fragment UNION ALL"
    " SELECT (SELECT min(disk) FROM fragment WHERE disk > step.disk) FROM step"
    " WHERE disk IS NOT NULL) SELECT disk FROM step WHERE disk IS NOT NULL"
)
"""One look into the index per disk; DISTINCT would walk all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a pool holds and how exposed it is, at one generation."""

    bucket_extents: Mapping[ExposureBucket, int] = field(default_factory=dict)
    bucket_bytes: Mapping[ExposureBucket, int] = field(default_factory=dict)
    degraded_extents: int = 0
    damaged_fragments: int = 0
    least_exposure: int | None = None
    """Of the extents that are not lost; None when there is none."""
    disk_fragments: Mapping[DiskId, int] = field(default_factory=dict)
    disk_bytes: Mapping[DiskId, int] = field(default_factory=dict)
    tier_extents: Mapping[Tier, int] = field(default_factory=dict)
    tier_user_bytes: Mapping[Tier, int] = field(default_factory=dict)

    @property
    def extents(self) -> int:
        """All extents."""
        return sum(self.bucket_extents.values())

    @property
    def lost_extents(self) -> int:
        """Extents with fewer intact fragments than needed."""
        return self.bucket_extents.get(ExposureBucket.LOST, 0)


@dataclass(slots=True)
class _Sums:
    """Figures while they are added up."""

    bucket_extents: dict[ExposureBucket, int] = field(default_factory=lambda: defaultdict(int))
    bucket_bytes: dict[ExposureBucket, int] = field(default_factory=lambda: defaultdict(int))
    degraded_extents: int = 0
    least: int | None = None
    disk_fragments: dict[DiskId, int] = field(default_factory=lambda: defaultdict(int))
    disk_bytes: dict[DiskId, int] = field(default_factory=lambda: defaultdict(int))
    tier_extents: dict[Tier, int] = field(default_factory=lambda: defaultdict(int))
    tier_user_bytes: dict[Tier, int] = field(default_factory=lambda: defaultdict(int))

    def add_extents(
        self, *, tier: Tier, needed: int, width: int, intact: int, count: int, length_bytes: int
    ) -> None:
        exposure = max(LOST, intact - needed)
        bucket = bucket_of(exposure)
        self.bucket_extents[bucket] += count
        self.bucket_bytes[bucket] += length_bytes
        self.tier_extents[tier] += count
        self.tier_user_bytes[tier] += length_bytes
        if intact < width:
            self.degraded_extents += count
        if exposure > LOST:
            self.least = exposure if self.least is None else min(self.least, exposure)


_Key = tuple[Generation, tuple[tuple[DiskId, bool], ...]]


class FigureSource:
    """Takes figures and keeps them. Thread-safe; one thread computes at a time."""

    def __init__(self, clock: Clock, readers: ReaderPool) -> None:
        self._clock: Final = clock
        self._readers: Final = readers
        self._lock: Final = threading.Lock()
        self._key: _Key | None = None
        self._figures = Figures()
        self._good_until_s = float("-inf")

    def newest(self) -> Figures:
        """Return the last figures taken; never waits."""
        return self._figures

    def refresh(self, generation: Generation, disks: Sequence[DiskStatus]) -> Figures:
        """Return figures for the committed *generation* and these *disks*.

        May take a second with a million extents; for a thread of its own, not
        for a screen. Changed disks are looked at once, changed extents only
        when the last figures have rested.
        """
        sound = tuple((disk.disk_id, disk.readable) for disk in disks)
        with self._lock:
            key = (generation, sound)
            began_s = self._clock.monotonic_s()
            same_disks = self._key is not None and self._key[1] == sound
            if key == self._key or (same_disks and began_s < self._good_until_s):
                return self._figures
            self._figures = self._take(frozenset(disk_id for disk_id, well in sound if well))
            self._key = key
            ended_s = self._clock.monotonic_s()
            self._good_until_s = ended_s + REST_RATIO * (ended_s - began_s)
            return self._figures

    def _take(self, sound: frozenset[DiskId]) -> Figures:
        sums = _Sums()
        with self._readers.read() as connection:
            damaged = int(connection.execute("SELECT count(*) FROM damage").get or 0)
            on_disks = {row[0] for row in connection.execute(_DISKS_WITH_FRAGMENTS)}
        # The usual case: no fragment can be bad, so none has to be looked at.
        all_well = not damaged and on_disks <= sound
        first = 0
        while True:
            with self._readers.read() as connection:
                last = _last_of_piece(connection, first)
                if last is None:
                    break
                _add_disks(connection, first, last, sums)
                _add_exposure(connection, first, last, None if all_well else sound, sums)
            first = last
        return Figures(
            bucket_extents=dict(sums.bucket_extents),
            bucket_bytes=dict(sums.bucket_bytes),
            degraded_extents=sums.degraded_extents,
            damaged_fragments=damaged,
            least_exposure=sums.least,
            disk_fragments=dict(sums.disk_fragments),
            disk_bytes=dict(sums.disk_bytes),
            tier_extents=dict(sums.tier_extents),
            tier_user_bytes=dict(sums.tier_user_bytes),
        )


def _last_of_piece(connection: apsw.Connection, first: int) -> int | None:
    """Return the last extent of the piece behind *first*, None when there is none."""
    row = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM extent WHERE id > ? ORDER BY id LIMIT ?)",
        (first, PIECE_EXTENTS),
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _add_disks(connection: apsw.Connection, first: int, last: int, sums: _Sums) -> None:
    """Add fragments and payload bytes by disk; a slice is a multiple of 4 KiB."""
    rows = connection.execute(
        "SELECT f.disk, count(*),"
        " sum(((e.length + e.needed - 1) / e.needed + 4095) / 4096 * 4096)"
        " FROM extent e CROSS JOIN fragment f ON f.extent = e.id"
        " WHERE e.id > ? AND e.id <= ? GROUP BY f.disk",
        (first, last),
    )
    for disk, count, size in rows:
        sums.disk_fragments[DiskId(disk)] += count
        sums.disk_bytes[DiskId(disk)] += size


def _add_exposure(
    connection: apsw.Connection,
    first: int,
    last: int,
    sound: frozenset[DiskId] | None,
    sums: _Sums,
) -> None:
    """Add extents by exposure; *sound* None means that every fragment is intact."""
    intact = "width"
    if sound is not None:
        listed = ", ".join(map(str, sorted(sound)))
        intact = (
            "(SELECT count(*) FROM fragment f WHERE f.extent = e.id"
            f" AND f.disk IN ({listed}) AND NOT EXISTS (SELECT 1 FROM damage d"
            " WHERE d.extent = f.extent AND d.position = f.position))"
        )
    rows = connection.execute(
        f"SELECT tier, needed, width, {intact} AS intact, count(*), sum(length)"
        " FROM extent e WHERE id > ? AND id <= ? GROUP BY 1, 2, 3, 4",
        (first, last),
    )
    for tier, needed, width, count_intact, count, length_bytes in rows:
        sums.add_extents(
            tier=Tier(tier),
            needed=needed,
            width=width,
            intact=count_intact,
            count=count,
            length_bytes=length_bytes,
        )
