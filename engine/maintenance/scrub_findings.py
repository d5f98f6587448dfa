"""The findings of one scrub: which file each concerns, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Final, TypeVar

from engine.clock import Clock
from engine.errors import DamagedDatabaseError
from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.limits import FINDINGS_MAX
from engine.maintenance.paths import EXTENTS_MAX, PathFinder
from engine.maintenance.progress import ItemProgress, ItemState
from engine.maintenance.scrub_progress import Finding, MetadataFinding, Outcome
from engine.maintenance.scrub_records import Json, ScrubRecords
from engine.metadata.inspection import MetadataKind
from engine.metadata.tables import Tables
from engine.model.extent import ExtentRecord
from engine.policy.waiting import WaitsFor

F = TypeVar("F", Finding, MetadataFinding)

PATHS_S: Final = 5.0
"""Between two searches for the files of findings, at least."""

SEARCH_SHARE: Final = 0.05
"""Of the time that searches may take: each walks whole tables."""


class Findings:
    """Bounded (FINDINGS_MAX). Changed by the maintenance thread, read by any."""

    def __init__(
        self, clock: Clock, tables: Tables, paths: PathFinder, records: ScrubRecords
    ) -> None:
        self._clock: Final = clock
        self._tables: Final = tables
        self._paths: Final = paths
        self._records: Final = records
        self._lock: Final = threading.Lock()
        self._fragments: tuple[Finding, ...] = ()
        self._metadata: tuple[MetadataFinding, ...] = ()
        self._search_s = float("-inf")
        self._changed = False
        self._turn = 0
        self._load()

    @property
    def fragments(self) -> tuple[Finding, ...]:
        """Fragments found wanting, in the order they were found."""
        return self._fragments

    @property
    def metadata(self) -> tuple[MetadataFinding, ...]:
        """Copies of the metadata found damaged."""
        return self._metadata

    def clear(self) -> None:
        """Forget everything: a scrub begins."""
        with self._lock:
            self._fragments, self._metadata = (), ()
            self._changed = True

    def add(
        self,
        record: ExtentRecord,
        verdicts: Mapping[int, Verdict],
        bad: Sequence[int],
        *,
        repair: bool,
    ) -> None:
        """Add the fragments *bad* of *record*, of which *verdicts* were read."""
        values = list(verdicts.values())
        new = [
            Finding(
                extent_id=record.extent_id,
                index=index,
                disk_id=record.fragments[index].disk_id,
                verdict=verdicts[index],
                layout=record.fragments[index].layout,
                found_ns=self._clock.now_ns(),
                # Of a disk's fragments alone, the others are not known to be bad.
                intact=values.count(Verdict.INTACT) + len(record.fragments) - len(values),
                unreachable=values.count(Verdict.UNREACHABLE),
                needed=record.needed_count,
                width=len(record.fragments),
            )
            for index in bad
        ]
        with self._lock:
            room = FINDINGS_MAX - len(self._fragments)
            self._fragments += tuple(_judged(one, None, repair=repair) for one in new[:room])
            self._changed = True

    def add_metadata(self, found: Sequence[MetadataFinding]) -> None:
        """Add copies of the metadata that are damaged."""
        with self._lock:
            room = FINDINGS_MAX - len(self._metadata)
            self._metadata += tuple(found[:room])
            self._changed = True

    def replace_metadata(self, found: Sequence[MetadataFinding]) -> None:
        """Take over what became of the findings in the metadata."""
        with self._lock:
            self._metadata = tuple(found)
            self._changed = True

    def name_files(self, *, now: bool) -> bool:
        """Look for a file of each new finding, in a bounded share of the time.

        At most EXTENTS_MAX at once; returns whether it looked for any.
        """
        began_s = self._clock.monotonic_s()
        if began_s < self._search_s and not now:
            return False
        self._search_s = began_s + PATHS_S
        nameless = [one for one in self._fragments if not one.path_known]
        if not nameless:
            return False
        asked = list(dict.fromkeys(one.extent_id for one in nameless))[:EXTENTS_MAX]
        paths = self._paths.find(asked)
        took_s = self._clock.monotonic_s() - began_s
        self._search_s = began_s + max(PATHS_S, took_s / SEARCH_SHARE)
        searched = set(asked)
        with self._lock:
            self._fragments = tuple(
                replace(one, path=paths.get(one.extent_id, ""), path_known=True)
                if one.extent_id in searched and not one.path_known
                else one
                for one in self._fragments
            )
            self._changed = True
        return True

    @property
    def changed(self) -> bool:
        """Whether something is not saved yet."""
        return self._changed

    @property
    def repaired_metadata(self) -> int:
        """How many damaged copies of the metadata are whole again."""
        return sum(one.outcome is Outcome.REPAIRED for one in self._metadata)

    def settle(self, held: Sequence[ItemProgress], *, repair: bool, limit: int) -> None:
        """Look at the records: what was repaired, what waits for what.

        *held* are items of reconcile, which say why they do not proceed. At most
        *limit* findings are looked at, in turn.
        """
        items = {item.extent_id: item for item in held}
        open_ones = [one for one in self._fragments if not one.outcome.is_settled]
        self._turn = 0 if self._turn >= len(open_ones) else self._turn
        settled: dict[tuple[ExtentId, int], Finding] = {}
        for one in open_ones[self._turn : self._turn + limit]:
            judged = self._looked_at(one, items.get(one.extent_id), repair=repair)
            if judged != one:
                settled[one.extent_id, one.index] = judged
        self._turn += limit
        if settled:
            with self._lock:
                self._fragments = tuple(
                    settled.get((one.extent_id, one.index), one) for one in self._fragments
                )
                self._changed = True

    def _looked_at(self, one: Finding, item: ItemProgress | None, *, repair: bool) -> Finding:
        store, extents = self._tables.store, self._tables.extents
        with store.lock:
            store.require_running()
            try:
                record = extents.get(one.extent_id)
            except DamagedDatabaseError:
                return one
            if record is None or not extents.is_named(one.extent_id):
                return replace(one, outcome=Outcome.GONE, reason="")
        # A repair gives the fragment a new layout, wherever it is written.
        if len(record.fragments) != one.width or one.index >= len(record.fragments):
            return replace(one, outcome=Outcome.REPAIRED, reason="")
        if record.fragments[one.index].layout != one.layout:
            return replace(one, outcome=Outcome.REPAIRED, reason="")
        return _judged(one, item, repair=repair)

    def save(self) -> None:
        """Keep the findings for the next session."""
        if not self._changed:
            return
        self._changed = False
        fragments: list[Json] = [asdict(one) for one in self._fragments]
        metadata: list[Json] = [asdict(one) for one in self._metadata]
        self._records.save_findings(fragments + metadata)

    def _load(self) -> None:
        rows = self._records.findings()
        loaded = [_loaded(Finding, row) for row in rows if "extent_id" in row]
        self._fragments = tuple(_typed(one) for one in loaded if one is not None)
        other = [_loaded(MetadataFinding, row) for row in rows if "kind" in row]
        self._metadata = tuple(
            replace(one, kind=MetadataKind(one.kind), outcome=Outcome(one.outcome))
            for one in other
            if one is not None
        )


def _judged(one: Finding, item: ItemProgress | None, *, repair: bool) -> Finding:
    """Return what is to be said of a finding that is still as it was found."""
    if one.intact + one.unreachable < one.needed:
        return replace(one, outcome=Outcome.IRRECOVERABLE, reason="")
    if one.intact < one.needed:
        reason = f"{one.unreachable} of its fragments are on disks that do not answer"
        return replace(one, outcome=Outcome.PENDING, reason=reason)
    # What waits for leave to be mended is as it was found: a repair is that leave.
    held = item if item is None or item.waits_for is not WaitsFor.REPAIR else None
    if held is not None and held.state in (ItemState.PENDING, ItemState.FAILED):
        return replace(one, outcome=Outcome.PENDING, reason=held.reason)
    if not repair:
        return replace(one, outcome=Outcome.FOUND, reason="")
    return replace(one, outcome=Outcome.QUEUED, reason="")


def _loaded(kind: type[F], row: Json) -> F | None:
    """Return *row* as a finding; None when it is of a version with other fields."""
    if set(row) != {field.name for field in fields(kind)}:
        return None
    # Names are those of the fields, and values were written by ``asdict``.
    return kind(**row)  # type: ignore[arg-type]


def _typed(one: Finding) -> Finding:
    return replace(
        one,
        extent_id=ExtentId(one.extent_id),
        disk_id=DiskId(one.disk_id),
        verdict=Verdict(one.verdict),
        outcome=Outcome(one.outcome),
    )
