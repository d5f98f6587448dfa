"""The one registry of what keys do: bindings, footer, palette and help all come from it.

Rule: a key that changes the pool is an upper-case letter, and an upper-case
letter changes the pool. All but the reversible ones open a plan first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dynamicfs_tui.console.plans import FAILED, HEALTHY
from engine.status.views import DiskView, PoolView


class Weight(Enum):
    """How much an action may do to the pool."""

    VIEW = 0
    """Nothing."""
    REVERSIBLE = 1
    """Acts at once."""
    DISRUPTIVE = 2
    """Asks, showing a plan."""
    DESTRUCTIVE = 3
    """Asks, showing a plan, and wants the object's name typed."""


Refusal = Callable[[PoolView, DiskView | None], str]
"""Why the action cannot be taken now, or an empty string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing an operator can do. ``action_id`` is stable: keymaps refer to it."""

    action_id: str
    keys: tuple[str, ...]
    title: str
    """Footer label; one or two words."""
    help: str
    group: str
    weight: Weight = Weight.VIEW
    footer: int = 0
    """Rank in the footer, 1 first; 0 keeps it out."""
    needs_writable: bool = False
    """Whether a read-only pool refuses it."""
    refusal: Refusal = lambda _view, _disk: ""

    @property
    def changes_pool(self) -> bool:
        """Whether the pool may be different afterwards."""
        return self.weight is not Weight.VIEW

    def why_not(self, view: PoolView, disk: DiskView | None, *, read_only: bool) -> str:
        """Return why the action is refused now; empty when it is not."""
        if self.changes_pool and read_only:
            return "this console is read-only"
        if self.needs_writable and not view.writable:
            return f"the pool is read-only: {view.read_only_reason or 'no reason given'}"
        return self.refusal(view, disk)


def _scrub_running(view: PoolView, _disk: DiskView | None) -> str:
    return "a scrub is running already; X stops it" if view.scrub.running else ""


def _no_scrub(view: PoolView, _disk: DiskView | None) -> str:
    return "" if view.scrub.running else "no scrub is running"


def _no_rebuild(view: PoolView, _disk: DiskView | None) -> str:
    if view.reconcile.active:
        return "the rebuild is running already"
    waits = view.reconcile.waiting_s > 0 or view.reconcile.pending_items > 0
    return "" if waits or view.exposure.degraded_extents else "there is nothing to rebuild"


def _cannot_fail(_view: PoolView, disk: DiskView | None) -> str:
    if disk is None:
        return "no disk is selected"
    return f"{disk.name} is marked failed already" if disk.state == FAILED else ""


def _cannot_heal(_view: PoolView, disk: DiskView | None) -> str:
    if disk is None:
        return "no disk is selected"
    if disk.state == HEALTHY:
        return f"{disk.name} is healthy already"
    return "" if disk.present else f"{disk.name} is missing: bring it back first"


POOL, SHOW, MOVE, CONSOLE = "Act on the pool", "Look closer", "Move", "Console"

ACTIONS: Final = (
    Action(
        action_id="scrub",
        keys=("S",),
        title="scrub",
        group=POOL,
        weight=Weight.DISRUPTIVE,
        footer=3,
        refusal=_scrub_running,
        help="Read and check every fragment; report damage, change nothing.",
    ),
    Action(
        action_id="repair",
        keys=("R",),
        title="repair",
        group=POOL,
        weight=Weight.DISRUPTIVE,
        footer=4,
        needs_writable=True,
        refusal=_scrub_running,
        help="Scrub, and repair what is damaged or missing from intact fragments.",
    ),
    Action(
        action_id="stop_scrub",
        keys=("X",),
        title="stop scrub",
        group=POOL,
        weight=Weight.DISRUPTIVE,
        footer=9,
        refusal=_no_scrub,
        help="Stop the running scrub.",
    ),
    Action(
        action_id="rebuild",
        keys=("B",),
        title="rebuild",
        group=POOL,
        weight=Weight.DISRUPTIVE,
        footer=5,
        needs_writable=True,
        refusal=_no_rebuild,
        help="Start the rebuild now instead of after its delay.",
    ),
    Action(
        action_id="probe",
        keys=("P",),
        title="probe",
        group=POOL,
        weight=Weight.REVERSIBLE,
        footer=8,
        help="Look at every disk now; acts at once.",
    ),
    Action(
        action_id="fail_disk",
        keys=("F",),
        title="fail disk",
        group=POOL,
        weight=Weight.DESTRUCTIVE,
        footer=6,
        needs_writable=True,
        refusal=_cannot_fail,
        help="Mark the selected disk failed; its data is rebuilt elsewhere. Asks for its name.",
    ),
    Action(
        action_id="heal_disk",
        keys=("H",),
        title="healthy",
        group=POOL,
        weight=Weight.DISRUPTIVE,
        footer=7,
        needs_writable=True,
        refusal=_cannot_heal,
        help="Mark the selected disk healthy: it takes new data again.",
    ),
    Action(
        action_id="pane_1", keys=("1",), title="disks", group=SHOW,
        help="Go to the disks; once more: enlarge them.",
    ),
    Action(
        action_id="pane_2", keys=("2",), title="rebuild", group=SHOW,
        help="Go to the rebuild; once more: enlarge it.",
    ),
    Action(
        action_id="pane_3", keys=("3",), title="scrub", group=SHOW,
        help="Go to the scrub and its findings; once more: enlarge them.",
    ),
    Action(
        action_id="pane_4", keys=("4",), title="tiers", group=SHOW,
        help="Go to tiers and space; once more: enlarge them.",
    ),
    Action(
        action_id="pane_5", keys=("5",), title="events", group=SHOW,
        help="Go to the events; once more: enlarge them.",
    ),
    Action(
        action_id="events", keys=("e",), title="events", group=SHOW,
        help="Enlarge the events; again: back to the overview.",
    ),
    Action(
        action_id="zoom", keys=("z",), title="zoom", group=SHOW, footer=10,
        help="Enlarge the focused pane; again: back to the overview.",
    ),
    Action(
        action_id="back", keys=("escape",), title="back", group=SHOW,
        help="Back to the overview.",
    ),
    Action(
        action_id="hold", keys=("p",), title="hold", group=SHOW,
        help="Hold the display; numbers go on being collected.",
    ),
    Action(
        action_id="down", keys=("j", "down"), title="down", group=MOVE,
        help="Next disk; in other panes: scroll down.",
    ),
    Action(
        action_id="up", keys=("k", "up"), title="up", group=MOVE,
        help="Previous disk; in other panes: scroll up.",
    ),
    Action(
        action_id="page_down", keys=("pagedown", "ctrl+d"), title="page down", group=MOVE,
        help="A page down.",
    ),
    Action(
        action_id="page_up", keys=("pageup", "ctrl+u"), title="page up", group=MOVE,
        help="A page up.",
    ),
    Action(
        action_id="top", keys=("g", "home"), title="top", group=MOVE, help="To the first row."
    ),
    Action(
        action_id="bottom", keys=("G", "end"), title="bottom", group=MOVE, help="To the last row."
    ),
    Action(
        action_id="next_pane", keys=("tab",), title="next pane", group=MOVE,
        help="To the next pane.",
    ),
    Action(
        action_id="previous_pane", keys=("shift+tab",), title="previous pane", group=MOVE,
        help="To the previous pane.",
    ),
    Action(
        action_id="help", keys=("question_mark", "f1"), title="help", group=CONSOLE, footer=1,
        help="This page: keys and symbols.",
    ),
    Action(
        action_id="palette", keys=("colon", "ctrl+p", "f2"), title="commands", group=CONSOLE,
        footer=11, help="All commands by name.",
    ),
    Action(
        action_id="quit", keys=("q", "f10"), title="quit", group=CONSOLE, footer=2,
        help="Quit, after a question. ctrl+q does the same.",
    ),
)  # fmt: skip
"""Every action of the console. ``G`` moves only: the one harmless capital, from vi."""

HARMLESS_CAPITALS: Final = frozenset({"G"})

_KEY_NAMES: Final = {
    "question_mark": "?",
    "colon": ":",
    "escape": "Esc",
    "down": "Down",
    "up": "Up",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "f1": "F1",
    "f2": "F2",
    "f10": "F10",
}


def key_name(key: str) -> str:
    """Return *key* as people write it.

    >>> key_name("question_mark"), key_name("S"), key_name("ctrl+d")
    ('?', 'S', '^d')
    """
    return _KEY_NAMES.get(key, key.replace("ctrl+", "^"))


def find_action(action_id: str) -> Action:
    """Return the action of that id. KeyError when there is none."""
    for action in ACTIONS:
        if action.action_id == action_id:
            return action
    raise KeyError(action_id)
