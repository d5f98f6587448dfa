"""What an operator may ask of an open pool, by subject.

``PoolControl`` carries one of each. Rules as there: every verb returns at
once or within a bounded time, arguments and results are plain values and
frozen records, so that each verb can travel over the control socket under the
name ``facet.verb``. All are thread-safe. All verbs that change something raise
ReadOnlyError on a pool that cannot be changed and UsageError for what cannot
be meant; verbs that return ``str`` return one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

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


class DiskControl(Protocol):
    """Disks that leave, come and are changed. *disk* is a name, UUID prefix or path.

    *basis* is that of the plan the operator agreed to: a verb is refused with
    PoolBusyError when disks, states or policy changed since. Empty: no check.
    What a plan of the moment calls blocked is refused with UsageError.
    """

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        """Return what *verb* would do to *disk*; *replacement* is the new path of ``replace``."""

    def drain(self, disk: str, basis: str = "") -> str:
        """Move all fragments off *disk*; it stays a member, draining, until removed."""

    def replace(self, disk: str, path: str, tier: str, basis: str = "") -> str:
        """Make *path* a disk and move what *disk* had to it; *disk* may be gone.

        *disk* leaves the pool by itself when nothing of it is left. *tier* empty:
        that of the old one.
        """

    def remove(self, disk: str, basis: str = "") -> str:
        """Take *disk* out of the pool; UsageError while extents still have fragments on it."""

    def detach(self, disk: str, basis: str = "") -> str:
        """Let go of *disk* for maintenance: closed, absent without fault or rebuild."""

    def attach(self, disk: str, path: str) -> str:
        """Take a detached disk back, at *path* when that is not empty."""

    def set_spare(self, disk: str, *, spare: bool) -> str:
        """Make *disk* a spare, or an ordinary disk."""

    def what_if(self, disks: Sequence[str]) -> WhatIfView:
        """Return what losing *disks* now would mean."""


class WorkControl(Protocol):
    """Reconcile: rebuild, drain, policy and the rest of its work."""

    def pause(self) -> str:
        """Interrupt the work in hand, and begin none until ``resume``; survives a restart."""

    def resume(self) -> str:
        """End ``pause`` and ``cancel``."""

    def cancel(self) -> str:
        """End this round: what is left waits until disks change or ``resume``."""

    def limit(self, bytes_s: int) -> str:
        """Write at most *bytes_s*; 0 takes the limit away."""

    def set_priority(self, priority: str) -> str:
        """Set how much it may take from foreground I/O: low, normal or high."""

    def full_speed(self, seconds: int) -> str:
        """High priority and no limit for so long; 0 ends it."""

    def prefer(self, path: str) -> str:
        """Let the extents below *path* go first; an empty path forgets all preferences."""

    def rebalance(self) -> str:
        """Move fragments from the fullest disks to the emptiest, once."""

    def compact(self) -> str:
        """Move what lives in half-dead extents into new ones, once and without waiting."""

    def plan_compaction(self) -> CompactionView:
        """Return what ``compact`` would read, write and free. Looks at every file map."""

    def set_compaction(self, percent: int) -> str:
        """Compact extents of which less than *percent* lives, unasked; 0: only when asked."""

    def list_work(self, limit: int) -> Sequence[WorkItemView]:
        """Return the items in order, running first, with a file each."""


class ScrubControl(Protocol):
    """Scrubs beyond start and stop."""

    def start(self, target: str, *, repair: bool) -> str:
        """Scrub *target*: ``all``, ``disk NAME``, ``directory PATH``, ``bad``, ``older DAYS``."""

    def pause(self) -> str:
        """Interrupt the running scrub; ``resume`` goes on at its cursor, also after a restart."""

    def resume(self) -> str:
        """End ``pause``."""

    def set_intensity(self, intensity: str) -> str:
        """Set low, medium or high; takes effect at once and is kept."""

    def limit(self, bytes_s: int) -> str:
        """Read at most *bytes_s*; 0 takes the limit away."""

    def schedule(self, when: str) -> str:
        """Set ``nightly``, ``every N h`` or ``manual``; kept in the pool."""

    def history(self) -> ScrubHistoryView:
        """Return runs and the ages of fragments."""


class FileControl(Protocol):
    """Files, as far as an operator asks about them. Paths are within the pool, ``/`` its root."""

    def where(self, path: str) -> WhereView:
        """Return where the file is. UsageError when there is none."""

    def list_directory(self, path: str, limit: int) -> Sequence[DirectoryEntryView]:
        """Return entries by name with their health, at most *limit*."""

    def plan_redundancy(self, path: str, redundancy: str) -> PlanView:
        """Return what ``set_redundancy`` would mean; changes nothing."""

    def set_redundancy(self, path: str, redundancy: str) -> str:
        """Set the policy of a file, a directory, or the pool (``path`` empty); empty inherits."""

    def list_policies(self, limit: int) -> Sequence[PolicyView]:
        """Return files and directories with a policy of their own, at most *limit*."""

    def find_orphans(self, limit: int, min_age_h: int) -> Sequence[OrphanView]:
        """List fragment files that nothing names, judged as ``clean_orphans`` would.

        Reads the directories of all disks.
        """

    def clean_orphans(self, min_age_h: int) -> str:
        """Delete removable orphans older than that; the rest is told."""


class JournalControl(Protocol):
    """What happened, and who did it."""

    def events_since(self, sequence: int, limit: int) -> Sequence[EventView]:
        """Return events after *sequence*, oldest first."""

    def audit(self, limit: int) -> Sequence[AuditView]:
        """Return the newest lines of the audit trail, oldest first."""

    def verify_audit(self) -> str:
        """Check the chain of hashes; return one sentence."""


FACETS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "disks": DiskControl,
        "work": WorkControl,
        "scrubs": ScrubControl,
        "files": FileControl,
        "journal": JournalControl,
    }
)
"""Every facet by the name ``PoolControl`` has for it."""


def verbs_of(facet: type) -> tuple[str, ...]:
    """Return the verbs that *facet* defines.

    >>> verbs_of(JournalControl)
    ('events_since', 'audit', 'verify_audit')
    """
    return tuple(
        name for name, value in vars(facet).items() if callable(value) and not name.startswith("_")
    )
