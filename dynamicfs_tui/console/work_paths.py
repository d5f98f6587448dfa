"""Which file an extent of the rebuild belongs to, asked for beside the drawing.

A view does not carry the files of extents that wait: to find them the engine
walks all names of the pool. So they are asked for in a thread, one question at
a time, and rarely when an answer takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from engine.status.control import PoolControl
from engine.status.views import WorkItemView

ITEMS_MAX: Final = 256
"""Of so many extents, those that come first, files are asked for."""

PAUSE_S: Final = 2.0
"""Between two questions, at least."""

PAUSE_RATIO: Final = 20
"""So many times as long as the last answer took, at least: five percent of a thread."""


class Asker(Protocol):
    """Who runs a question in a thread: the desk."""

    def fetch(
        self,
        title: str,
        call: Callable[[PoolControl], Sequence[WorkItemView]],
        then: Callable[[Sequence[WorkItemView]], None],
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Run *call* in a thread and give its answer to *then* in this one."""


class WorkPaths:
    """The files of extents that were asked for lately. For the UI thread."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s: Final = now_s
        self._paths: dict[int, str] = {}
        self._asked = False
        self._next_s = float("-inf")
        self._named: tuple[object, Sequence[WorkItemView]] = ((), ())

    def ask_for(
        self, items: Sequence[WorkItemView], asker: Asker, seen: Callable[[], None]
    ) -> None:
        """Ask for the files of *items* that have none yet, unless that was just done.

        *seen* is called when there is an answer.
        """
        unknown = any(not item.path for item in self.named(items)[:ITEMS_MAX])
        began_s = self._now_s()
        if self._asked or not unknown or began_s < self._next_s:
            return
        self._asked = True

        def ended() -> None:
            self._asked = False
            took_s = self._now_s() - began_s
            self._next_s = self._now_s() + max(PAUSE_S, PAUSE_RATIO * took_s)

        def take(found: Sequence[WorkItemView]) -> None:
            # Extents that are done are forgotten: this never holds more than one answer.
            self._paths = {item.extent_id: item.path for item in found}
            self._named = ((), ())
            ended()
            seen()

        asker.fetch(
            "files of the rebuild",
            lambda control: control.work.list_work(ITEMS_MAX),
            take,
            failed=lambda _why: ended(),  # The column stays empty, as it was.
        )

    def named(self, items: Sequence[WorkItemView]) -> Sequence[WorkItemView]:
        """Return *items* with the files that are known by now."""
        if self._named[0] is not items:
            self._named = (items, tuple(self._with_path(item) for item in items))
        return self._named[1]

    def _with_path(self, item: WorkItemView) -> WorkItemView:
        path = item.path or self._paths.get(item.extent_id, "")
        return item if path == item.path else replace(item, path=path)
