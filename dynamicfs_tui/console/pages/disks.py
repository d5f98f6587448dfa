"""Page 2: every disk, and everything about the one under the cursor."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Container

from dynamicfs_tui.console.disk_detail import detail_pane
from dynamicfs_tui.console.disk_lines import DISK_TABLE
from dynamicfs_tui.console.disk_verbs import DISK_ACTIONS
from dynamicfs_tui.console.layout import TALL, WIDE
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pages.what_if import SIMULATE
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.scrub_verbs import SCRUB
from dynamicfs_tui.console.text import safe
from engine.status.views import PoolView

DETAIL_ROWS_MIN: Final = 9
"""Rows the particulars need below the table; with fewer they are one Enter away."""


DETAIL_CELLS: Final = 60
"""Cells of the particulars beside the table."""


class DisksPage(Page):
    """Master and detail: beside each other when wide, one below the other when tall."""

    def __init__(self, desk: Desk) -> None:
        self._table = LiveTable(DISK_TABLE, id="disks")
        self._detail = LivePane(detail_pane, id="detail")
        super().__init__(desk, "disks", {"disks": self._table, "detail": self._detail})
        self._halves = Container(classes="halves")
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with self._halves:
            yield from self.panes.values()

    def crumb(self, view: PoolView) -> str:
        names = [disk.name for disk in view.disks if disk.uuid == self._table.cursor_key]
        return f"Disks > {safe(names[0])}" if self.zoomed == "detail" and names else ""

    def show(self, scene: Scene) -> None:
        self._table.set_cursor(scene.selected_uuid)
        super().show(scene)

    def enter(self) -> None:
        """Show the particulars alone, or the table again."""
        self.zoom("" if self.zoomed else "detail")
        self.desk.redraw()

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        self.desk.select_disk(message.key)

    def lay_out(self, scene: Scene) -> None:
        size, zoomed = self.size, self.zoomed
        state = (size, zoomed, len(scene.view.disks))
        if state == self._laid_out:
            return
        self._laid_out = state
        wide = size.width >= WIDE
        # Frame, titles and the line about the selected disk are more than its rows.
        wanted = len(scene.view.disks) + (4 if self.app.size.height >= TALL else 3)
        table_rows = min(wanted, max(size.height // 2, size.height - 2 * DETAIL_ROWS_MIN))
        both = not zoomed and (wide or size.height - table_rows >= DETAIL_ROWS_MIN)
        self._halves.styles.layout = "horizontal" if wide else "vertical"
        self._detail.styles.width = DETAIL_CELLS if wide and both else "1fr"
        self._table.styles.height = table_rows if both and not wide else "1fr"
        set_display(self._table, wanted=zoomed in ("", "disks"))
        set_display(self._detail, wanted=both or zoomed == "detail")


def badge(scene: Scene) -> str:
    """Return how many disks are not as they should be."""
    bad = sum(not (disk.present or disk.detached) for disk in scene.view.disks)
    worst = any(disk.state in ("failed", "suspect") for disk in scene.view.disks)
    return f"({bad})" if bad else scene.glyphs.disks["suspect"].symbol if worst else ""


SPEC: Final = PageSpec(
    name="disks",
    number=2,
    title="Disks",
    short="Dk",
    purpose="every disk with its traffic, errors and work, and what to do about it.",
    make=DisksPage,
    badge=badge,
    actions=(*DISK_ACTIONS, SCRUB, SIMULATE),
)
