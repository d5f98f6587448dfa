"""Dialogs: they show a plan and ask. What keys mean is in ``dialog_keys``."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import ModalScreen

from dynamicfs_tui.console.dialog_keys import CONFIRM_KEY, LATER_KEY, Choice, DialogKeys, Outcome
from dynamicfs_tui.console.feed import ConsoleClock
from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.pane import LineView
from dynamicfs_tui.console.plans import Plan, PlanVerdict
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, line, wrap

DIALOG_CELLS = 74
"""Width of a dialog's text; it fits the smallest terminal after cutting."""

NAME_CELLS = 11

_VERDICT_TONES = {
    PlanVerdict.SAFE: Tone.OK,
    PlanVerdict.RISKY: Tone.WARN,
    PlanVerdict.BLOCKED: Tone.BAD,
    PlanVerdict.WAIT: Tone.BUSY,
}


class DialogBody(LineView):
    """The text of a dialog; a click on a choice is reported."""

    class Chosen(Message):
        """A choice was clicked."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

    def on_click(self, event: events.Click) -> None:
        content = event.get_content_offset(self)
        if content is None or content.y != len(self._lines) - 1:
            return
        seen = 0
        for piece in self._lines[content.y]:
            seen += len(piece.text)
            if content.x < seen:
                if piece.text.strip():
                    self.post_message(self.Chosen(_choice_at(piece.text)))
                return


class PlanDialog(ModalScreen[Outcome]):
    """Ask whether to carry out a plan; dismissed with what became of it, never ``OPEN``."""

    def __init__(self, plan: Plan, *, clock: ConsoleClock, glyphs: Glyphs) -> None:
        super().__init__(classes="dialog-screen")
        self._clock = clock
        self._glyphs = glyphs
        self.keys = DialogKeys(plan, opened_s=clock.monotonic_s())

    def compose(self) -> ComposeResult:
        yield DialogBody(id="dialog")

    def show_plan(self, plan: Plan) -> None:
        """Show *plan* instead; the dialog is deaf anew, for it says something else now."""
        self.keys = DialogKeys(plan, opened_s=self._clock.monotonic_s())
        self._draw()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self._settle(self.keys.press(event.key, event.character, self._clock.monotonic_s()))

    def on_dialog_body_chosen(self, message: DialogBody.Chosen) -> None:
        self._settle(self.keys.choose(message.choice, self._clock.monotonic_s()))

    def _settle(self, outcome: Outcome) -> None:
        if outcome is Outcome.OPEN:
            self._draw()
        elif self.is_current:
            self.dismiss(outcome)

    def _draw(self) -> None:
        body = self.query_one(DialogBody)
        width = min(DIALOG_CELLS, self.app.size.width - 6)
        lines = dialog_lines(self.keys, self._glyphs, width)
        body.styles.width = width + 4
        body.styles.height = len(lines) + 2
        body.show_lines(lines)


def dialog_lines(keys: DialogKeys, glyphs: Glyphs, width: int) -> Sequence[Line]:
    """Return the text of a dialog: title, consequences, verdict, choices."""
    plan = keys.plan
    rows: list[Line] = [line(Piece(plan.title, Tone.STRONG)), EMPTY]
    for name, text in plan.facts:
        for index, part in enumerate(wrap(text, width - NAME_CELLS, 3)):
            label = name if index == 0 else ""
            rows.append(line(Piece(f"{label:<{NAME_CELLS}}", Tone.MUTED), part))
    tone = _VERDICT_TONES[plan.verdict]
    said = wrap(f"{plan.verdict.value}: {plan.why}", width, 3)
    rows += [EMPTY, *(line(Piece(part, tone)) for part in said), EMPTY]
    if plan.typed_name and plan.can_be_confirmed:
        rows += [_typed_line(keys, glyphs), EMPTY]
    return [*rows, _choices(keys, glyphs)]


def _typed_line(keys: DialogKeys, glyphs: Glyphs) -> Line:
    matches = keys.armed
    mark = glyphs.work["done"] if matches else glyphs.work["failed"]
    field = f"{keys.typed[-20:]:<20}"
    return line(
        f"type the name {keys.plan.typed_name}: [",
        Piece(field, Tone.STRONG),
        "] ",
        Piece(f"{mark.symbol} {'matches' if matches else 'no match'}", mark.tone),
    )


def _choices(keys: DialogKeys, glyphs: Glyphs) -> Line:
    plan = keys.plan
    cancel = _choice("Cancel (Esc)", keys.choice is Choice.CANCEL, glyphs, Tone.STRONG)
    if not plan.can_be_confirmed:
        return line(cancel)
    key = "Enter" if plan.typed_name else CONFIRM_KEY
    tone = Tone.STRONG if keys.armed else Tone.MUTED
    confirm = _choice(f"{plan.confirm} ({key})", keys.choice is Choice.CONFIRM, glyphs, tone)
    if not plan.later:
        return line(cancel, "    ", confirm)
    words = f"{plan.later} ({LATER_KEY})"
    later = _choice(words, keys.choice is Choice.LATER, glyphs, Tone.STRONG)
    return line(cancel, "  ", later, "  ", confirm)


def _choice_at(text: str) -> Choice:
    """Return which choice is written as *text*."""
    if "Cancel" in text:
        return Choice.CANCEL
    return Choice.LATER if f"({LATER_KEY})" in text else Choice.CONFIRM


def _choice(text: str, chosen: bool, glyphs: Glyphs, tone: Tone) -> Piece:  # noqa: FBT001
    return Piece(f"{glyphs.cursor if chosen else ' '} [ {text} ]", Tone.KEY if chosen else tone)
