"""The facets of a pool that another process owns: each verb is one request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from engine.status.answers import (
    AuditView,
    CompactionView,
    DirectoryEntryView,
    OrphanView,
    PlanView,
    PolicyView,
    ScrubHistoryView,
    WhatIfView,
    WhereView,
)
from engine.status.views import EventView, WorkItemView

T = TypeVar("T")

Argument: TypeAlias = bool | int | str | Sequence[str]


class Ask(Protocol):
    """Sends one request and decodes its answer."""

    def __call__(self, verb: str, expected: type[T], /, **arguments: Argument) -> T: ...


def _here(path: str) -> str:
    """Return *path* absolute: a relative one is of this process, not of the owner."""
    return str(Path(path).absolute()) if path else ""


class RemoteDisks:
    """``DiskControl`` through the socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        """Return what the verb would do there."""
        new = _here(replacement) if verb == "replace" else replacement
        return self._ask("disks.plan", PlanView, verb=verb, disk=disk, replacement=new)

    def drain(self, disk: str, basis: str = "") -> str:
        """Drain the disk there."""
        return self._ask("disks.drain", str, disk=disk, basis=basis)

    def replace(self, disk: str, path: str, tier: str, basis: str = "") -> str:
        """Replace the disk there."""
        return self._ask("disks.replace", str, disk=disk, path=_here(path), tier=tier, basis=basis)

    def remove(self, disk: str, basis: str = "") -> str:
        """Take the disk out of the pool."""
        return self._ask("disks.remove", str, disk=disk, basis=basis)

    def detach(self, disk: str, basis: str = "") -> str:
        """Let the owner close the disk."""
        return self._ask("disks.detach", str, disk=disk, basis=basis)

    def attach(self, disk: str, path: str) -> str:
        """Let the owner take the disk back."""
        return self._ask("disks.attach", str, disk=disk, path=_here(path))

    def set_spare(self, disk: str, *, spare: bool) -> str:
        """Make the disk a spare, or not."""
        return self._ask("disks.set_spare", str, disk=disk, spare=spare)

    def what_if(self, disks: Sequence[str]) -> WhatIfView:
        """Ask what losing the disks would mean."""
        return self._ask("disks.what_if", WhatIfView, disks=tuple(disks))


class RemoteWork:
    """``WorkControl`` through the socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def pause(self) -> str:
        """Pause there."""
        return self._ask("work.pause", str)

    def resume(self) -> str:
        """Resume there."""
        return self._ask("work.resume", str)

    def cancel(self) -> str:
        """End the round there."""
        return self._ask("work.cancel", str)

    def limit(self, bytes_s: int) -> str:
        """Set the limit there."""
        return self._ask("work.limit", str, bytes_s=bytes_s)

    def set_priority(self, priority: str) -> str:
        """Set the priority there."""
        return self._ask("work.set_priority", str, priority=priority)

    def full_speed(self, seconds: int) -> str:
        """Full speed there for a while."""
        return self._ask("work.full_speed", str, seconds=seconds)

    def prefer(self, path: str) -> str:
        """Let a path go first there."""
        return self._ask("work.prefer", str, path=path)

    def rebalance(self) -> str:
        """Let the owner spread fragments evenly."""
        return self._ask("work.rebalance", str)

    def compact(self) -> str:
        """Let the owner compact half-dead extents."""
        return self._ask("work.compact", str)

    def plan_compaction(self) -> CompactionView:
        """Ask what compacting would mean."""
        return self._ask("work.plan_compaction", CompactionView)

    def set_compaction(self, percent: int) -> str:
        """Set there below which live share extents are compacted."""
        return self._ask("work.set_compaction", str, percent=percent)

    def list_work(self, limit: int) -> Sequence[WorkItemView]:
        """Return the items there."""
        return self._ask("work.list_work", tuple[WorkItemView, ...], limit=limit)


class RemoteScrubs:
    """``ScrubControl`` through the socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def start(self, target: str, *, repair: bool) -> str:
        """Start a scrub there."""
        return self._ask("scrubs.start", str, target=target, repair=repair)

    def pause(self) -> str:
        """Pause it there."""
        return self._ask("scrubs.pause", str)

    def resume(self) -> str:
        """Let it go on there."""
        return self._ask("scrubs.resume", str)

    def set_intensity(self, intensity: str) -> str:
        """Set the intensity there."""
        return self._ask("scrubs.set_intensity", str, intensity=intensity)

    def limit(self, bytes_s: int) -> str:
        """Set the limit there."""
        return self._ask("scrubs.limit", str, bytes_s=bytes_s)

    def schedule(self, when: str) -> str:
        """Set the schedule there."""
        return self._ask("scrubs.schedule", str, when=when)

    def history(self) -> ScrubHistoryView:
        """Return runs and ages."""
        return self._ask("scrubs.history", ScrubHistoryView)


class RemoteFiles:
    """``FileControl`` through the socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def where(self, path: str) -> WhereView:
        """Return where a file is."""
        return self._ask("files.where", WhereView, path=path)

    def list_directory(self, path: str, limit: int) -> Sequence[DirectoryEntryView]:
        """Return entries with their health."""
        expected = tuple[DirectoryEntryView, ...]
        return self._ask("files.list_directory", expected, path=path, limit=limit)

    def plan_redundancy(self, path: str, redundancy: str) -> PlanView:
        """Let the owner plan a policy."""
        return self._ask("files.plan_redundancy", PlanView, path=path, redundancy=redundancy)

    def set_redundancy(self, path: str, redundancy: str) -> str:
        """Set the policy there."""
        return self._ask("files.set_redundancy", str, path=path, redundancy=redundancy)

    def list_policies(self, limit: int) -> Sequence[PolicyView]:
        """Return the policies set there."""
        return self._ask("files.list_policies", tuple[PolicyView, ...], limit=limit)

    def find_orphans(self, limit: int, min_age_h: int) -> Sequence[OrphanView]:
        """Let the owner list orphans."""
        expected = tuple[OrphanView, ...]
        return self._ask("files.find_orphans", expected, limit=limit, min_age_h=min_age_h)

    def clean_orphans(self, min_age_h: int) -> str:
        """Let the owner delete orphans."""
        return self._ask("files.clean_orphans", str, min_age_h=min_age_h)


class RemoteJournal:
    """``JournalControl`` through the socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def events_since(self, sequence: int, limit: int) -> Sequence[EventView]:
        """Return events there."""
        expected = tuple[EventView, ...]
        return self._ask("journal.events_since", expected, sequence=sequence, limit=limit)

    def audit(self, limit: int) -> Sequence[AuditView]:
        """Return the audit trail's newest lines."""
        return self._ask("journal.audit", tuple[AuditView, ...], limit=limit)

    def verify_audit(self) -> str:
        """Let the owner check its audit trail."""
        return self._ask("journal.verify_audit", str)
