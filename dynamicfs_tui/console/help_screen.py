"""The help page, made from the registry of actions and the set of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from dynamicfs_tui.console.action import GROUPS, Action, key_name
from dynamicfs_tui.console.glyphs import Glyphs, Mark
from dynamicfs_tui.console.pages import PAGES
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, flow, line, wrap

KEY_CELLS: Final = 17


def help_pane(actions: Sequence[Action], scene: Scene, width: int) -> PaneText:
    """Return every key of *actions* with what it does, and what every symbol means."""
    rows: list[Line] = [
        *_purpose(scene, width),
        line("Upper-case keys act on the pool and ask first; others never change it."),
        line("In a question y does it, Esc or Enter leaves all as it is. Esc closes this."),
    ]
    for group in (group for group in GROUPS if any(a.group == group for a in actions)):
        rows += [EMPTY, line(Piece(group, Tone.TITLE))]
        for action in (action for action in actions if action.group == group):
            keys = " ".join(key_name(key) for key in action.keys_in(scene))
            for index, part in enumerate(wrap(action.help, max(20, width - KEY_CELLS - 2), 3)):
                shown = keys if index == 0 else ""
                rows.append(line(Piece(f"  {shown:<{KEY_CELLS - 2}}", Tone.KEY), part))
    rows += [EMPTY, line(Piece("Symbols", Tone.TITLE)), *_legend(scene.glyphs, width)]
    return PaneText(title="Help", body=rows_of(rows), hint="j/k scroll  Esc back")


def _purpose(scene: Scene, width: int) -> list[Line]:
    """Return what the page is for; nothing for a scene without a page."""
    spec = next((spec for spec in PAGES if spec.name == scene.page), None)
    if spec is None:
        return []
    text = f"{spec.number} {spec.title}: {spec.purpose}"
    return [*(line(Piece(part, Tone.STRONG)) for part in wrap(text, width, 2)), EMPTY]


def _legend(glyphs: Glyphs, width: int) -> list[Line]:
    missing = {"missing": glyphs.missing}
    exposure = [
        line(f"{symbol} {text}")
        for symbol, text in (
            (glyphs.exposure_lost, "lost"),
            (glyphs.exposure_zero, "survives no more loss"),
            (glyphs.exposure_one, "survives one"),
            (glyphs.exposure_more, "survives two or more"),
        )
    ]
    groups = (
        ("pool", _marks(dict(glyphs.pool))),
        ("disk", _marks({**glyphs.disks, **missing})),
        ("work", _marks(dict(glyphs.work))),
        ("event", _marks(dict(glyphs.severity))),
        ("data", exposure),
        ("charts", [line(f"{glyphs.spark} lowest to highest"), line(f"{glyphs.gap} no sample")]),
    )
    rows: list[Line] = []
    for name, facts in groups:
        for index, row in enumerate(flow(facts, width - KEY_CELLS)):
            shown = name if index == 0 else ""
            rows.append((Piece(f"  {shown:<{KEY_CELLS - 2}}", Tone.MUTED), *row))
    return rows


def _marks(marks: dict[str, Mark]) -> list[Line]:
    return [line(Piece(f"{mark.symbol} {word}", mark.tone)) for word, mark in marks.items()]


class HelpScreen(ModalScreen[None]):
    """The help page over the overview."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss", show=False),
        Binding("j,down", "scroll_rows(1)", show=False),
        Binding("k,up", "scroll_rows(-1)", show=False),
        Binding("pagedown,ctrl+d,space", "scroll_rows(10)", show=False),
        Binding("pageup,ctrl+u", "scroll_rows(-10)", show=False),
    ]

    def __init__(self, scene: Scene, actions: Sequence[Action]) -> None:
        super().__init__()
        self._opening_scene = scene
        self._actions = actions

    def compose(self) -> ComposeResult:
        yield LivePane(partial(help_pane, self._actions), id="help")

    def on_mount(self) -> None:
        self.query_one(LivePane).show(self._opening_scene)

    def action_scroll_rows(self, rows: int) -> None:
        """Scroll by *rows*."""
        self.query_one(LivePane).scroll_rows(rows)
