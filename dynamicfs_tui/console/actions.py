"""The one registry of what keys do: bindings, footer, palette and help all come from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dynamicfs_tui.console.action import CONSOLE, MOVE, SHOW, Action
from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.pages import PAGES, PageSpec
from dynamicfs_tui.console.presets import PRESETS
from dynamicfs_tui.console.table_keys import TABLE_ACTIONS

FAR: Final = 1_000_000
"""Rows in one step to the top or the bottom."""


def _go(spec: PageSpec) -> Action:
    return Action(
        action_id=f"page.{spec.name}",
        keys=(str(spec.number),),
        title=spec.title.lower(),
        group=SHOW,
        run=lambda desk: desk.go_to(spec.name),
        help=f"{spec.title}: {spec.purpose}",
    )


def _move(action_id: str, keys: tuple[str, ...], rows: int, text: str) -> Action:
    return Action(
        action_id=action_id,
        keys=keys,
        title=action_id.replace("_", " "),
        group=MOVE,
        run=lambda desk: desk.page.focused_pane.move(rows),
        help=text,
    )


def _events(desk: Desk) -> None:
    if desk.page.page_name == "events":
        desk.back()
    else:
        desk.go_to("events")


def _zoom(desk: Desk) -> None:
    page = desk.page
    page.zoom(
        "" if page.zoomed else next(n for n, p in page.panes.items() if p is page.focused_pane)
    )


GLOBAL_ACTIONS: Final = (
    *(_go(spec) for spec in PAGES),
    Action(
        action_id="enter", keys=("enter",), title="enter", group=SHOW,
        run=lambda desk: desk.page.enter(),
        help="Go into what the cursor is on; in a pane without a cursor: enlarge it.",
    ),
    Action(
        action_id="back", keys=("escape",), title="back", group=SHOW,
        run=lambda desk: desk.back(),
        help="Back: out of a filter, an enlarged pane, a page.",
    ),
    Action(
        action_id="zoom", keys=("z",), title="zoom", group=SHOW,
        run=_zoom,
        help="Enlarge the focused pane; again: back.",
    ),
    Action(
        action_id="layout", keys=("equals_sign", "f12"), title="layout", group=SHOW,
        run=lambda desk: desk.next_layout(),
        help=f"The next of these layouts: {', '.join(preset.name for preset in PRESETS)}.",
    ),
    Action(
        action_id="events", keys=("e",), title="events", group=SHOW,
        run=_events,
        help="To the events; again: back.",
    ),
    _move("down", ("j", "down"), 1, "Next row; in panes without a cursor: scroll down."),
    _move("up", ("k", "up"), -1, "Previous row; in panes without a cursor: scroll up."),
    _move("page_down", ("pagedown", "ctrl+d"), 10, "A page down."),
    _move("page_up", ("pageup", "ctrl+u"), -10, "A page up."),
    _move("top", ("g", "home"), -FAR, "To the first row."),
    _move("bottom", ("G", "end"), FAR, "To the last row."),
    Action(
        action_id="next_pane", keys=("tab",), title="next pane", group=MOVE,
        run=lambda desk: desk.next_pane(1),
        help="To the next pane.",
    ),
    Action(
        action_id="previous_pane", keys=("shift+tab",), title="previous pane", group=MOVE,
        run=lambda desk: desk.next_pane(-1),
        help="To the previous pane.",
    ),
    Action(
        action_id="jump", keys=("apostrophe",), title="jump", group=MOVE,
        run=lambda desk: desk.jump(),
        help="Show a letter on every pane; it moves the focus there.",
    ),
    *TABLE_ACTIONS,
    Action(
        action_id="hold", keys=("p",), title="hold", group=SHOW,
        run=lambda desk: desk.toggle_hold(),
        help="Hold the display; numbers go on being collected.",
    ),
    Action(
        action_id="acknowledge", keys=("exclamation_mark",), title="acknowledge", group=SHOW,
        run=lambda desk: desk.acknowledge(),
        refusal=lambda scene: "" if scene.alarms else "no alarm is open",
        help="Acknowledge the alarm in the red line; its event stays in the timeline.",
    ),
    Action(
        action_id="undo", keys=("u",), title="undo", group=CONSOLE,
        run=lambda desk: desk.take_back(),
        refusal=lambda scene: "" if scene.undo else "nothing can be taken back now",
        help="Take back what was just done, for ten seconds after it.",
    ),
    Action(
        action_id="repaint", keys=("ctrl+l",), title="repaint", group=CONSOLE,
        run=lambda desk: desk.repaint(),
        help="Paint the whole screen again, should another program have written on it.",
    ),
    Action(
        action_id="help", keys=("question_mark", "f1"), title="help", group=CONSOLE, footer=1,
        run=lambda desk: desk.open_help(),
        help="This page: keys and symbols.",
    ),
    Action(
        action_id="palette", keys=("colon", "ctrl+p", "f2"), title="commands", group=CONSOLE,
        footer=3, run=lambda desk: desk.open_palette(),
        help="All commands by name.",
    ),
    Action(
        action_id="quit", keys=("q", "f10"), title="quit", group=CONSOLE, footer=2,
        run=lambda desk: desk.ask_to_quit(),
        help="Quit, after a question. ctrl+q does the same.",
    ),
)  # fmt: skip
"""What works on every page."""

HARMLESS_CAPITALS: Final = frozenset({"G", "N", "Y"})
"""Capitals that change nothing: the end of a list, the match before, the copy of a row."""

SMALL_CHANGERS: Final = frozenset({"minus", "plus", "u"})
"""Keys that change the pool and are no capitals: the throttle, and taking back."""


def actions_of(page: str) -> tuple[Action, ...]:
    """Return what keys do on *page*, its own actions first. KeyError when there is none."""
    spec = next((spec for spec in PAGES if spec.name == page), None)
    if spec is None:
        raise KeyError(page)
    return (*spec.actions, *GLOBAL_ACTIONS)


def _each_once(actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple({action.action_id: action for action in actions}.values())


ACTIONS: Final = _each_once(
    (*(action for spec in PAGES for action in spec.actions), *GLOBAL_ACTIONS)
)
"""Every action of the console."""


def find_action(action_id: str) -> Action:
    """Return the action of that id. KeyError when there is none."""
    for action in ACTIONS:
        if action.action_id == action_id:
            return action
    raise KeyError(action_id)
