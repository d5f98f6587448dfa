"""A pane that is a table: cursor by row key, sort, filter, marks, growth of errors.

What it shows is described by a ``TableSpec`` of pure functions; the widget
keeps what the operator did to it. Cursor and marks belong to row keys, so they
stay with their rows when those are sorted, inserted or removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from textual import events
from textual.message import Message

from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.scene import PaneText, Rows, Scene
from dynamicfs_tui.console.table import (
    Column,
    Order,
    choose_columns,
    column_at,
    in_order,
    other_columns,
    table_head,
    table_row,
)
from dynamicfs_tui.console.table_filter import FILTER_MAX, apply_filter
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, line
from engine.units import NS_PER_S

Row = TypeVar("Row")

GROWN_S: Final = 2.0
"""How long a number that grew for the worse stands out."""

STILL_S: Final = 1.5
"""Rows are not sorted anew for so long after the cursor moved."""

MARK_CELLS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec(Generic[Row]):
    """What a table shows. All functions are pure and quick."""

    title: Callable[[Scene], str]
    rows: Callable[[Scene], Sequence[Row]]
    key: Callable[[Row], str]
    """Stable and unique among the rows."""
    columns: Callable[[Scene], Sequence[Column[Row]]]
    head: Callable[[Scene, int], Sequence[Line]] = lambda _scene, _width: ()
    foot: Callable[[Scene, Row, int], Sequence[Line]] = lambda _scene, _row, _width: ()
    """Below the table, about the row under the cursor."""
    empty: Callable[[Scene], str] = lambda _scene: "nothing here"
    """What is said instead of rows, with the next step."""
    hint: Callable[[Scene], str] = lambda _scene: ""


class LiveTable(LivePane, Generic[Row]):
    """A table of rows that change while one looks."""

    class CursorMoved(Message):
        """The cursor is on another row."""

        def __init__(self, table: LivePane, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Marked(Message):
        """Rows were marked, or marks were taken away."""

        def __init__(self, table: LivePane) -> None:
            super().__init__()
            self.table = table

    def __init__(self, spec: TableSpec[Row], *, id: str) -> None:
        super().__init__(self._unused, id=id)
        self._spec = spec
        self._keys: tuple[str, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._shown: list[tuple[Column[Row], int]] = []
        self._cursor_key = ""
        self._order = Order()
        self._filter = ""
        self._typing = False
        self._other_columns = False
        self._marks: frozenset[str] = frozenset()
        self._growth = _Growth()
        self._still_until_ns = 0

    @staticmethod
    def _unused(_scene: Scene, _width: int) -> PaneText:
        return PaneText(title="")

    # What pages ask

    @property
    def cursor_key(self) -> str:
        """Key of the row under the cursor; empty while there is no row."""
        return self._cursor_key

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, as it was drawn last."""
        if self._cursor_key in self._keys:
            return self._rows[self._keys.index(self._cursor_key)]
        return None

    @property
    def marked(self) -> frozenset[str]:
        """Keys of the marked rows, also of those a filter hides."""
        return self._marks

    def set_cursor(self, key: str) -> None:
        """Put the cursor on the row *key*, now or when it comes; no message is posted."""
        if key != self._cursor_key:
            self._cursor_key = key
            self.redraw()

    # What keys do

    def move(self, rows: int) -> None:
        if not self._keys:
            return
        here = self._keys.index(self._cursor_key) if self._cursor_key in self._keys else 0
        self._go_to_row(max(0, min(len(self._keys) - 1, here + rows)))

    def row_clicked(self, row: int) -> None:
        if row < len(self._keys):
            self._go_to_row(row)

    def head_clicked(self, cell: int) -> None:
        column = column_at(self._shown, cell - MARK_CELLS)
        if column is not None:
            same = column.title == self._order.title
            self._order = Order(title=column.title, descending=same and not self._order.descending)
            self._sort_now()

    def next_order(self) -> None:
        """Sort by the next column; after the last: as rows come."""
        self._order = self._order.after_key([column.title for column, _width in self._shown])
        self._sort_now()

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go on to the next."""
        if self._cursor_key in self._keys:
            self._marks = self._marks ^ {self._cursor_key}
            self.move(1)
            self.redraw()
            self.post_message(self.Marked(self))

    def clear_marks(self) -> None:
        """Take all marks away."""
        self._marks = frozenset()
        self.redraw()
        self.post_message(self.Marked(self))

    def mark_only(self, keys: Iterable[str]) -> None:
        """Mark the rows *keys*, whether they are seen or not, and no others."""
        self._marks = frozenset(keys)
        self.redraw()
        self.post_message(self.Marked(self))

    def show_other_columns(self) -> bool:
        """Show the columns that have no room, or the first ones again; return whether it could."""
        if self._scene is None:
            return False
        room = self.size.width - MARK_CELLS
        others = other_columns(self._spec.columns(self._scene), room)
        self._other_columns = bool(others) and not self._other_columns
        self.redraw()
        return bool(others)

    def go_to_match(self, step: int) -> bool:
        """Move the cursor by *step* rows that match the filter, past the end to the beginning."""
        if not (self._filter and self._keys):
            return False
        here = self._keys.index(self._cursor_key) if self._cursor_key in self._keys else -step
        self._go_to_row((here + step) % len(self._keys))
        return True

    def start_filter(self) -> None:
        """Take keys as the text of the filter until Enter or Esc."""
        self._typing = True
        self.redraw()

    def go_back(self) -> bool:
        if not (self._typing or self._filter):
            return False
        self._typing, self._filter = False, ""
        self.redraw()
        return True

    def copied_cell(self) -> str:
        """Return the first cell of the row under the cursor, in full."""
        row = self.cursor_row
        if row is None or not self._shown:
            return ""
        return str(self._shown[0][0].value_of(row))

    def copied_row(self, scene: Scene) -> str:
        """Return the row under the cursor as one JSON object, columns by title."""
        row = self.cursor_row
        if row is None:
            return ""
        fields = {c.title.lower(): c.value_of(row) for c in self._spec.columns(scene)}
        return json.dumps(fields, ensure_ascii=True)

    def on_key(self, event: events.Key) -> None:
        if not self._typing:
            return
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.go_back()
            return
        if event.key in ("enter", "tab"):
            self._typing = False
        elif event.key == "backspace":
            self._filter = self._filter[:-1]
        elif event.key == "ctrl+u":
            self._filter = ""
        elif event.character and event.is_printable and len(self._filter) < FILTER_MAX:
            self._filter += event.character
        self.redraw()

    def on_blur(self) -> None:
        if self._typing:
            self._typing = False
            self.redraw()

    # What is drawn

    def make_text(self, scene: Scene, width: int) -> PaneText:
        spec, glyphs = self._spec, scene.glyphs
        columns = spec.columns(scene)
        every = spec.rows(scene)
        seen = (self._other_columns and other_columns(columns, width - MARK_CELLS)) or columns
        self._arrange(scene, columns, every)
        self._shown = choose_columns(seen, width - MARK_CELLS)
        grown = self._growth.observe(every, columns, spec.key, scene.now_ns)
        rows = Rows(self._rows, lambda row: self._line(row, scene, grown))
        cursor = self._keys.index(self._cursor_key) if self._keys else None
        head = tuple(spec.head(scene, width))
        if not self._rows:
            said = f"no row matches /{self._filter}" if self._filter else spec.empty(scene)
            said_line = line(Piece(said, Tone.MUTED)) if said else EMPTY
            return PaneText(title=self._title(scene, len(every)), head=(*head, said_line))
        row = self.cursor_row
        titles = table_head(self._shown, order=self._order, marks=glyphs.sorted)
        return PaneText(
            title=self._title(scene, len(every)),
            head=head,
            columns=((Piece(" " * MARK_CELLS), *titles),),
            body=rows,
            foot=tuple(spec.foot(scene, row, width)) if row is not None else (),
            cursor=cursor,
            hint=spec.hint(scene),
        )

    def _arrange(self, scene: Scene, columns: Sequence[Column[Row]], every: Sequence[Row]) -> None:
        key = self._spec.key
        rows = apply_filter(every, columns, self._filter) if self._filter else list(every)
        if self._order.title and scene.now_ns < self._still_until_ns:
            place = {known: index for index, known in enumerate(self._keys)}
            rows.sort(key=lambda row: place.get(key(row), len(place)))
        else:
            rows = in_order(rows, columns, self._order)
        before = self._keys
        self._rows = tuple(rows)
        self._keys = tuple(key(row) for row in rows)
        if self._keys and self._cursor_key not in self._keys:
            # The row went away: its place in the table is the next best.
            place_before = before.index(self._cursor_key) if self._cursor_key in before else 0
            self._cursor_key = self._keys[min(place_before, len(self._keys) - 1)]
            self.post_message(self.CursorMoved(self, self._cursor_key))

    def _line(self, row: Row, scene: Scene, grown: dict[str, frozenset[str]]) -> Line:
        key = self._spec.key(row)
        here = key == self._cursor_key
        glyphs = scene.glyphs
        cells = table_row(
            self._shown,
            row,
            glyphs.ellipsis,
            grown=grown.get(key, frozenset()),
            sign=glyphs.up,
        )
        cursor = Piece(glyphs.cursor if here else " ", Tone.KEY)
        mark = Piece(glyphs.marked if key in self._marks else " ", Tone.KEY)
        return (cursor, mark, *cells)

    def _title(self, scene: Scene, total: int) -> str:
        title = self._spec.title(scene)
        if self._typing or self._filter:
            title += f"  {len(self._rows)}/{total} /{self._filter}{'_' if self._typing else ''}"
        if self._marks:
            title += f"  {len(self._marks)} marked"
        return title

    def _go_to_row(self, row: int) -> None:
        key = self._keys[row]
        if key == self._cursor_key:
            return
        self._cursor_key = key
        if self._scene is not None:
            self._still_until_ns = self._scene.now_ns + int(STILL_S * NS_PER_S)
        self.redraw()
        self.post_message(self.CursorMoved(self, key))

    def _sort_now(self) -> None:
        self._still_until_ns = 0
        self.redraw()


class _Growth:
    """Remembers which numbers grew lately."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}
        self._until_ns: dict[tuple[str, str], int] = {}

    def observe(
        self,
        rows: Sequence[Row],
        columns: Sequence[Column[Row]],
        key: Callable[[Row], str],
        now_ns: int,
    ) -> dict[str, frozenset[str]]:
        """Return the titles of the columns that grew within ``GROWN_S``, by row key."""
        alarms = [column for column in columns if column.alarms]
        if not alarms:
            return {}
        values: dict[tuple[str, str], float] = {}
        for row in rows:
            for column in alarms:
                value = column.value_of(row)
                if isinstance(value, str):
                    continue
                name = (key(row), column.title)
                values[name] = value
                if value > self._last.get(name, value):
                    self._until_ns[name] = now_ns + int(GROWN_S * NS_PER_S)
        self._last = values
        self._until_ns = {n: end for n, end in self._until_ns.items() if end > now_ns}
        grown: dict[str, frozenset[str]] = {}
        for row_key, title in self._until_ns:
            grown[row_key] = grown.get(row_key, frozenset()) | {title}
        return grown
