"""The bottom line: the keys that matter on this page, refused ones muted."""

from __future__ import annotations

from collections.abc import Sequence

from dynamicfs_tui.console.action import Action, key_name
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import EMPTY, Line, Piece, Tone, width_of


def footer_line(actions: Sequence[Action], scene: Scene, width: int) -> Line:
    """Return one line with the first of *actions* that fit, most used first."""
    row: Line = (Piece(" "),)
    if scene.undo:
        row = (*row, Piece("u", Tone.KEY), Piece(f" undo {scene.undo}  ", Tone.STRONG))
    for action in sorted(
        (action for action in actions if action.footer), key=lambda action: action.footer
    ):
        refused = action.why_not(scene)
        asks = scene.glyphs.asks if action.asks or action.action_id == "quit" else ""
        tone = Tone.MUTED if refused else Tone.TEXT
        fact: Line = (
            Piece(key_name(action.keys_in(scene)[0]), Tone.MUTED if refused else Tone.KEY),
            Piece(f" {action.label_in(scene)}{asks}  ", tone),
        )
        if width_of(row) + width_of(fact) > width:
            break
        row = (*row, *fact)
    return row or EMPTY
