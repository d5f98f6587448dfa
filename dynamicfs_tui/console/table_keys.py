"""Keys of tables: filter, order, marks, copies. They act on the focused pane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dynamicfs_tui.console.action import SHOW, Action
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk


def _on_table(do: Callable[[Desk, LiveTable], None]) -> Callable[[Desk], None]:  # type: ignore[type-arg]
    def run(desk: Desk) -> None:
        pane = desk.page.focused_pane
        if isinstance(pane, LiveTable):
            do(desk, pane)
        else:
            desk.tell("this pane is no table; Tab goes to the next", bad=True)

    return run


def _copy(desk: Desk, text: str) -> None:
    if text:
        desk.copy(text)


def _match(desk: Desk, table: LiveTable, step: int) -> None:  # type: ignore[type-arg]
    if not table.go_to_match(step):
        desk.tell("there is no filter, or no match: / starts one", bad=True)


def _show_other_columns(desk: Desk, table: LiveTable) -> None:  # type: ignore[type-arg]
    if not table.show_other_columns():
        desk.tell("all columns are shown")


TABLE_ACTIONS: Final = (
    Action(
        action_id="filter", keys=("slash", "f3"), title="filter", group=SHOW,
        run=_on_table(lambda _desk, table: table.start_filter()),
        help="Filter the table: word, !word, column:word, column>n, ~pattern; Esc ends it.",
    ),
    Action(
        action_id="next_match", keys=("n",), title="next match", group=SHOW,
        run=_on_table(lambda desk, table: _match(desk, table, 1)),
        help="To the next row that matches the filter; after the last: to the first.",
    ),
    Action(
        action_id="previous_match", keys=("N",), title="previous match", group=SHOW,
        run=_on_table(lambda desk, table: _match(desk, table, -1)),
        help="To the row before that matches the filter.",
    ),
    Action(
        action_id="wide", keys=("w",), title="other columns", group=SHOW,
        run=_on_table(_show_other_columns),
        help="Show the columns that have no room in this width; again: the first ones.",
    ),
    Action(
        action_id="order", keys=("o",), title="order", group=SHOW,
        run=_on_table(lambda _desk, table: table.next_order()),
        help="Sort by the next column, up and down; a click on a title does it too.",
    ),
    Action(
        action_id="mark", keys=("space",), title="mark", group=SHOW,
        run=_on_table(lambda _desk, table: table.toggle_mark()),
        help="Mark the row, or take its mark away.",
    ),
    Action(
        action_id="copy", keys=("y",), title="copy", group=SHOW,
        run=_on_table(lambda desk, table: _copy(desk, table.copied_cell())),
        help="Copy the first cell of the row to the clipboard.",
    ),
    Action(
        action_id="copy_row", keys=("Y",), title="copy row", group=SHOW,
        run=_on_table(lambda desk, table: _copy(desk, table.copied_row(desk.scene))),
        help="Copy the row to the clipboard as JSON.",
    ),
)  # fmt: skip
"""What works wherever a table has the focus."""
