"""A question for one line of text, and how its field answers to keys. Knows no screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dynamicfs_tui.console.dialog_keys import DEAF_S, Outcome

TEXT_MAX: Final = 512
"""Characters of an answer; paths are the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. Enter gives the answer, Esc leaves."""

    title: str
    label: str
    """Before the field."""
    facts: tuple[str, ...] = ()
    """Lines that help to answer."""
    text: str = ""
    """What stands in the field at first."""
    check: Callable[[str], str] = lambda _text: ""
    """What is wrong with an answer, or what it would mean when it begins with ``=``."""


class QuestionKeys:
    """The state of one open question. Times are monotonic seconds. For one thread."""

    def __init__(self, question: Question, *, opened_s: float) -> None:
        self.question = question
        self.text = question.text
        self._opened_s = opened_s

    @property
    def remark(self) -> str:
        """What the question says of the present text."""
        return self.question.check(self.text)

    @property
    def accepts(self) -> bool:
        """Whether Enter would give the answer."""
        return not self.remark or self.remark.startswith("=")

    def press(self, key: str, character: str | None, now_s: float) -> Outcome:
        """Take one key and return what became of the question."""
        if now_s - self._opened_s < DEAF_S:
            return Outcome.OPEN
        if key == "escape":
            return Outcome.CANCELLED
        if key == "enter":
            return Outcome.CONFIRMED if self.accepts else Outcome.OPEN
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "ctrl+u":
            self.text = ""
        elif character and character.isprintable():
            self.insert(character)
        return Outcome.OPEN

    def insert(self, text: str) -> None:
        """Add *text*, as the clipboard does; what is not printable is left out."""
        printable = "".join(char for char in text if char.isprintable())
        self.text = (self.text + printable)[:TEXT_MAX]
