"""Scrubs the metadata: labels, journals and checkpoints of the disks, and the database.

What is found is read twice before it is believed. With repair, a damaged
journal is copied anew from the other members as if the disk had been away, and
a checkpoint from a member that has it whole; the database is made again from
the journals at the next open, and a label by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from engine.clock import Clock
from engine.errors import DeviceError, EngineError
from engine.ids import DiskUuid, Generation
from engine.maintenance.scrub_progress import MetadataFinding, Outcome
from engine.metadata.catchup import copy_checkpoint
from engine.metadata.disks import JournalDisks
from engine.metadata.heeding import Heed
from engine.metadata.inspection import (
    CopyDamage,
    Inspected,
    MetadataKind,
    inspect_label,
    inspect_member,
)
from engine.metadata.shipping import MemberState, MemberView

DATABASE_NAME: Final = "metadata.db"


class JournalMembers(Protocol):
    """The shipper, as far as a scrub needs it. Thread-safe."""

    def members(self) -> tuple[MemberView, ...]:
        """Return how each disk stands that is sent roots."""

    def renew_members(
        self, broken: Mapping[DiskUuid, Generation], carriers: Collection[DiskUuid]
    ) -> str:
        """Have damaged journals copied anew; return why not, empty when it began."""


class MetadataScrub:
    """One inspection at a time, in the maintenance thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        disks: JournalDisks,
        journals: JournalMembers | None,
        disk_name: Callable[[DiskUuid], str],
        check_database: Callable[[], str],
        make_checkpoint: Callable[[], None],
        scratch: Path,
    ) -> None:
        """*journals* is None where nothing is shipped. *check_database* returns
        what is wrong with the database, empty when nothing is; *make_checkpoint*
        stores a new one on all members, or raises EngineError.
        """
        self._clock: Final = clock
        self._disks: Final = disks
        self._journals: Final = journals
        self._disk_name: Final = disk_name
        self._check_database: Final = check_database
        self._make_checkpoint: Final = make_checkpoint
        self._scratch: Final = scratch
        self._pieces: Iterator[int] | None = None
        self._damage: list[CopyDamage] = []
        self._whole: dict[str, list[DiskUuid]] = {}
        self._sound: set[DiskUuid] = set()
        self._unread: set[DiskUuid] = set()
        self._database = ""

    def begin(self) -> None:
        """Begin an inspection of everything."""
        self._damage, self._whole, self._database = [], {}, ""
        self._sound, self._unread = set(), set()
        self._pieces = None

    def step(self, heed: Heed) -> int | None:
        """Read one piece; return how many records it held, None behind the last.

        What *heed* raises passes, and the inspection begins anew.
        """
        if self._pieces is None:
            self.begin()
            self._pieces = self._inspect(heed)
        try:
            checked = next(self._pieces, None)
        except BaseException:
            self._pieces = None
            raise
        if checked is None:
            self._pieces = None
        return checked

    def findings(self) -> list[MetadataFinding]:
        """Return what the inspection found."""
        found = [self._finding(one) for one in self._damage]
        if self._database:
            found.append(
                MetadataFinding(
                    disk="",
                    kind=MetadataKind.DATABASE,
                    name=DATABASE_NAME,
                    cause=self._database,
                    found_ns=self._clock.now_ns(),
                )
            )
        return found

    def repair(self) -> list[MetadataFinding]:
        """Have mended what others have whole; return the findings with their outcome."""
        found = self.findings()
        refusal = self._renew_journals()
        checkpoints = [one for one in self._damage if one.kind is MetadataKind.CHECKPOINT]
        reasons = {
            (self._disk_name(one.disk), one.name): self._renew_checkpoint(one)
            for one in checkpoints
        }
        outcomes = []
        for one in found:
            match one.kind:
                case MetadataKind.JOURNAL:
                    reason = refusal
                case MetadataKind.CHECKPOINT:
                    reason = reasons[one.disk, one.name]
                case MetadataKind.LABEL:
                    reason = "a label is written only when a disk joins: replace the disk"
                case MetadataKind.DATABASE:
                    reason = "the next open makes it again from the journals"
            outcome = Outcome.PENDING if reason else Outcome.QUEUED
            outcomes.append(replace(one, outcome=outcome, reason=reason))
        return outcomes

    def look_again(self, found: list[MetadataFinding], heed: Heed) -> list[MetadataFinding]:
        """Inspect anew; return *found* with what was repaired since."""
        self.begin()
        for _ in self._inspect(heed):
            heed()
        left = {(one.disk, one.kind, one.name) for one in self.findings()}
        return [
            one
            if (one.disk, one.kind, one.name) in left or one.outcome is not Outcome.QUEUED
            else replace(one, outcome=Outcome.REPAIRED, reason="")
            for one in found
        ]

    def is_busy(self) -> bool:
        """Whether a journal is being copied now."""
        members = self._journals.members() if self._journals is not None else ()
        reachable = set(self._disks.reachable())
        return any(
            one.state is not MemberState.CURRENT and one.disk in reachable for one in members
        )

    # Inspecting

    def _inspect(self, heed: Heed) -> Iterator[int]:
        for disk in self._disks.reachable():
            yield from self._twice(disk, partial(self._label, disk))
        for disk, until in self._current().items():
            seen = len(self._damage)
            yield from self._twice(disk, partial(self._member, disk, until, heed))
            if not any(one.kind is MetadataKind.JOURNAL for one in self._damage[seen:]):
                self._sound.add(disk)
        # Members that were lost meanwhile had records set aside while we read.
        current = set(self._current()) - self._unread
        self._sound &= current
        self._damage = [
            one for one in self._damage if one.kind is MetadataKind.LABEL or one.disk in current
        ]
        heed()
        self._database = self._check_database()
        yield 1

    def _label(self, disk: DiskUuid) -> Iterator[Inspected]:
        yield inspect_label(self._disks, disk)

    def _member(self, disk: DiskUuid, until: Generation, heed: Heed) -> Iterator[Inspected]:
        return inspect_member(self._disks, disk, until=until, heed=heed)

    def _current(self) -> dict[DiskUuid, Generation]:
        """Return the members that say they hold everything, and up to where."""
        members = self._journals.members() if self._journals is not None else ()
        return {
            one.disk: one.last
            for one in members
            if one.state is MemberState.CURRENT and one.last is not None
        }

    def _twice(self, disk: DiskUuid, inspect: Callable[[], Iterator[Inspected]]) -> Iterator[int]:
        """Inspect, and again where something seems wrong; what is so twice counts.

        A disk that does not answer says nothing; nor does one that was lost meanwhile.
        """
        damage: list[CopyDamage] = []
        whole: list[str] = []
        try:
            for piece in inspect():
                damage += piece.damage
                whole.append(piece.whole_checkpoint)
                yield piece.checked
            if damage:
                again = [one for piece in inspect() for one in piece.damage]
                damage = [one for one in damage if one in again]
        except DeviceError:
            self._unread.add(disk)
            return
        self._damage += damage
        for name in filter(None, whole):
            self._whole.setdefault(name, []).append(disk)

    def _finding(self, one: CopyDamage) -> MetadataFinding:
        return MetadataFinding(
            disk=self._disk_name(one.disk),
            kind=one.kind,
            name=one.name,
            cause=one.cause,
            found_ns=self._clock.now_ns(),
        )

    # Repair

    def _renew_journals(self) -> str:
        broken: dict[DiskUuid, Generation] = {}
        for one in self._damage:
            if one.kind is MetadataKind.JOURNAL:
                broken[one.disk] = min(one.after, broken.get(one.disk, one.after))
        if not broken or self._journals is None:
            return ""
        return self._journals.renew_members(broken, self._sound)

    def _renew_checkpoint(self, one: CopyDamage) -> str:
        """Copy a whole one over it, or make a new one; return why not."""
        try:
            for source in self._whole.get(one.name, []):
                copy_checkpoint(self._disks, one.disk, source, one.name, scratch=self._scratch)
                return ""
            self._make_checkpoint()
        except EngineError as error:
            return str(error) or type(error).__name__
        return ""
