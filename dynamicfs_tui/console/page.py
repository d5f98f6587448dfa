"""A page, one of the numbered screens, and the desk it works at.

``Desk`` is what pages and actions may use of the application: they never
call the engine themselves, so that no key can block the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Container

from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.plans import Plan
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.scene import Scene
from engine.status.control import PoolControl
from engine.status.views import PoolView

Answer = TypeVar("Answer")

Call = Callable[[PoolControl], str]
"""A verb of the pool; it runs in a thread and returns what to tell the operator."""


class Desk(Protocol):
    """What an action may use of the console. For the UI thread; nothing here waits."""

    @property
    def scene(self) -> Scene:
        """The moment that is on the screen."""

    @property
    def page(self) -> Page:
        """The page that is seen."""

    def act(self, title: str, call: Call, *, undo: Call | None = None, topic: str = "") -> None:
        """Run *call* in a thread and tell its answer; ``u`` runs *undo* for ten seconds.

        Actions of *topic* are refused until its effect is seen.
        """

    def ask(self, plan: Plan, call: Call) -> None:
        """Show *plan*; when the operator agrees, ``act``."""

    def propose(self, title: str, make: Callable[[PoolControl], Plan], call: Call) -> None:
        """Let *make* work out a plan in a thread, then ``ask``.

        The plan is made again before *call*, and shown again when it is another.
        """

    def inquire(self, question: Question, then: Callable[[str], None]) -> None:
        """Ask for one line of text; *then* gets it unless the operator leaves."""

    def fetch(
        self,
        title: str,
        call: Callable[[PoolControl], Answer],
        then: Callable[[Answer], None],
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Run *call* in a thread and give its answer to *then* in this one.

        An error is told, or given to *failed* as a sentence when there is one.
        """

    def go_to(self, name: str) -> None:
        """Show the page *name*; ``back`` returns."""

    def next_layout(self) -> None:
        """Go on to the next of the ``PRESETS``."""

    def back(self) -> None:
        """Leave whatever was entered last: a filter, an enlarged pane, a page."""

    def select_disk(self, uuid: str) -> None:
        """Make the disk *uuid* the one that actions mean."""

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Show *text* for some seconds."""

    def copy(self, text: str) -> None:
        """Put *text* into the terminal's clipboard."""

    def redraw(self) -> None:
        """Draw the page again: something other than the view has changed."""

    def repaint(self) -> None:
        """Paint every cell of the terminal, whatever may be on it."""

    def next_pane(self, step: int) -> None:
        """Move the focus by *step* panes."""

    def jump(self) -> None:
        """Show a letter on every pane; the one that is pressed moves the focus there."""

    def toggle_hold(self) -> None:
        """Hold the display, or let it go on."""

    def acknowledge(self) -> None:
        """Take the alarms off the screen."""

    def take_back(self) -> None:
        """Undo what ``act`` did last, while that is offered."""

    def open_help(self) -> None:
        """Show the keys of this page."""

    def open_palette(self) -> None:
        """Show all commands by name."""

    def ask_to_quit(self) -> None:
        """Ask whether to end the console."""


class Page(Container):
    """One numbered screen. Subclass it; ``PageSpec`` in ``pages`` registers it.

    Everything is kept by reference, so that the page goes on being drawn while
    a dialog is on top. ``show`` is called a few times a second at most, only
    while the page is seen, and must not wait for anything.
    """

    def __init__(self, desk: Desk, name: str, panes: Mapping[str, LivePane]) -> None:
        """Make a page of *panes*; the first gets the focus, tab walks through them."""
        super().__init__(id=f"page-{name}", classes="page")
        self.desk = desk
        self.page_name = name
        self.panes = panes
        self._zoomed = ""

    def compose(self) -> ComposeResult:
        yield from self.panes.values()

    def on_resize(self, _event: events.Resize) -> None:
        # The room is known only now; what is seen depends on it.
        self.desk.redraw()

    @property
    def focused_pane(self) -> LivePane:
        """The pane with the focus; the first one when none has it."""
        panes = list(self.panes.values())
        return next((pane for pane in panes if pane.has_focus), panes[0])

    @property
    def focused_name(self) -> str:
        """Name of the focused pane."""
        return next(name for name, pane in self.panes.items() if pane is self.focused_pane)

    @property
    def zoomed(self) -> str:
        """Name of the pane that has the page for itself, or an empty string."""
        return self._zoomed

    def crumb(self, view: PoolView) -> str:
        """Return where one is below the page's tab; empty when at its top."""
        return ""

    def show(self, scene: Scene) -> None:
        """Share out the room and draw every pane that is seen."""
        self.lay_out(scene)
        for pane in self.panes.values():
            pane.show(scene)

    def lay_out(self, scene: Scene) -> None:
        """Give each pane its place; changes nothing when nothing changed. Override it."""
        for name, pane in self.panes.items():
            set_display(pane, wanted=self._zoomed in ("", name))

    def zoom(self, name: str) -> None:
        """Give the pane *name* the whole page; an empty string gives it back."""
        self._zoomed = name
        if name:
            self.panes[name].display = True
            self.panes[name].focus()

    def go_back(self) -> bool:
        """Leave what was entered on this page; return whether there was anything."""
        if self.focused_pane.go_back():
            return True
        if self._zoomed:
            self.zoom("")
            return True
        return False

    def enter(self) -> None:
        """Do what Enter means on this page; here: enlarge the focused pane."""
        self.zoom("" if self._zoomed else self.focused_name)

    def focus_first(self) -> None:
        """Give the focus to the enlarged pane, or to the first one."""
        (self.panes[self._zoomed] if self._zoomed else next(iter(self.panes.values()))).focus()


def set_display(pane: LivePane, *, wanted: bool) -> None:
    """Show or hide *pane*, without a layout when it is so already."""
    if pane.display != wanted:
        pane.display = wanted
