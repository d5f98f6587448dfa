"""Page 5: space and data by tier, and the disks of each."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console import space_verbs
from dynamicfs_tui.console.layout import TALL
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.tier_lines import TIER_DISKS, tier_bars

BARS_BESIDES: Final = 7
"""Rows of the bars that are not for a tier: titles, gaps, capacity."""


class TiersPage(Page):
    """Bars above, disks below."""

    def __init__(self, desk: Desk) -> None:
        self._table = LiveTable(TIER_DISKS, id="tier-disks")
        super().__init__(
            desk,
            "tiers",
            {"tiers": LivePane(tier_bars, id="tier-bars"), "disks": self._table},
        )
        self._laid_out: tuple[object, ...] = ()

    def focus_first(self) -> None:
        self.panes[self.zoomed or "disks"].focus()

    def enter(self) -> None:
        """Open the disk under the cursor on its page."""
        if self.focused_name == "disks" and self._table.cursor_key:
            self.desk.select_disk(self._table.cursor_key)
            self.desk.go_to("disks")
        else:
            super().enter()
            self.desk.redraw()

    def lay_out(self, scene: Scene) -> None:
        state = (self.size, self.zoomed, len(scene.view.tiers))
        if state == self._laid_out:
            return
        self._laid_out = state
        frame = 2 if self.app.size.height >= TALL else 1
        wanted = 2 * len(scene.view.tiers) + BARS_BESIDES - 1 + frame
        rows = min(wanted, max(4, self.size.height - 6))
        self.panes["tiers"].styles.height = "1fr" if self.zoomed else rows
        for name, pane in self.panes.items():
            set_display(pane, wanted=self.zoomed in ("", name))


SPEC: Final = PageSpec(
    name="tiers",
    number=5,
    title="Tiers",
    short="Ti",
    purpose="space and data by tier, and how full their disks are.",
    make=TiersPage,
    actions=(space_verbs.REBALANCE, space_verbs.COMPACT),
)
