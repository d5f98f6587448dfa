"""The bottom line: the keys that matter now, and why one is refused."""

from __future__ import annotations

from dynamicfs_tui.console.actions import ACTIONS, Weight, key_name
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, width_of


def footer_lines(scene: Scene, width: int) -> tuple[Line]:
    """Return one line with the first actions that fit; refused ones are muted."""
    row: Line = (Piece(" "),)
    for action in sorted(
        (action for action in ACTIONS if action.footer), key=lambda action: action.footer
    ):
        refused = action.why_not(scene.view, scene.selected, read_only=scene.read_only)
        asks = scene.glyphs.asks if action.weight in _ASKING or action.action_id == "quit" else ""
        tone = Tone.MUTED if refused else Tone.TEXT
        fact: Line = (
            Piece(key_name(action.keys[0]), Tone.MUTED if refused else Tone.KEY),
            Piece(f" {action.title}{asks}  ", tone),
        )
        if width_of(row) + width_of(fact) > width:
            break
        row = (*row, *fact)
    return (row or EMPTY,)


_ASKING = (Weight.DISRUPTIVE, Weight.DESTRUCTIVE)
