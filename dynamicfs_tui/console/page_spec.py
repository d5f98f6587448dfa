"""The registration of a page: number, names, badge, keys, and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dynamicfs_tui.console.action import Action
from dynamicfs_tui.console.page import Desk, Page
from dynamicfs_tui.console.scene import Scene


def no_badge(_scene: Scene) -> str:
    """Return nothing: the page never wants attention."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSpec:
    """Everything the frame knows of a page."""

    name: str
    """Stable; ``Desk.go_to`` takes it."""
    number: int
    """Its key, 1 to 9, and its place among the tabs."""
    title: str
    short: str
    """Two letters for narrow terminals."""
    purpose: str
    """One sentence for the help, in lower case, that ends with a full stop."""
    make: Callable[[Desk], Page]
    """Called once, when the console starts."""
    actions: tuple[Action, ...] = ()
    """Keys beyond the global ones. The same record may stand in several pages."""
    badge: Callable[[Scene], str] = no_badge
    """What stands behind the title of the tab: a symbol, a number; pure and quick."""
