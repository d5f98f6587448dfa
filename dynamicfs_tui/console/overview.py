"""The one screen: header, bands of panes, footer; and how they share the terminal."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from dynamicfs_tui.console.disk_lines import detail_pane, disk_pane
from dynamicfs_tui.console.footer_lines import footer_lines
from dynamicfs_tui.console.header_lines import header_lines
from dynamicfs_tui.console.job_lines import rebuild_pane, scrub_pane
from dynamicfs_tui.console.layout import HEIGHT_MIN, WIDE, WIDTH_MIN, is_too_small, share_rows
from dynamicfs_tui.console.pane import LivePane, SceneView
from dynamicfs_tui.console.pool_lines import event_pane, tier_pane
from dynamicfs_tui.console.scene import Scene

PANE_DRAWS: Final = {
    "disks": disk_pane,
    "rebuild": rebuild_pane,
    "scrub": scrub_pane,
    "tiers": tier_pane,
    "events": event_pane,
}
"""Panes in the order of their numbers and of the tab key."""

BANDS: Final = (("disks",), ("rebuild", "scrub"), ("tiers", "events"))


class Overview(Vertical):
    """Everything an operator sees at once. Widgets are kept by reference, so that
    they go on being drawn while a dialog is on top."""

    def __init__(self) -> None:
        super().__init__(id="overview")
        self._header = SceneView(header_lines, id="header")
        self._footer = SceneView(footer_lines, id="footer")
        self._notice = Static(id="notice", markup=False)
        self._body = Horizontal(id="body")
        self._bands = tuple(Horizontal(classes="band") for _band in BANDS)
        self.panes: Final = {
            name: LivePane(draw, number=number, id=name)
            for number, (name, draw) in enumerate(PANE_DRAWS.items(), start=1)
        }
        self._detail = LivePane(detail_pane, number=None, id="detail")
        self._zoomed = ""
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield self._header
        with self._body:
            with Vertical(id="bands"):
                for band, names in zip(self._bands, BANDS, strict=True):
                    with band:
                        for name in names:
                            yield self.panes[name]
            yield self._detail
        yield self._footer
        yield self._notice

    @property
    def focused_pane(self) -> str:
        """Name of the pane with the focus; the disks' when none has it."""
        return next((name for name, pane in self.panes.items() if pane.has_focus), "disks")

    @property
    def zoomed(self) -> str:
        """Name of the pane that has the screen for itself, or an empty string."""
        return self._zoomed

    def zoom(self, name: str) -> None:
        """Give the pane *name* the whole body; an empty string gives it back."""
        self._zoomed = name
        self._laid_out = ()
        if name:
            self.panes[name].focus()

    def show(self, scene: Scene) -> None:
        """Draw *scene*, giving rows anew only when their shares changed."""
        if self._lay_out(scene):
            return
        for line_view in (self._header, self._footer):
            line_view.show(scene)
        for pane in (*self.panes.values(), self._detail):
            pane.show(scene)

    def show_notice(self, text: str) -> None:
        """Show *text* alone; an empty one shows the overview again."""
        for part in (self._header, self._body, self._footer):
            part.display = not text
        self._notice.display = bool(text)
        if text:
            self._laid_out = ()
            self._notice.update(text)

    def _lay_out(self, scene: Scene) -> bool:
        """Share out the rows; return whether the terminal is too small to show anything."""
        width, height = self.app.size
        view = scene.view
        busy = (
            view.reconcile.active
            or bool(view.reconcile.items)
            or view.scrub.running
            or bool(view.scrub.findings)
        )
        state = (width, height, len(view.disks), busy, self._zoomed)
        too_small = is_too_small(width, height)
        if state == self._laid_out and not too_small:
            return False
        if too_small:
            need = f"DynamicFS needs {WIDTH_MIN}x{HEIGHT_MIN}, this is {width}x{height}"
            self.show_notice(f"{need}\nthe file system and its jobs go on")
            return True
        self.show_notice("")
        self._laid_out = state
        rows = share_rows(height, disk_count=len(view.disks), busy=busy)
        heights = (rows.disks, rows.jobs, rows.pool)
        for band, names, band_rows in zip(self._bands, BANDS, heights, strict=True):
            band.display = not self._zoomed or self._zoomed in names
            band.styles.height = "1fr" if self._zoomed else band_rows
            for name in names:
                self.panes[name].display = not self._zoomed or self._zoomed == name
        self._detail.display = width >= WIDE and not self._zoomed
        return False
