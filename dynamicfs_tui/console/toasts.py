"""Which short messages are on the screen: few, and equal ones as one with their number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

TOASTS_MAX: Final = 3
"""More would cover what they are about; the oldest leaves. Events keep what matters."""

TELLING_S: Final = 5.0
WARNING_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Toast:
    """One message, until a moment of the monotonic clock."""

    text: str
    bad: bool
    until_s: float
    times: int = 1

    @property
    def shown(self) -> str:
        """The text, and how often it was said.

        >>> Toast(text="no disk", bad=True, until_s=0.0, times=14).shown
        'no disk  (x14)'
        """
        return self.text if self.times == 1 else f"{self.text}  (x{self.times})"


class Toasts:
    """The messages that are on the screen. For one thread."""

    def __init__(self) -> None:
        self._open: tuple[Toast, ...] = ()

    def add(self, text: str, now_s: float, *, bad: bool) -> tuple[Toast, ...]:
        """Say *text*, and return all that is to be on the screen, oldest first."""
        said = Toast(text=text, bad=bad, until_s=now_s + (WARNING_S if bad else TELLING_S))
        kept = []
        for one in self._open:
            if (one.text, one.bad) == (text, bad) and one.until_s > now_s:
                said = replace(said, times=one.times + 1)
            elif one.until_s > now_s:
                kept.append(one)
        self._open = (*kept, said)[-TOASTS_MAX:]
        return self._open
