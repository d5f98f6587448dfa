"""Page 6: the files of the pool, and on which disks the one under the cursor is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal

from dynamicfs_tui.console import work_verbs
from dynamicfs_tui.console.action import POOL, SHOW, Action, Weight
from dynamicfs_tui.console.engine_plans import dialog_of
from dynamicfs_tui.console.file_lines import tree_table, where_pane
from dynamicfs_tui.console.file_tree import ENTRIES_MAX, ROOT, FileTree, TreeRow, folders_above
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.page import Desk, Page, set_display
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.scrub_page_verbs import start_scrub
from dynamicfs_tui.console.text import safe
from engine.status.answers import DirectoryEntryView, WhereView
from engine.status.views import PoolView

BESIDE_CELLS: Final = 100
"""From here on the tree and the answer stand beside each other."""


class TreeTable(LiveTable[TreeRow]):
    """A table whose order is the tree's: a row belongs below its folder."""

    def next_order(self) -> None:
        return None

    def head_clicked(self, cell: int) -> None:
        return None


class FilesPage(Page):
    """A tree of names, filled folder by folder, and where a file is."""

    def __init__(self, desk: Desk) -> None:
        self._tree = FileTree()
        self._asked: set[str] = set()
        self._answer: WhereView | None = None
        self._said = "Enter on a file shows on which disks it is"
        self._wanted = ""
        self._on_its_way = ""
        self._find_path = ""
        self._table = TreeTable(tree_table(lambda _scene: self._tree.rows()), id="tree")
        super().__init__(
            desk,
            "files",
            {
                "tree": self._table,
                "where": LivePane(
                    lambda scene, width: where_pane(scene, width, self._answer, self._said),
                    id="where",
                ),
            },
        )
        self._halves = Horizontal(classes="halves")
        self._laid_out: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with self._halves:
            yield from self.panes.values()

    @property
    def path(self) -> str:
        """Path under the cursor; the root while there is none."""
        row = self._table.cursor_row
        return ROOT if row is None else row.path

    def crumb(self, view: PoolView) -> str:
        return f"Files > {safe(self._wanted)}" if self.zoomed == "where" else ""

    def show(self, scene: Scene) -> None:
        if self.display:
            self._load(ROOT)
        super().show(scene)

    # The tree

    def _load(self, folder: str) -> None:
        """Ask for the entries of *folder*, unless that was done already."""
        if folder in self._asked:
            return
        self._asked.add(folder)

        def take(entries: list[DirectoryEntryView]) -> None:
            if folder in self._asked:
                self._tree.fill(folder, entries)
                self._go_to_found()
                self.desk.redraw()

        def refuse(why: str) -> None:
            self._tree.refuse(folder, why)
            self.desk.redraw()

        self.desk.fetch(
            f"list {folder}",
            lambda control: list(control.files.list_directory(folder, ENTRIES_MAX)),
            take,
            failed=refuse,
        )

    def open_folder(self, folder: str) -> None:
        """Show the entries of *folder* below it."""
        self._tree.open(folder)
        self._load(folder)
        self.desk.redraw()

    def close_folder(self, folder: str) -> None:
        """Hide the entries of *folder*."""
        self._tree.close(folder)
        self._asked.discard(folder)
        self.desk.redraw()

    def close_row(self) -> None:
        """Close the folder under the cursor, or go to the one above."""
        path = self.path
        if self._tree.is_open(path) and path != ROOT:
            self.close_folder(path)
        else:
            self._table.set_cursor(folders_above(path)[-1])

    def open_row(self) -> None:
        """Open the folder under the cursor, or show where the file is."""
        row = self._table.cursor_row
        if row is not None and row.is_directory:
            self.open_folder(row.path)
        elif row is not None and not row.note:
            self.look_up(row.path)

    def reload(self) -> None:
        """Ask for every open folder anew, and for the file that is shown."""
        folders, self._asked = self._asked, set()
        for folder in folders:
            self._load(folder)
        if self._wanted:
            self.look_up(self._wanted)

    def find(self, path: str) -> None:
        """Show where *path* is, and open the folders on the way to it."""
        for folder in folders_above(path):
            self._tree.open(folder)
            self._load(folder)
        self._find_path = path
        self._go_to_found()
        self.look_up(path)
        if self.size.width < BESIDE_CELLS:
            self.zoom("where")
        self.desk.redraw()

    def _go_to_found(self) -> None:
        """Put the cursor on the path that is looked for, as soon as its folder is here."""
        if any(row.key == self._find_path for row in self._tree.rows()):
            # The table must know the row before the cursor can stay on it.
            self._table.redraw()
            self._table.set_cursor(self._find_path)
            self._find_path = ""

    # Where a file is

    def look_up(self, path: str) -> None:
        """Ask where *path* is; of several questions only the last is answered."""
        self._wanted = path
        self._said = f"looking for {path}"
        if not self._on_its_way:
            self._ask_where(path)

    def _ask_where(self, path: str) -> None:
        self._on_its_way = path

        def next_one() -> None:
            self._on_its_way = ""
            if self._wanted != path:
                self._ask_where(self._wanted)
            self.desk.redraw()

        def take(answer: WhereView) -> None:
            if self._wanted == path:
                self._answer = answer
            next_one()

        def refuse(why: str) -> None:
            if self._wanted == path:
                self._answer, self._said = None, f"{path}: {why}"
            next_one()

        self.desk.fetch(f"where {path}", lambda c: c.files.where(path), take, failed=refuse)

    def answer_text(self) -> str:
        """Return the answer that is shown as JSON; empty while there is none."""
        return "" if self._answer is None else json.dumps(asdict(self._answer), ensure_ascii=True)

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        row = self._table.cursor_row
        if row is None or row.note or row.is_directory or not self.panes["where"].display:
            return
        self.look_up(row.path)

    def enter(self) -> None:
        """Open or close a folder; show where a file is."""
        row = self._table.cursor_row
        if self.focused_name == "where" or row is None or row.note:
            super().enter()
        elif row.is_directory:
            (self.close_folder if row.is_open else self.open_folder)(row.path)
        else:
            self.look_up(row.path)
            if self.size.width < BESIDE_CELLS:
                self.zoom("where")
        self.desk.redraw()

    def go_back(self) -> bool:
        was_zoomed = bool(self.zoomed)
        gone = super().go_back()
        if gone and was_zoomed and not self.zoomed:
            self.panes["tree"].display = True
            self.panes["tree"].focus()
        return gone

    def lay_out(self, scene: Scene) -> None:
        state = (self.size, self.zoomed)
        if state == self._laid_out:
            return
        self._laid_out = state
        beside = self.size.width >= BESIDE_CELLS
        set_display(self.panes["tree"], wanted=self.zoomed in ("", "tree"))
        set_display(self.panes["where"], wanted=self.zoomed == "where" or
                    (beside and not self.zoomed))  # fmt: skip


def _on_page(do: Callable[[Desk, FilesPage], None]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        page = desk.page
        if isinstance(page, FilesPage):
            do(desk, page)

    return run


def _path_remark(text: str) -> str:
    return "" if text.startswith("/") else "a path within the pool begins with /"


def _find(desk: Desk, page: FilesPage) -> None:
    desk.inquire(
        Question(title="Where is a file", label="path in the pool", text="/", check=_path_remark),
        lambda path: page.find(path.rstrip("/") or ROOT),
    )


def _copy_answer(desk: Desk, page: FilesPage) -> None:
    text = page.answer_text()
    if text:
        desk.copy(text)
    else:
        desk.tell("Enter on a file first: there is no answer to copy", bad=True)


def _redundancy(desk: Desk, page: FilesPage) -> None:
    path = page.path

    title = f"Redundancy of {safe(path)}"

    def ask(text: str) -> None:
        wanted, scene = text.strip(), desk.scene
        desk.propose(
            title,
            lambda control: dialog_of(
                control.files.plan_redundancy(path, wanted), scene, title=title, confirm="set it"
            ),
            lambda control: control.files.set_redundancy(path, wanted),
        )

    desk.inquire(
        Question(
            title=title,
            label="redundancy",
            facts=("rs:4+2 or copies:3, for example; empty: as the folder above has it.",),
        ),
        ask,
    )


OPEN: Final = Action(
    action_id="files.expand", keys=("l", "right"), title="open", group=SHOW,
    run=_on_page(lambda _desk, page: page.open_row()),
    help="Open the folder, or show where the file is.",
)  # fmt: skip

CLOSE: Final = Action(
    action_id="files.collapse", keys=("h", "left"), title="close", group=SHOW,
    run=_on_page(lambda _desk, page: page.close_row()),
    help="Close the folder, or go to the one above.",
)  # fmt: skip

FIND: Final = Action(
    action_id="files.find", keys=("f",), title="find path", group=SHOW, footer=4,
    run=_on_page(_find),
    help="Find a file by its path in the pool.",
)  # fmt: skip

RELOAD: Final = Action(
    action_id="files.reload", keys=("r",), title="read again", group=SHOW, footer=6,
    run=_on_page(lambda _desk, page: page.reload()),
    help="Read the open folders and the file again.",
)  # fmt: skip

COPY: Final = Action(
    action_id="files.copy", keys=("c",), title="copy JSON", group=SHOW, footer=5,
    run=_on_page(_copy_answer),
    help="Copy where the file is to the clipboard, as JSON.",
)  # fmt: skip

VERIFY: Final = Action(
    action_id="files.verify", keys=("V",), title="verify", group=POOL, footer=7,
    weight=Weight.DISRUPTIVE,
    refusal=lambda scene: "a scrub is running already" if scene.view.scrub.running else "",
    run=_on_page(
        lambda desk, page: start_scrub(desk, f"directory {page.path}", repair=False)
    ),
    help="Scrub what is below the path under the cursor.",
)  # fmt: skip

PREFER: Final = Action(
    action_id="files.prefer", keys=("E",), title="rebuild first", group=POOL, footer=8,
    weight=Weight.REVERSIBLE, topic=work_verbs.TOPIC,
    run=_on_page(lambda desk, page: work_verbs.prefer(desk, page.path)),
    help="Let the path under the cursor go first among what is equally exposed.",
)  # fmt: skip

REDUNDANCY: Final = Action(
    action_id="files.redundancy", keys=("L",), title="redundancy", group=POOL, footer=9,
    weight=Weight.DISRUPTIVE, needs_writable=True, run=_on_page(_redundancy),
    help="Set the redundancy of the path under the cursor; asks which.",
)  # fmt: skip

SPEC: Final = PageSpec(
    name="files",
    number=6,
    title="Files",
    short="Fi",
    purpose="names with their health, and on which disks a file is.",
    make=FilesPage,
    actions=(OPEN, CLOSE, FIND, COPY, RELOAD, VERIFY, PREFER, REDUNDANCY),
)
