"""Page 1: is anything wrong, what is running, how is every disk."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from dynamicfs_tui.console import disk_verbs, scrub_verbs, work_verbs
from dynamicfs_tui.console.disk_detail import detail_pane
from dynamicfs_tui.console.disk_lines import DISK_TABLE
from dynamicfs_tui.console.header_lines import pool_lines
from dynamicfs_tui.console.job_lines import rebuild_pane, scrub_pane
from dynamicfs_tui.console.layout import WIDE, share_rows
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pane import Focusable, LivePane, SceneView
from dynamicfs_tui.console.pool_lines import event_pane, tier_pane
from dynamicfs_tui.console.scene import Scene

BANDS: Final = (("disks",), ("rebuild", "scrub"), ("tiers", "events"))


class OverviewPage(Page):
    """Verdict, exposure, disks, jobs, tiers, events; beside them one disk when there is room."""

    def __init__(self, desk: Desk) -> None:
        self._disks = LiveTable(DISK_TABLE, id="disks")
        super().__init__(
            desk,
            "overview",
            {
                "disks": self._disks,
                "rebuild": LivePane(rebuild_pane, id="rebuild"),
                "scrub": LivePane(scrub_pane, id="scrub"),
                "tiers": LivePane(tier_pane, id="tiers"),
                "events": LivePane(event_pane, id="events"),
            },
        )
        self._verdict = SceneView(pool_lines, id="verdict")
        self._detail = LivePane(detail_pane, id="detail", focusable=Focusable.NO)
        self._bands = tuple(Horizontal(classes="band") for _band in BANDS)
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield self._verdict
        with Horizontal(classes="columns"):
            with Vertical(classes="bands"):
                for band, names in zip(self._bands, BANDS, strict=True):
                    with band:
                        for name in names:
                            yield self.panes[name]
            yield self._detail

    def show(self, scene: Scene) -> None:
        self._disks.set_cursor(scene.selected_uuid)
        self._verdict.show(scene)
        super().show(scene)
        self._detail.show(scene)

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        self.desk.select_disk(message.key)

    def enter(self) -> None:
        """Open the page of the focused pane's subject."""
        self.desk.go_to(self.focused_name)

    def lay_out(self, scene: Scene) -> None:
        view, size, zoomed = scene.view, self.size, self.zoomed
        busy = (
            view.reconcile.active
            or bool(view.reconcile.items)
            or view.scrub.running
            or bool(view.scrub.findings)
        )
        state = (size, len(view.disks), busy, zoomed)
        if state == self._laid_out or not size.height:
            return
        self._laid_out = state
        rows = share_rows(size.height, self.app.size.height, disk_count=len(view.disks), busy=busy)
        heights = (rows.disks, rows.jobs, rows.pool)
        for band, names, band_rows in zip(self._bands, BANDS, heights, strict=True):
            band.display = not zoomed or zoomed in names
            band.styles.height = "1fr" if zoomed else band_rows
            for name in names:
                set_display(self.panes[name], wanted=zoomed in ("", name))
        set_display(self._detail, wanted=size.width >= WIDE and not zoomed)


def badge(scene: Scene) -> str:
    """Return the symbol of the pool's health while it is not well."""
    word = scene.view.verdict.word
    return "" if word == "ok" else scene.glyphs.pool[word].symbol


SPEC: Final = PageSpec(
    name="overview",
    number=1,
    title="Overview",
    short="Ov",
    purpose="is anything wrong, what is running, how is every disk.",
    make=OverviewPage,
    badge=badge,
    actions=(
        scrub_verbs.SCRUB,
        *disk_verbs.DISK_ACTIONS,
        work_verbs.START,
        work_verbs.PAUSE,
        work_verbs.LIMIT,
    ),
)
