"""A pool that only pretends: it shows scripted views and notes the verbs it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from engine.status.views import PoolView
from tests.canned_facets import (
    CannedDisks,
    CannedFiles,
    CannedJournal,
    CannedScrubs,
    CannedWork,
)


class CannedControl:
    """Implements ``PoolControl``. ``calls`` holds each verb with its arguments."""

    def __init__(self, view: PoolView | Callable[[], PoolView]) -> None:
        self._view = view
        self.calls: list[tuple[object, ...]] = []
        self.views = 0
        self.view_error: Exception | None = None
        self.verb_error: Exception | None = None
        self.verb_wait = threading.Event()
        """Verbs take until this is set, as it is at first."""
        self.verb_wait.set()
        self.disks = CannedDisks(self._record)
        self.work = CannedWork(self._record)
        self.scrubs = CannedScrubs(self._record)
        self.files = CannedFiles(self._record)
        self.journal = CannedJournal(self._record)

    def set_view(self, view: PoolView | Callable[[], PoolView]) -> None:
        self._view = view

    def view(self) -> PoolView:
        self.views += 1
        if self.view_error is not None:
            raise self.view_error
        return self._view if isinstance(self._view, PoolView) else self._view()

    def _record(self, *call: object) -> None:
        self.calls.append(call)
        assert self.verb_wait.wait(60)
        if self.verb_error is not None:
            raise self.verb_error

    def start_scrub(self, *, repair: bool) -> str:
        self._record("start_scrub", repair)
        return "scrub started"

    def stop_scrub(self) -> str:
        self._record("stop_scrub")
        return "scrub stopped"

    def start_rebuild(self) -> str:
        self._record("start_rebuild")
        return "rebuild started"

    def probe_disks(self) -> Sequence[str]:
        self._record("probe_disks")
        return ["d0: present", "d1: present"]

    def set_disk_health(
        self, disk: str, state: str, basis: str = "", *, force: bool = False
    ) -> str:
        self._record("set_disk_health", disk, state, *filter(None, [basis]), *["force"] * force)
        return f"{disk} is {state} now"

    def add_disk(self, path: str, tier: str, *, spare: bool = False) -> str:
        self._record("add_disk", path, tier, *(["spare"] if spare else []))
        return "added"

    def sync(self) -> str:
        self._record("sync")
        return "synced"

    def check(self) -> Sequence[str]:
        self._record("check")
        return []

    def list_extents(self, limit: int) -> Sequence[Mapping[str, object]]:
        self._record("list_extents", limit)
        return []

    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        return {}
