"""The verbs an operator has, the same for console, command line and socket.

Every verb returns at once or within a bounded time; long work runs in the
engine and is watched through ``view``. Arguments and results are plain
strings, numbers and views, so a verb can travel over the control socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.status.facets import (
    DiskControl,
    FileControl,
    JournalControl,
    ScrubControl,
    WorkControl,
)
from engine.status.views import PoolView


class PoolControl(Protocol):
    """What a console or a command may ask of an open pool. Thread-safe."""

    def view(self) -> PoolView:
        """Return the newest view; never waits for the data path."""

    def start_scrub(self, *, repair: bool) -> str:
        """Start a scrub; return one sentence. UsageError when one is running."""

    def stop_scrub(self) -> str:
        """Stop the running scrub; return one sentence."""

    def start_rebuild(self) -> str:
        """Start what reconcile would do later, without the delay; one sentence."""

    def probe_disks(self) -> Sequence[str]:
        """Look at every disk now; return one sentence per disk."""

    def set_disk_health(
        self, disk: str, state: str, basis: str = "", *, force: bool = False
    ) -> str:
        """Set a disk's state; *disk* is a name, UUID prefix or path.

        ``failed`` and ``draining`` follow the rules of ``DiskControl``: a *basis*
        that is no longer the pool's is refused with PoolBusyError, a blocked plan
        with UsageError. *force* marks a disk failed although its plan is blocked.
        """

    def add_disk(self, path: str, tier: str, *, spare: bool = False) -> str:
        """Make the directory *path* a disk of the pool; a *spare* takes fragments only to heal."""

    def sync(self) -> str:
        """Make everything accepted so far durable."""

    def check(self) -> Sequence[str]:
        """Check metadata consistency; return the contradictions found."""

    def list_extents(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return extents with redundancy, tier, length and fragments."""

    @property
    def disks(self) -> DiskControl:
        """Verbs of disks."""

    @property
    def work(self) -> WorkControl:
        """Verbs of reconcile."""

    @property
    def scrubs(self) -> ScrubControl:
        """Verbs of scrubs."""

    @property
    def files(self) -> FileControl:
        """Questions about files."""

    @property
    def journal(self) -> JournalControl:
        """Events and the audit trail."""

    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """Return counters by name, each by its label (``""`` without one)."""
