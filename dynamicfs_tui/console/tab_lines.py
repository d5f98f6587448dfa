"""The second line of every screen: numbered tabs with their badges; and the alarm below it."""

from __future__ import annotations

from collections.abc import Sequence

from dynamicfs_tui.console.header_lines import NARROW
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import Line, Piece, Tone, clock_time, line, safe, spread, width_of


def tab_line(pages: Sequence[PageSpec], scene: Scene, width: int) -> Line:
    """Return the tabs in *width* cells; titles are short when there is little room."""
    roomy = width >= NARROW
    row = tabs(pages, scene, roomy=roomy)
    if width_of(row) > width:
        row = tabs(pages, scene, roomy=False)
    crumb = line(Piece(f"{scene.crumb} ", Tone.STRONG)) if scene.crumb else ()
    return spread(row, crumb, width, scene.glyphs.ellipsis)


def tabs(pages: Sequence[PageSpec], scene: Scene, *, roomy: bool) -> Line:
    """Return one piece for each tab, in their order: a click is found by counting cells."""
    pieces = []
    for spec in pages:
        badge = spec.badge(scene)
        if roomy:
            text = f" {spec.number} {spec.title}{badge} "
        else:
            text = f" {spec.number}{spec.short}{badge}"
        here = spec.name == scene.page
        tone = Tone.HERE if here else Tone.WARN if badge else Tone.MUTED
        pieces.append(Piece(text, tone))
    return tuple(pieces)


def tab_at(pages: Sequence[PageSpec], scene: Scene, width: int, cell: int) -> str:
    """Return the name of the page whose tab is at *cell*; empty when none is."""
    end = 0
    for spec, piece in zip(pages, tab_line(pages, scene, width), strict=False):
        end += width_of((piece,))
        if cell < end:
            return spec.name
    return ""


def alarm_line(scene: Scene, width: int) -> Line:
    """Return the newest alarm, how many there are, and how they are put away."""
    if not scene.alarms:
        return ()
    newest, glyphs = scene.alarms[-1], scene.glyphs
    mark = glyphs.severity[newest.severity]
    more = f"  and {len(scene.alarms) - 1} more" if len(scene.alarms) > 1 else ""
    text = f" {mark.symbol} {clock_time(newest.time_ns)} {safe(newest.source)}: {safe(newest.text)}"
    end = line(Piece(f"{more}  ! acknowledge ", Tone.ALERT))
    row = spread(line(Piece(text, Tone.ALERT)), end, width, glyphs.ellipsis)
    return tuple(Piece(piece.text, Tone.ALERT) for piece in row)
