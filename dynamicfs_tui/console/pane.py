"""Widgets that paint lines: only rows that differ from what is on the screen are drawn again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from rich.segment import Segment
from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from dynamicfs_tui.console.palette import Styles, tone_styles
from dynamicfs_tui.console.scene import PaneText, Scene
from dynamicfs_tui.console.text import EMPTY, Line, fit

logger = logging.getLogger(__name__)

Draw = Callable[[Scene, int], PaneText]
DrawLines = Callable[[Scene, int], Sequence[Line]]


class Focusable(Enum):
    """Whether a pane can have the focus."""

    YES = "yes"
    NO = "no"


@contextmanager
def surviving(what: str = "a pane could not be drawn") -> Iterator[None]:
    """Log what goes wrong while drawing as *what*, and go on.

    A view that cannot be drawn must not end the console: the last picture
    stays, and the other panes show what they can.
    """
    try:
        yield
    except Exception:
        logger.exception(what)


class LineView(Widget):
    """A widget whose content is a tuple of lines, cut to its width."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._strips: dict[int, Strip] = {}
        self._styles_of_tones: Styles | None = None

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Make *lines* the content; rows that stay the same are not painted again."""
        new = tuple(lines)
        if new == self._lines:
            return
        old, self._lines = self._lines, new
        width = self.size.width
        dirty = [
            row
            for row in range(max(len(old), len(new)))
            if (old[row] if row < len(old) else EMPTY) != (new[row] if row < len(new) else EMPTY)
        ]
        for row in dirty:
            self._strips.pop(row, None)
        self.refresh(*(Region(0, row, width, 1) for row in dirty))

    def forget_paint(self) -> None:
        """Paint everything again: the size or the theme changed."""
        self._strips.clear()
        self._styles_of_tones = None
        self.refresh()

    def on_resize(self, _event: events.Resize) -> None:
        self.forget_paint()

    def notify_style_update(self) -> None:
        self._strips.clear()
        self._styles_of_tones = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            strip = self._paint(self._lines[y] if y < len(self._lines) else EMPTY)
            self._strips[y] = strip
        return strip

    def _paint(self, pieces: Line) -> Strip:
        width = self.size.width
        if self._styles_of_tones is None:
            self._styles_of_tones = tone_styles(
                self.app.theme_variables, monochrome=self.app.no_color
            )
        styles = self._styles_of_tones
        fitted = fit(pieces, width, "")
        segments = [Segment(piece.text, styles[piece.tone]) for piece in fitted]
        return Strip(segments, width).apply_style(self.rich_style)


class SceneView(LineView):
    """A line view that draws itself from a scene: header and footer."""

    def __init__(self, draw: DrawLines, *, id: str) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._scene: Scene | None = None

    def show(self, scene: Scene) -> None:
        """Draw *scene*."""
        self._scene = scene
        if self.size.width:
            with surviving():
                self.show_lines(self._draw(scene, self.size.width))

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self._scene is not None:
            self.show(self._scene)


class LivePane(LineView, can_focus=True):
    """A framed pane: fixed head and foot, a scrolling body between."""

    class Entered(Message):
        """The operator means to go into the pane: a double click."""

        def __init__(self, pane: LivePane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, draw: Draw, *, id: str, focusable: Focusable = Focusable.YES) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._scene: Scene | None = None
        self._text = PaneText(title="")
        self._frame = ("", "")
        self._first = 0
        self._body_top = 0
        self._body_rows = 0
        self.can_focus = focusable is Focusable.YES

    @property
    def body_rows(self) -> int:
        """Rows of the body that are seen at once."""
        return self._body_rows

    def show(self, scene: Scene) -> None:
        """Draw *scene*; nothing happens while the pane has no size or is hidden."""
        self._scene = scene
        if not self.display or not self.size.width:
            return
        with surviving():
            self._text = self.make_text(scene, self.size.width)
            self._compose_rows()

    def make_text(self, scene: Scene, width: int) -> PaneText:
        """Return the content for *scene* in *width* cells."""
        return self._draw(scene, width)

    def move(self, rows: int) -> None:
        """Answer to a movement key: scroll, or move the cursor where there is one."""
        self.scroll_rows(rows)

    def go_back(self) -> bool:
        """Leave what was entered in this pane; return whether there was anything."""
        return False

    def redraw(self) -> None:
        """Draw the last scene again: something of the pane's own has changed."""
        if self._scene is not None:
            self.show(self._scene)

    def scroll_rows(self, rows: int) -> None:
        """Move the body by *rows* (down is positive)."""
        self._first += rows
        with surviving():
            self._compose_rows()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        content = event.get_content_offset(self)
        if content is None:
            return
        row = content.y - self._body_top
        if 0 <= row < self._body_rows and row + self._first < len(self._text.body):
            self.row_clicked(row + self._first)
        elif row == -1:
            self.head_clicked(content.x)
        if event.chain == 2:
            self.post_message(self.Entered(self))

    def row_clicked(self, row: int) -> None:
        """Answer to a click on *row* of the body; here nothing."""

    def head_clicked(self, cell: int) -> None:
        """Answer to a click on the line above the body, *cell* cells in; here nothing."""

    def on_mouse_scroll_down(self, _event: events.MouseScrollDown) -> None:
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, _event: events.MouseScrollUp) -> None:
        self.scroll_rows(-3)

    def _compose_rows(self) -> None:
        text, height = self._text, self.size.height
        head = text.head[:height]
        # Titles without a single row below them say nothing; rows come before a foot.
        if height > len(head) + len(text.columns):
            head = (*head, *text.columns)
        foot = text.foot if height >= len(head) + 1 + len(text.foot) else ()
        rows = max(0, height - len(head) - len(foot))
        self._first = _clamp_first(self._first, rows, len(text.body), text.cursor)
        body = text.body.between(self._first, self._first + rows)
        filler = (EMPTY,) * (rows - len(body))
        self._body_top, self._body_rows = len(head), rows
        self.show_lines((*head, *body, *filler, *foot))
        self._show_frame(rows)

    def _show_frame(self, rows: int) -> None:
        text = self._text
        title = text.title
        if len(text.body) > rows:
            last = min(len(text.body), self._first + rows)
            title += f"  {self._first + 1}-{last}/{len(text.body)}" if rows else ""
        if (title, text.hint) != self._frame:
            self._frame = (title, text.hint)
            # Content, not a string: names in it must not be read as markup.
            self.border_title = Content(title)
            self.border_subtitle = Content(text.hint)


def _clamp_first(first: int, rows: int, total: int, cursor: int | None) -> int:
    if cursor is not None and rows > 0:
        first = max(cursor - rows + 1, min(first, cursor))
    return max(0, min(first, total - rows))
