"""What stands around every page: status line, tabs, alarm, footer; and the pages themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from dynamicfs_tui.console.actions import actions_of
from dynamicfs_tui.console.footer_lines import footer_line
from dynamicfs_tui.console.header_lines import status_line
from dynamicfs_tui.console.layout import HEIGHT_MIN, WIDTH_MIN, is_too_small
from dynamicfs_tui.console.page import Desk, Page
from dynamicfs_tui.console.pages import PAGES
from dynamicfs_tui.console.pane import SceneView
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.tab_lines import alarm_line, tab_at, tab_line
from dynamicfs_tui.console.text import Line


class ClickableLine(SceneView):
    """A line that says where it was clicked."""

    class Clicked(Message):
        """A cell of the line was clicked."""

        def __init__(self, source: ClickableLine, cell: int, scene: Scene) -> None:
            super().__init__()
            self.source = source
            self.cell = cell
            self.scene = scene

    def on_click(self, event: events.Click) -> None:
        if self._scene is not None:
            self.post_message(self.Clicked(self, event.x, self._scene))


def _one(draw: Callable[[Scene, int], Line]) -> Callable[[Scene, int], tuple[Line]]:
    return lambda scene, width: (draw(scene, width),)


class Frame(Vertical):
    """All pages, one of them seen, between header and footer."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="frame")
        self._desk = desk
        self._status = SceneView(_one(status_line), id="status")
        self._tabs = ClickableLine(_one(partial(tab_line, PAGES)), id="tabs")
        self._alarm = ClickableLine(_one(alarm_line), id="alarm")
        self._footer = SceneView(_one(self._footer_line), id="footer")
        self._notice = Static(id="notice", markup=False)
        self.pages: Final[Mapping[str, Page]] = {spec.name: spec.make(desk) for spec in PAGES}
        self._page = self.pages[PAGES[0].name]
        self._body = Vertical(id="body")

    def compose(self) -> ComposeResult:
        yield self._status
        yield self._tabs
        yield self._alarm
        with self._body:
            for page in self.pages.values():
                page.display = page is self._page
                yield page
        yield self._footer
        yield self._notice

    @property
    def page(self) -> Page:
        """The page that is seen."""
        return self._page

    def open_page(self, name: str) -> None:
        """Show the page *name*; KeyError when there is none."""
        page = self.pages[name]
        if page is not self._page:
            self._page.display = False
            page.display = True
            self._page = page
        page.focus_first()

    def show(self, scene: Scene) -> None:
        """Draw *scene* on the page that is seen, and around it."""
        width, height = self.app.size
        if is_too_small(width, height):
            need = f"DynamicFS needs {WIDTH_MIN}x{HEIGHT_MIN}, this is {width}x{height}"
            self.show_notice(f"{need}\nthe file system and its jobs go on")
            return
        self.show_notice("")
        if self._alarm.display != bool(scene.alarms):
            self._alarm.display = bool(scene.alarms)
        for part in (self._status, self._tabs, self._alarm, self._footer):
            part.show(scene)
        self._page.show(scene)

    def show_notice(self, text: str) -> None:
        """Show *text* alone; an empty one shows the page again."""
        if self._notice.display == bool(text) and not text:
            return
        for part in (self._status, self._tabs, self._body, self._footer):
            part.display = not text
        self._notice.display = bool(text)
        if text:
            self._alarm.display = False
            self._notice.update(text)

    def _footer_line(self, scene: Scene, width: int) -> Line:
        return footer_line(actions_of(self._page.page_name), scene, width)

    def on_clickable_line_clicked(self, message: ClickableLine.Clicked) -> None:
        if message.source is self._alarm:
            self._desk.acknowledge()
            return
        name = tab_at(PAGES, message.scene, self._tabs.size.width, message.cell)
        if name:
            self._desk.go_to(name)

    def on_live_pane_entered(self) -> None:
        self._page.enter()
