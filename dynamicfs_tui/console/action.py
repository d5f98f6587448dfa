"""What a key does: one record, from which binding, footer, palette and help are made.

Rule: a key that changes the pool is an upper-case letter, and an upper-case
letter changes the pool. All but the reversible ones open a plan first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.scene import Scene


class Weight(Enum):
    """How much an action may do to the pool."""

    VIEW = 0
    """Nothing."""
    REVERSIBLE = 1
    """Acts at once; ``u`` takes it back."""
    DISRUPTIVE = 2
    """Asks, showing a plan."""
    DESTRUCTIVE = 3
    """Asks, showing a plan, and wants the object's name typed when redundancy is lowered."""


Refusal = Callable[[Scene], str]
"""Why the action cannot be taken now, or an empty string."""

POOL, SHOW, MOVE, CONSOLE = "Act on the pool", "Look closer", "Move", "Console"
GROUPS: Final = (POOL, SHOW, MOVE, CONSOLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing an operator can do. ``action_id`` is stable: keymaps refer to it."""

    action_id: str
    keys: tuple[str, ...]
    title: str
    """Footer label; one or two words."""
    help: str
    group: str
    run: Callable[[Desk], None]
    weight: Weight = Weight.VIEW
    footer: int = 0
    """Rank in the footer, 1 first; 0 keeps it out."""
    topic: str = ""
    """What it decides on: it waits until the last change of the same topic is seen."""
    needs_writable: bool = False
    """Whether a read-only pool refuses it."""
    refusal: Refusal = lambda _scene: ""
    label: Callable[[Scene], str] | None = None
    """Footer label that depends on the moment, as pause and resume do."""

    @property
    def changes_pool(self) -> bool:
        """Whether the pool may be different afterwards."""
        return self.weight is not Weight.VIEW

    @property
    def asks(self) -> bool:
        """Whether a plan is shown before."""
        return self.weight in (Weight.DISRUPTIVE, Weight.DESTRUCTIVE)

    def keys_in(self, scene: Scene) -> tuple[str, ...]:
        """Return its keys, which the operator's settings may have replaced."""
        return scene.keymap.get(self.action_id, self.keys)

    def label_in(self, scene: Scene) -> str:
        """Return the footer label."""
        return self.title if self.label is None else self.label(scene)

    def why_not(self, scene: Scene) -> str:
        """Return why the action is refused now; empty when it is not."""
        if self.changes_pool and scene.read_only:
            return "this console is read-only"
        if self.needs_writable and not scene.view.writable:
            return f"the pool is read-only: {scene.view.read_only_reason or 'no reason given'}"
        if self.topic in scene.under_way:
            return "the change before it is under way"
        return self.refusal(scene)


_KEY_NAMES: Final = {
    "question_mark": "?",
    "exclamation_mark": "!",
    "colon": ":",
    "apostrophe": "'",
    "slash": "/",
    "equals_sign": "=",
    "minus": "-",
    "plus": "+",
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "down": "Down",
    "up": "Up",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
}


def key_name(key: str) -> str:
    """Return *key* as people write it.

    >>> key_name("question_mark"), key_name("S"), key_name("ctrl+d"), key_name("f12")
    ('?', 'S', '^d', 'F12')
    """
    if key[0] == "f" and key[1:].isdigit():
        return key.upper()
    return _KEY_NAMES.get(key, key.replace("ctrl+", "^"))
