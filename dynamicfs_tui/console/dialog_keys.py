"""How a dialog answers to keys: a small machine without a screen.

It guards against what operators do by accident: keys typed ahead, a held
Enter, the opening key struck twice. The confirming key is never an opening
key, Enter on a fresh dialog cancels, and destructive ones want a name typed.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from dynamicfs_tui.console.plans import Plan

DEAF_S: Final = 0.4
"""A new dialog ignores every key for this long."""

REPEAT_S: Final = 0.12
"""The same key again this soon comes from a held key."""

CONFIRM_KEY: Final = "y"
LATER_KEY: Final = "w"
TYPED_MAX: Final = 64


class Outcome(Enum):
    """What became of a dialog."""

    OPEN = "open"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    LATER = "later"
    """Agreed to, but only when nothing is under way any more."""


class Choice(Enum):
    """What Enter would do."""

    CANCEL = "cancel"
    LATER = "later"
    CONFIRM = "confirm"


class DialogKeys:
    """The state of one open dialog. Times are monotonic seconds. For one thread."""

    def __init__(self, plan: Plan, *, opened_s: float) -> None:
        self.plan = plan
        self.choice = Choice.CANCEL
        self.typed = ""
        self._opened_s = opened_s
        self._last: tuple[str, float] = ("", float("-inf"))

    @property
    def armed(self) -> bool:
        """Whether confirming is possible: not blocked, and the name is typed."""
        if not self.plan.can_be_confirmed:
            return False
        return not self.plan.typed_name or self.typed == self.plan.typed_name

    def is_deaf(self, now_s: float) -> bool:
        """Whether keys and clicks are ignored still."""
        return now_s - self._opened_s < DEAF_S

    def press(self, key: str, character: str | None, now_s: float) -> Outcome:
        """Take one key and return what became of the dialog."""
        last_key, last_s = self._last
        self._last = (key, now_s)
        if self.is_deaf(now_s):
            return Outcome.OPEN
        if key == "escape":
            return Outcome.CANCELLED
        if key == "enter":
            repeated = last_key == key and now_s - last_s < REPEAT_S
            return Outcome.OPEN if repeated else self.choose(self.choice, now_s)
        if key in ("tab", "shift+tab", "left", "right"):
            self._go(-1 if key in ("shift+tab", "left") else 1)
            return Outcome.OPEN
        if self.plan.typed_name and self.plan.can_be_confirmed:
            self._edit(key, character)
            return Outcome.OPEN
        if key == CONFIRM_KEY and self.armed:
            return Outcome.CONFIRMED
        if key == LATER_KEY and self.plan.later:
            return Outcome.LATER
        return Outcome.OPEN

    def choose(self, choice: Choice, now_s: float) -> Outcome:
        """Act on *choice*, as Enter or a click does."""
        if self.is_deaf(now_s):
            return Outcome.OPEN
        if choice is Choice.CANCEL:
            return Outcome.CANCELLED
        if choice is Choice.LATER:
            return Outcome.LATER if self.plan.later else Outcome.OPEN
        return Outcome.CONFIRMED if self.armed else Outcome.OPEN

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What can be chosen now, in the order it is shown: the safest first."""
        later = (Choice.LATER,) if self.plan.later else ()
        return (Choice.CANCEL, *later, *((Choice.CONFIRM,) if self.armed else ()))

    def _go(self, step: int) -> None:
        every = self.choices
        here = every.index(self.choice) if self.choice in every else 0
        self.choice = every[(here + step) % len(every)]

    def _edit(self, key: str, character: str | None) -> None:
        if key == "backspace":
            self.typed = self.typed[:-1]
        elif key == "ctrl+u":
            self.typed = ""
        elif character and character.isprintable() and len(self.typed) < TYPED_MAX:
            self.typed += character
        self.choice = Choice.CONFIRM if self.armed else Choice.CANCEL
