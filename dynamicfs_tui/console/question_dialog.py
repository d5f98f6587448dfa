"""The dialog of a ``Question``."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from dynamicfs_tui.console.dialog import DIALOG_CELLS
from dynamicfs_tui.console.dialog_keys import Outcome
from dynamicfs_tui.console.feed import ConsoleClock
from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.pane import LineView
from dynamicfs_tui.console.question import Question, QuestionKeys
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, line, safe, wrap


class QuestionDialog(ModalScreen[str | None]):
    """Ask for one line; dismissed with it, or with ``None``."""

    def __init__(self, question: Question, *, clock: ConsoleClock, glyphs: Glyphs) -> None:
        super().__init__(classes="dialog-screen")
        self._clock = clock
        self._glyphs = glyphs
        self.keys = QuestionKeys(question, opened_s=clock.monotonic_s())

    def compose(self) -> ComposeResult:
        yield LineView(id="dialog")

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        outcome = self.keys.press(event.key, event.character, self._clock.monotonic_s())
        if outcome is Outcome.OPEN:
            self._draw()
        elif self.is_current:
            self.dismiss(self.keys.text if outcome is Outcome.CONFIRMED else None)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.keys.insert(event.text)
        self._draw()

    def _draw(self) -> None:
        body = self.query_one(LineView)
        width = min(DIALOG_CELLS, self.app.size.width - 6)
        lines = question_lines(self.keys, self._glyphs, width)
        body.styles.width = width + 4
        body.styles.height = len(lines) + 2
        body.show_lines(lines)


def question_lines(keys: QuestionKeys, glyphs: Glyphs, width: int) -> Sequence[Line]:
    """Return the text of a question: title, facts, field, remark, keys."""
    question = keys.question
    rows: list[Line] = [line(Piece(question.title, Tone.STRONG)), EMPTY]
    for fact in question.facts:
        rows += [line(Piece(part, Tone.MUTED)) for part in wrap(fact, width, 3)]
    room = max(8, width - len(question.label) - 5)
    # The end is where one types.
    seen = safe(keys.text)
    seen = seen if len(seen) <= room else glyphs.ellipsis + seen[len(seen) - room + 1 :]
    rows += [EMPTY, line(f"{question.label}: [", Piece(f"{seen}_", Tone.STRONG), "]")]
    remark = keys.remark
    tone = Tone.TEXT if keys.accepts else Tone.WARN
    rows.append(line(Piece(safe(remark.removeprefix("=").strip()), tone)))
    rows += [EMPTY, line(Piece("Esc cancel    Enter go on", Tone.MUTED))]
    return rows
