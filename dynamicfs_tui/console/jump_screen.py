"""Jump mode: a letter on every pane that is seen; pressing it moves the focus there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

from dynamicfs_tui.console.pane import LivePane

LETTERS: Final = "asdfghjklqwertyuiop"


def letters_of(panes: Mapping[str, LivePane]) -> dict[str, str]:
    """Return the names of the panes that can be jumped to, by letter."""
    seen = [name for name, pane in panes.items() if pane.display and pane.size.width]
    return dict(zip(LETTERS, seen, strict=False))


class JumpScreen(ModalScreen[str | None]):
    """Letters over the panes; dismissed with the name of one, or ``None``."""

    def __init__(self, panes: Mapping[str, LivePane]) -> None:
        super().__init__(classes="jump-screen")
        self._panes = panes
        self._letters = letters_of(panes)

    def compose(self) -> ComposeResult:
        for letter, name in self._letters.items():
            label = Static(f" {letter} ", classes="jump-letter", markup=False)
            region = self._panes[name].region
            label.styles.offset = (region.x + region.width // 2, region.y + region.height // 2)
            yield label

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss(self._letters.get(event.key))
