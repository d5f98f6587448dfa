"""What would be, were some disks gone or emptied: one walk over all extents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.ids import DiskId
from engine.metadata.quorum import JournalSet
from engine.model.disk import DiskState
from engine.policy.exposure import journal_exposure, may_fail
from engine.policy.forecast import Forecast
from engine.policy.healing import Healing
from engine.policy.placement import DiskSpace
from engine.policy.what_if import Assessment, Fate, Holding, assess, fate_of, journals_writable
from engine.pool.assembly import Engine
from engine.pool.census import Census, Counted, FilesIn
from engine.pool.properties import Narrow
from engine.pool.topology import PoolTopology


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOutlook:
    """The journals without some disks. ``carriers`` are all disks left that could carry them."""

    writable: bool
    carriers: int
    needed: int
    exposure_now: int
    exposure_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a walk found. ``moving``: fragments on the disks, damaged ones included."""

    assessment: Assessment
    forecast: Forecast
    journals: JournalOutlook
    moving_fragments: int
    moving_bytes: int
    may_fail_now: int
    may_fail_after: int
    """-1 when something would be lost."""
    healing: Healing
    may_fail_healed: int
    """When what can be made again has been; what is lost does not count."""
    lost: FilesIn
    exposed: FilesIn


class Lookout:
    """Looks ahead for one engine. Any thread; changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._base: Final = engine.base

    def look(
        self, leaving: frozenset[DiskId], *, newcomer: DiskSpace | None = None, names: bool = False
    ) -> Outlook:
        """Return what the pool would be without *leaving*.

        *newcomer* takes what they have; it may be a disk that is to join. With
        *names*, files are collected, too.
        """
        spaces = list(self._base.disks.spaces())
        joins = newcomer is not None and all(one.disk_id != newcomer.disk_id for one in spaces)
        if newcomer is not None and joins:
            spaces.append(newcomer)
        forecast = Forecast(spaces, leaving=leaving)
        walk = _Walk(self._engine, leaving, forecast, newcomer, names=names)
        assessment = assess(walk.holdings(), leaving)
        journals = self.journals(leaving, joining=joins)
        after = may_fail(assessment.least_left, max(0, journals.exposure_after))
        # Journals that can still change follow the disks that are left (C7).
        moves = journals.writable and journals.carriers >= journals.needed
        then = self._base.store.template.tolerance if moves else max(0, journals.exposure_after)
        return Outlook(
            assessment=assessment,
            forecast=forecast,
            journals=journals,
            moving_fragments=walk.moving_fragments,
            moving_bytes=walk.moving_bytes,
            may_fail_now=may_fail(walk.least_now, max(0, journals.exposure_now)),
            may_fail_after=-1 if assessment.lost.extents else after,
            healing=walk.healing,
            may_fail_healed=may_fail(walk.healing.least_left, then),
            lost=walk.lost,
            exposed=walk.exposed,
        )

    def journals(self, leaving: frozenset[DiskId], *, joining: bool = False) -> JournalOutlook:
        """Return what the journals would be without *leaving*."""
        template = self._base.store.template
        quorum = JournalSet.of(template)
        carrying = {
            one.record.uuid: one.record.disk_id
            for one in self._base.disks.presences()
            if one.present and one.record.state is not DiskState.FAILED
        }
        left = {uuid for uuid, disk_id in carrying.items() if disk_id not in leaving}
        carriers = len(left) + joining
        needed = quorum.acknowledging_count
        # A pool that was only opened to look would be writable all the same.
        refusal = self._engine.refusal() if self._base.shipper is not None else ""

        def exposure(missing: int) -> int:
            return journal_exposure(tolerance=template.tolerance, missing=missing)

        return JournalOutlook(
            writable=not refusal
            and journals_writable(
                holding=quorum.count(left),
                meeting=quorum.meeting_count,
                acknowledging=needed,
                carriers=carriers,
            ),
            carriers=carriers,
            needed=needed,
            exposure_now=exposure(len(quorum.disks) - quorum.count(carrying)),
            exposure_after=exposure(len(quorum.disks) - quorum.count(left)),
        )


class _Walk:
    """One walk in progress: counts on the side while the holdings pass by."""

    def __init__(
        self,
        engine: Engine,
        leaving: frozenset[DiskId],
        forecast: Forecast,
        newcomer: DiskSpace | None,
        *,
        names: bool,
    ) -> None:
        self._census = Census(engine.readers, PoolTopology(engine).disks())
        self._leaving = leaving
        self._forecast = forecast
        self._newcomer = newcomer
        self._names = names
        self.healing = Healing(
            disks_left=len(forecast.targets),
            narrows=engine.properties.narrow is Narrow.AUTO,
        )
        self.moving_fragments = self.moving_bytes = 0
        self.least_now: int | None = None
        self.lost = FilesIn(engine.readers)
        self.exposed = FilesIn(engine.readers)

    def holdings(self) -> Iterator[Holding]:
        for counted in self._census.walk():
            holding = counted.holding
            fate = fate_of(holding, self._leaving)
            if self._names and fate is Fate.LOST:
                self.lost.add(counted.extent_ids)
            elif self._names and fate is Fate.EXPOSED:
                self.exposed.add(counted.extent_ids)
            every = holding.holders | holding.others
            moving = len(every & self._leaving)
            self.moving_fragments += moving * holding.extents
            self.moving_bytes += moving * holding.fragment_bytes
            if fate is not Fate.LOST:
                self._place(counted, moving)
            left = len(holding.holders) - holding.needed
            if left >= 0:
                self.least_now = left if self.least_now is None else min(self.least_now, left)
            yield holding

    def _place(self, counted: Counted, moving: int) -> None:
        """Find a place for what extents would lose, and count how they stand then."""
        holding, homeless_bytes = counted.holding, self._forecast.homeless_bytes
        placed = 0
        if moving:
            placed = self._forecast.place(
                holding.extents,
                moving=moving,
                fragment_bytes=counted.fragment_file_bytes,
                holders=(holding.holders | holding.others) - self._leaving,
                successor=None if self._newcomer is None else self._newcomer.disk_id,
            )
        has_room = self._forecast.homeless_bytes == homeless_bytes
        self.healing.count(holding, self._leaving, placed=placed, has_room=has_room)
