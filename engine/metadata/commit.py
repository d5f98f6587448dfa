"""Who commits, and who waits: one commit at a time, shared by all who need it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from engine.ids import Generation
from engine.metadata.journals import ShippedRoot
from engine.metadata.store import ClosedGroup, MetadataStore


class RootShipper(Protocol):
    """Where committed roots go."""

    @property
    def acknowledged(self) -> Generation:
        """The newest generation that is safe, everything before it too."""

    def submit(self, root: ShippedRoot) -> None:
        """Queue a root; waits when too many are unacknowledged."""

    def wait_acknowledged(self, generation: Generation, timeout_s: float) -> None:
        """Wait until *generation* is safe; QuorumError when it cannot be."""


class Committer:
    """Leads commits. Any thread; never under the write lock."""

    def __init__(
        self,
        store: MetadataStore,
        shipper: RootShipper,
        *,
        on_commit: Callable[[ClosedGroup], None],
    ) -> None:
        self._store = store
        self._shipper = shipper
        self._on_commit = on_commit
        self._commit_lock = threading.Lock()
        self._unsent: ShippedRoot | None = None
        """A committed root that found no room; it goes before any other."""

    def commit(self, generation: Generation) -> Generation:
        """Commit and ship every group up to *generation*; return the newest one.

        The first thread leads; those that wait for the lock meanwhile find
        their group committed already.

        Raises:
            EngineStoppedError: a group was lost (C8).
            QuorumError: too many roots wait; the group is committed and its
                root is sent by a later call.
        """
        with self._commit_lock:
            self._send()
            committed = self._store.template.generation
            if committed >= generation:
                return committed
            closed = self._store.close_group(self._shipper.acknowledged)
            if closed is not None:
                # Noted before anything else runs: no root may be left out, and none
                # that follows could ever be acknowledged without it (C5).
                self._unsent = ShippedRoot(
                    generation=closed.record.generation,
                    epoch=closed.record.epoch,
                    encoded=closed.encoded,
                    journal_set=closed.record.journal_set,
                    tolerance=closed.record.tolerance,
                )
                try:
                    self._send()
                finally:
                    # Behind it: the disks are at work meanwhile.
                    self._on_commit(closed)
            return self._store.template.generation

    def _send(self) -> None:
        """Ship what is unsent. No root may be left out: the next follows it."""
        if self._unsent is not None:
            self._shipper.submit(self._unsent)
            self._unsent = None

    def make_safe(self, generation: Generation, timeout_s: float) -> None:
        """Commit up to *generation* and wait until it is acknowledged (C5)."""
        committed = self.commit(generation)
        self._shipper.wait_acknowledged(min(generation, committed), timeout_s)
