"""What panes draw from, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.rates import PoolRates
from dynamicfs_tui.console.text import Line
from engine.status.views import DiskView, EventView, PoolView

Keymap = Mapping[str, tuple[str, ...]]
"""Keys by the id of an action; they replace all keys it has by itself."""

NO_KEYMAP: Final[Keymap] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One moment of the pool, with everything a pane may show."""

    view: PoolView
    rates: PoolRates
    glyphs: Glyphs
    now_ns: int
    """Wall clock of the console, not of the view: it goes on while a display is held."""
    selected_uuid: str = ""
    read_only: bool = False
    """Whether this console refuses every change, whatever the pool allows."""
    held_s: float | None = None
    """Age of a display that the operator holds."""
    fault: str = ""
    """Why the newest view could not be taken; empty when it could."""
    stale_s: float = 0.0
    """Age of the newest view."""
    page: str = ""
    """Name of the page that is seen."""
    crumb: str = ""
    """The object that the page shows; empty when it shows many."""
    alarms: tuple[EventView, ...] = ()
    """Critical events that nobody acknowledged here, oldest first."""
    keymap: Keymap = field(default_factory=lambda: NO_KEYMAP)
    """What the operator's settings say of keys."""
    undo: str = ""
    """What ``u`` would take back; empty when nothing."""

    under_way: frozenset[str] = frozenset()
    """Topics of actions whose last change is not seen in *view* yet."""

    @property
    def selected(self) -> DiskView | None:
        """The disk under the cursor."""
        for disk in self.view.disks:
            if disk.uuid == self.selected_uuid:
                return disk
        return self.view.disks[0] if self.view.disks else None


Item = TypeVar("Item")


class Rows(Generic[Item]):
    """Lines that are made only when they are seen: lists may have thousands of items."""

    def __init__(self, items: Sequence[Item], write: Callable[[Item], Line]) -> None:
        self._items = items
        self._write = write

    def __len__(self) -> int:
        return len(self._items)

    def between(self, first: int, end: int) -> tuple[Line, ...]:
        """Return the lines of the items from *first* to before *end*."""
        return tuple(self._write(item) for item in self._items[first:end])


def rows_of(lines: Sequence[Line]) -> Rows[Line]:
    """Return *lines*, which are made already, as rows."""
    return Rows(lines, lambda made: made)


class AnyRows(Protocol):
    """Rows of whatever items."""

    def __len__(self) -> int: ...

    def between(self, first: int, end: int) -> tuple[Line, ...]:
        """Return the lines from *first* to before *end*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaneText:
    """A pane's content: *head* and *foot* stay, *body* scrolls between them."""

    title: str
    head: tuple[Line, ...] = ()
    columns: tuple[Line, ...] = ()
    """Column titles: above the body, and only where a row of it fits too."""
    body: AnyRows = field(default_factory=lambda: rows_of(()))
    foot: tuple[Line, ...] = ()
    cursor: int | None = None
    """Row of *body* that must stay visible."""
    hint: str = ""
    """Keys of the pane, shown in its frame."""
