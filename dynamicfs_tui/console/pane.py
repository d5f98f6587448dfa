"""Widgets that paint lines: only rows that differ from what is on the screen are drawn again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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


@contextmanager
def surviving() -> Iterator[None]:
    """Log what goes wrong while drawing, and go on.

    A view that cannot be drawn must not end the console: the last picture
    stays, and the other panes show what they can.
    """
    try:
        yield
    except Exception:
        logger.exception("a pane could not be drawn")


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
    """A framed pane of the overview: fixed head and foot, a scrolling body between."""

    class RowClicked(Message):
        """The mouse chose a row of a pane's body."""

        def __init__(self, pane: LivePane, row: int) -> None:
            super().__init__()
            self.pane = pane
            self.row = row

    def __init__(self, draw: Draw, *, number: int | None, id: str) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._number = number
        self._scene: Scene | None = None
        self._text = PaneText(title="")
        self._frame = ("", "")
        self._first = 0
        self._body_top = 0
        self._body_rows = 0
        self.can_focus = number is not None

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
            self._text = self._draw(scene, self.size.width)
            self._compose_rows()

    def scroll_rows(self, rows: int) -> None:
        """Move the body by *rows* (down is positive)."""
        self._first += rows
        with surviving():
            self._compose_rows()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self._scene is not None:
            self.show(self._scene)

    def on_click(self, event: events.Click) -> None:
        content = event.get_content_offset(self)
        if content is None:
            return
        row = content.y - self._body_top
        if 0 <= row < self._body_rows and row + self._first < len(self._text.body):
            self.post_message(self.RowClicked(self, row + self._first))

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
        title = text.title if self._number is None else f"{self._number} {text.title}"
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
