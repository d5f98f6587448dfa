"""Page 7: what the loss of some disks would mean. It only asks; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal

from dynamicfs_tui.console.action import SHOW, Action
from dynamicfs_tui.console.export import export
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.loss_lines import (
    Loss,
    disk_table,
    loss_sets,
    result_pane,
    worst_first,
)
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import Scene
from engine.status.control import PoolControl

BESIDE_CELLS: Final = 100
DISK_CELLS: Final = 46
SHORT_ROWS: Final = 10
NOTHING_MARKED: Final = "Space marks a disk as lost; a tries any one, b any two."


class WhatIfPage(Page):
    """Disks to mark, and the engine's answer."""

    def __init__(self, desk: Desk) -> None:
        self._table = LiveTable(disk_table("What if these fail?"), id="losses")
        self._loss: Loss | None = None
        self._said = NOTHING_MARKED
        self._wanted: tuple[frozenset[str], int] = (frozenset(), 0)
        self._in_hand = False
        super().__init__(
            desk,
            "what-if",
            {
                "losses": self._table,
                "result": LivePane(
                    lambda scene, width: result_pane(scene, width, self._loss, self._said),
                    id="result",
                ),
            },
        )
        self._halves = Horizontal(classes="halves")
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with self._halves:
            yield from self.panes.values()

    def on_live_table_marked(self, _message: LiveTable.Marked) -> None:
        self.work_out(0)

    def simulate(self, uuids: Sequence[str]) -> None:
        """Mark the disks *uuids*, and no others, as lost."""
        self._table.mark_only(uuids)

    def clear(self) -> None:
        """Take all marks and the answer away."""
        self._table.mark_only(())

    def work_out(self, any_of: int) -> None:
        """Ask about the marked disks, or with *any_of* about every set of so many.

        While a question is on its way only the newest other one is kept.
        """
        self._wanted = (self._table.marked, any_of)
        if not any_of and not self._table.marked:
            self._loss, self._said = None, NOTHING_MARKED
        elif not self._in_hand:
            self._ask()
        self.desk.redraw()

    def again(self) -> None:
        """Ask the last question again: the pool goes on meanwhile."""
        self.work_out(self._wanted[1])

    def _ask(self) -> None:
        self._in_hand = True
        asked = self._wanted
        marked, any_of = asked
        scene = self.desk.scene
        uuids = [d.uuid for d in scene.view.disks if any_of or d.uuid in marked]
        left_out = 0
        sets = [tuple(uuids)]
        if any_of:
            sets, left_out = loss_sets(uuids, any_of)
        if not any(sets):
            # The marked disks have left the pool meanwhile.
            self._in_hand = False
            self._loss, self._said = None, NOTHING_MARKED
            return
        now_ns = scene.now_ns
        self._said = f"working out {len(sets):,} case{'' if len(sets) == 1 else 's'}"

        def ask(control: PoolControl) -> Loss:
            answers = [control.disks.what_if(each) for each in sets]
            return Loss(
                answers=worst_first(answers), any_of=any_of, left_out=left_out, asked_ns=now_ns
            )

        def take(loss: Loss) -> None:
            if self._wanted == asked:
                self._loss = loss
            self._settle(asked)

        def refuse(why: str) -> None:
            if self._wanted == asked:
                self._loss, self._said = None, why
            self._settle(asked)

        self.desk.fetch("what if", ask, take, failed=refuse)

    def _settle(self, asked: tuple[frozenset[str], int]) -> None:
        self._in_hand = False
        marked, any_of = self._wanted
        if self._wanted != asked and (marked or any_of):
            self._ask()
        self.desk.redraw()

    def export_result(self) -> None:
        """Write the answers to a file."""
        export(self.desk, "what-if", () if self._loss is None else self._loss.answers)

    def enter(self) -> None:
        """Show the answer alone, with its files, or the disks again."""
        self.zoom("" if self.zoomed else "result")
        self.desk.redraw()

    def lay_out(self, scene: Scene) -> None:
        state = (self.size, self.zoomed, len(scene.view.disks))
        if state == self._laid_out:
            return
        self._laid_out = state
        beside = self.size.width >= BESIDE_CELLS
        table = self.panes["losses"]
        self._halves.styles.layout = "horizontal" if beside else "vertical"
        alone = bool(self.zoomed)
        table.styles.width = DISK_CELLS if beside and not alone else "1fr"
        wanted = min(SHORT_ROWS, len(scene.view.disks) + 3)
        table.styles.height = "1fr" if beside or alone else wanted
        for name, pane in self.panes.items():
            set_display(pane, wanted=self.zoomed in ("", name))


def _on_page(do: Callable[[WhatIfPage], None]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        page = desk.page
        if isinstance(page, WhatIfPage):
            do(page)

    return run


def _simulate_selected(desk: Desk) -> None:
    disk = desk.scene.selected
    desk.go_to("what-if")
    page = desk.page
    if isinstance(page, WhatIfPage) and disk is not None:
        page.simulate([disk.uuid])


ANY_ONE: Final = Action(
    action_id="what_if.any_1", keys=("a",), title="any 1", group=SHOW, footer=4,
    run=_on_page(lambda page: page.work_out(1)),
    help="Work out the loss of each disk alone.",
)  # fmt: skip

ANY_TWO: Final = Action(
    action_id="what_if.any_2", keys=("b",), title="any 2", group=SHOW, footer=5,
    run=_on_page(lambda page: page.work_out(2)),
    help="Work out the loss of every pair of disks.",
)  # fmt: skip

CLEAR: Final = Action(
    action_id="what_if.clear", keys=("c",), title="clear", group=SHOW, footer=6,
    run=_on_page(lambda page: page.clear()),
    help="Take all marks away.",
)  # fmt: skip

AGAIN: Final = Action(
    action_id="what_if.again", keys=("r",), title="again", group=SHOW, footer=7,
    run=_on_page(lambda page: page.again()),
    help="Work it out again for the pool as it is now.",
)  # fmt: skip

EXPORT: Final = Action(
    action_id="what_if.export", keys=("x",), title="export", group=SHOW, footer=8,
    run=_on_page(lambda page: page.export_result()),
    help="Write the answer to a file, as JSON.",
)  # fmt: skip

SIMULATE: Final = Action(
    action_id="what_if.disk", keys=("s",), title="what if", group=SHOW,
    run=_simulate_selected,
    help="Show what the loss of the disk under the cursor would mean.",
)  # fmt: skip
"""For pages that show disks."""

SPEC: Final = PageSpec(
    name="what-if",
    number=7,
    title="What-if",
    short="Wi",
    purpose="what the loss of some disks would mean; a simulation, nothing is changed.",
    make=WhatIfPage,
    actions=(ANY_ONE, ANY_TWO, CLEAR, AGAIN, EXPORT),
)
