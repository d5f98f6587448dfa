"""What ``u`` would take back: the last reversible action, for a short while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dynamicfs_tui.console.page import Call

UNDO_S: Final = 10.0
"""How long an action can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """One action that can be taken back."""

    title: str
    call: Call
    topic: str
    until_s: float
    """Monotonic seconds."""

    def is_open(self, now_s: float) -> bool:
        """Whether it still can."""
        return now_s < self.until_s
