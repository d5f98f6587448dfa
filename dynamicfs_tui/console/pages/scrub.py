"""Page 4: the scrub that runs or the last one, what was found, past runs, ages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal

from dynamicfs_tui.console.action import SHOW, Action
from dynamicfs_tui.console.export import export
from dynamicfs_tui.console.layout import TALL
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pages.files import FilesPage
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.scrub_lines import (
    NO_HISTORY,
    age_pane,
    finding_table,
    is_repaired,
    progress_pane,
    run_table,
)
from dynamicfs_tui.console.scrub_page_verbs import SCRUB_PAGE_ACTIONS
from dynamicfs_tui.console.scrub_verbs import STOP_SCRUB
from engine.status.answers import ScrubHistoryView
from engine.status.views import FindingView

PROGRESS_ROWS: Final = 10
SHORT_PROGRESS_ROWS: Final = 8
HISTORY_ROWS: Final = 10
LOWER: Final = ("findings", "runs", "ages")
"""Panes that take turns below the progress where there is room for one."""


class ScrubPage(Page):
    """Progress above; findings, runs and ages below, one of them when it is short."""

    def __init__(self, desk: Desk) -> None:
        self._history = NO_HISTORY
        self._fault = ""
        self._asked_for = -1
        self._unrepaired_only = False
        self._lower = LOWER[0]
        self._findings = LiveTable(finding_table(self._seen, self._title), id="findings")
        super().__init__(
            desk,
            "scrub",
            {
                "progress": LivePane(
                    lambda scene, width: progress_pane(scene, self._history, width), id="progress"
                ),
                "findings": self._findings,
                "runs": LiveTable(run_table(lambda _scene: self._history.runs), id="runs"),
                "ages": LivePane(
                    lambda scene, width: age_pane(scene, self._history, width, self._fault),
                    id="ages",
                ),
            },
        )
        self._past = Horizontal(classes="halves")
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.panes["progress"]
        yield self.panes["findings"]
        with self._past:
            yield self.panes["runs"]
            yield self.panes["ages"]

    @property
    def finding(self) -> FindingView | None:
        """The finding under the cursor."""
        return self._findings.cursor_row

    def _seen(self, scene: Scene) -> tuple[FindingView, ...]:
        every = scene.view.scrub.findings
        if not self._unrepaired_only:
            return every
        return tuple(finding for finding in every if not is_repaired(finding))

    def _title(self, scene: Scene) -> str:
        every = scene.view.scrub.findings
        left = sum(not is_repaired(finding) for finding in every)
        shown = "  unrepaired only" if self._unrepaired_only else ""
        return f"Findings {len(every)}  {left} unrepaired{shown}"

    def show(self, scene: Scene) -> None:
        job = scene.view.scrub
        if self.display and self._asked_for != job.runs_completed:
            self._asked_for = job.runs_completed
            self.desk.fetch(
                "scrub history",
                lambda control: control.scrubs.history(),
                self._take_history,
                failed=self._refuse_history,
            )
        super().show(scene)

    def _take_history(self, history: ScrubHistoryView) -> None:
        self._history, self._fault = history, ""
        self.desk.redraw()

    def _refuse_history(self, why: str) -> None:
        self._fault = f"runs and ages are not known: {why}"
        self.desk.redraw()

    def toggle_unrepaired(self) -> None:
        """Show all findings, or only those that nothing mended."""
        self._unrepaired_only = not self._unrepaired_only
        self.desk.redraw()

    def next_lower(self) -> None:
        """Show the next of the panes that take turns, or go to it where all are seen."""
        self._lower = LOWER[(LOWER.index(self._lower) + 1) % len(LOWER)]
        if self.zoomed:
            self.zoom(self._lower)
        self._laid_out = ()
        self.desk.redraw()
        self.panes[self._lower].focus()

    def export_findings(self) -> None:
        """Write the findings that are shown to a file."""
        export(self.desk, "scrub-findings", self._seen(self.desk.scene))

    def enter(self) -> None:
        """Show where the file of a finding is; elsewhere enlarge the pane."""
        finding = self.finding
        if self.focused_name != "findings" or finding is None:
            super().enter()
            self.desk.redraw()
        elif not finding.path:
            self.desk.tell("no file has bytes in this extent", bad=True)
        else:
            self.desk.go_to("files")
            page = self.desk.page
            if isinstance(page, FilesPage):
                page.find(finding.path)

    def focus_first(self) -> None:
        # Ages grow and runs end: they are asked for whenever the page is opened.
        self._asked_for = -1
        self.panes[self.zoomed or self._lower].focus()

    def lay_out(self, scene: Scene) -> None:
        size, zoomed = self.size, self.zoomed
        state = (size, zoomed, self._lower)
        if state == self._laid_out or not size.height:
            return
        self._laid_out = state
        roomy = self.app.size.height >= TALL
        seen = {zoomed} if zoomed else {"progress", *(LOWER if roomy else (self._lower,))}
        if self._lower != LOWER[0] and not roomy and not zoomed:
            self._past.styles.height = "1fr"
        else:
            self._past.styles.height = "1fr" if zoomed else HISTORY_ROWS
        self._past.display = bool(seen & {"runs", "ages"})
        progress = self.panes["progress"]
        rows = PROGRESS_ROWS if roomy else SHORT_PROGRESS_ROWS
        progress.styles.height = "1fr" if zoomed else rows
        for name, pane in self.panes.items():
            set_display(pane, wanted=name in seen)


def _on_page(do: Callable[[ScrubPage], None]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        page = desk.page
        if isinstance(page, ScrubPage):
            do(page)

    return run


FILTER: Final = Action(
    action_id="scrub.unrepaired", keys=("f",), title="unrepaired", group=SHOW, footer=11,
    run=_on_page(lambda page: page.toggle_unrepaired()),
    help="Only findings that nothing repaired, or all.",
)  # fmt: skip

NEXT: Final = Action(
    action_id="scrub.next", keys=("v",), title="view", group=SHOW, footer=12,
    run=_on_page(lambda page: page.next_lower()),
    help="Next of findings, runs and ages.",
)  # fmt: skip

EXPORT: Final = Action(
    action_id="scrub.export", keys=("x",), title="export", group=SHOW, footer=13,
    run=_on_page(lambda page: page.export_findings()),
    help="Write the findings to a file, as JSON.",
)  # fmt: skip


def badge(scene: Scene) -> str:
    """Return how many findings nothing repaired, or that a scrub runs or stands."""
    job = scene.view.scrub
    left = sum(not is_repaired(finding) for finding in job.findings)
    if left:
        return f"({left})"
    if job.paused:
        return scene.glyphs.paused.symbol
    return scene.glyphs.work["running"].symbol if job.running else ""


SPEC: Final = PageSpec(
    name="scrub",
    number=4,
    title="Scrub",
    short="Sc",
    purpose="every fragment read and checked, and what was found.",
    make=ScrubPage,
    actions=(*SCRUB_PAGE_ACTIONS, STOP_SCRUB, FILTER, NEXT, EXPORT),
    badge=badge,
)
