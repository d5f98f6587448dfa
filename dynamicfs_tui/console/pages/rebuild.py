"""Page 3: what reconcile does, what waits and why, and when it ends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from dynamicfs_tui.console import work_verbs
from dynamicfs_tui.console.action import POOL, Action, Weight
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.work_paths import WorkPaths
from dynamicfs_tui.console.work_table import WORK_TABLE


class RebuildPage(Page):
    """Progress above the extents in hand."""

    def __init__(self, desk: Desk) -> None:
        self._paths = WorkPaths(time.monotonic)
        table = replace(
            WORK_TABLE, rows=lambda scene: self._paths.named(scene.view.reconcile.items)
        )
        self._table = LiveTable(table, id="work")
        super().__init__(desk, "rebuild", {"work": self._table})

    def show(self, scene: Scene) -> None:
        super().show(scene)
        self._paths.ask_for(scene.view.reconcile.items, self.desk, self.desk.redraw)

    @property
    def path(self) -> str:
        """File of the extent under the cursor; empty when none is known."""
        item = self._table.cursor_row
        return "" if item is None else item.path


def _prefer(desk: Desk) -> None:
    page = desk.page
    path = page.path if isinstance(page, RebuildPage) else ""
    work_verbs.prefer(desk, path.rpartition("/")[0] or path)


PREFER: Final = Action(
    action_id="work.prefer",
    keys=("E",),
    title="first",
    group=POOL,
    weight=Weight.REVERSIBLE,
    topic=work_verbs.TOPIC,
    footer=10,
    run=_prefer,
    help="Let a directory go first among what is equally exposed; asks which.",
)


def badge(scene: Scene) -> str:
    """Return whether it runs, stands, or has something it cannot do."""
    job, glyphs = scene.view.reconcile, scene.glyphs
    if job.paused or job.cancelled:
        return glyphs.paused.symbol
    if job.failed_items:
        return glyphs.work["failed"].symbol
    if job.active:
        return glyphs.work["running"].symbol
    return glyphs.work["pending"].symbol if job.pending_items or job.waiting_s > 0 else ""


SPEC: Final = PageSpec(
    name="rebuild",
    number=3,
    title="Rebuild",
    short="Rb",
    purpose="what is made whole again, in which order, how fast, and until when.",
    make=RebuildPage,
    badge=badge,
    actions=(
        work_verbs.PAUSE,
        work_verbs.LIMIT,
        work_verbs.LESS,
        work_verbs.MORE,
        work_verbs.CANCEL,
        work_verbs.PRIORITY,
        work_verbs.FULL_SPEED,
        work_verbs.START,
        PREFER,
    ),
)
