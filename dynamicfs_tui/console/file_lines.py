"""What the files page draws: the tree with the health of each name, and where a file is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dynamicfs_tui.console.file_tree import TreeRow
from dynamicfs_tui.console.glyphs import Glyphs, Mark
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import PaneText, Rows, Scene, rows_of
from dynamicfs_tui.console.table import Column
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    cut_middle,
    day_time,
    flow,
    line,
    safe,
    short_bytes,
    wrap,
)
from engine.status.answers import ExtentPlaceView, FragmentPlaceView, WhereView

DISK_CELLS: Final = 5
OFFSET_CELLS: Final = 7
EXTENT_CELLS: Final = 8
STATE_CELLS: Final = 10

_HEALTH: Final = {"degraded": "degraded", "exposed": "at risk", "lost": "data loss"}


def health_mark(health: str, glyphs: Glyphs) -> Mark:
    """Return the symbol of a file's health word; an unknown word looks whole."""
    return glyphs.pool[_HEALTH.get(health, "ok")]


def tree_table(rows: Callable[[Scene], Sequence[TreeRow]]) -> TableSpec[TreeRow]:
    """Return the table that is a tree of names."""
    return TableSpec(
        title=lambda _scene: "Files",
        rows=rows,
        key=lambda row: row.key,
        columns=lambda scene: _tree_columns(scene.glyphs),
        hint=lambda _scene: "Enter open  f find  / filter",
    )


def _tree_columns(glyphs: Glyphs) -> list[Column[TreeRow]]:
    def name(row: TreeRow, width: int) -> Line:
        indent = "  " * min(row.depth, 8)
        if row.note:
            return line(Piece(f"{indent}  {safe(row.note)}", Tone.MUTED))
        text = "/" if row.entry is None else safe(row.entry.name)
        if not row.is_directory:
            return line(cut_middle(f"{indent}  {text}", width, glyphs.ellipsis))
        sign = glyphs.sorted[1] if row.is_open else glyphs.cursor
        shown = f"{indent}{sign} {text}{'' if text == '/' else '/'}"
        return line(Piece(cut_middle(shown, width, glyphs.ellipsis), Tone.STRONG))

    def health(row: TreeRow, _width: int) -> Line:
        if row.entry is None or not row.entry.health:
            return EMPTY
        mark = health_mark(row.entry.health, glyphs)
        return line(Piece(f"{mark.symbol} {row.entry.health}", mark.tone))

    def size(row: TreeRow, _width: int) -> Line:
        if row.entry is None or row.entry.is_directory:
            return EMPTY
        return line(short_bytes(row.entry.size))

    return [
        Column(title="NAME", width=14, priority=0, cell=name, grows=True,
               value=lambda row: row.path),
        Column(title="HEALTH", width=10, priority=1, cell=health),
        Column(title="SIZE", width=5, priority=0, right=True, cell=size,
               value=lambda row: 0 if row.entry is None else row.entry.size),
    ]  # fmt: skip


def where_pane(scene: Scene, width: int, answer: WhereView | None, said: str) -> PaneText:
    """Return where a file is: what it survives, and its extents by disk.

    *said* stands there while there is no answer.
    """
    if answer is None:
        return PaneText(title="Where", body=rows_of([line(Piece(safe(said), Tone.MUTED))]))
    glyphs = scene.glyphs
    disks = _disks_shown(answer, width)
    body = Rows(answer.extents, lambda extent: _extent_line(extent, disks, glyphs))
    more = answer.extent_count - len(answer.extents)
    foot = [_legend(glyphs)]
    if more > 0:
        foot.insert(0, line(Piece(f"and {more:,} extents more", Tone.MUTED)))
    return PaneText(
        title=f"Where is {cut_middle(safe(answer.path), max(10, width - 14), glyphs.ellipsis)}",
        head=tuple(_facts(answer, glyphs, width)),
        columns=(_matrix_head(disks),) if answer.extents else (),
        body=body,
        foot=tuple(foot) if answer.extents else (),
        hint="y path  Y JSON",
    )


def _facts(answer: WhereView, glyphs: Glyphs, width: int) -> list[Line]:
    mark = health_mark(answer.health, glyphs)
    facts = [
        line(Piece(f"{mark.symbol} {safe(answer.health)}", mark.tone)),
        line(Piece(survives(answer.exposure), Tone.STRONG)),
        line(Piece("redundancy ", Tone.MUTED), safe(answer.redundancy),
             Piece(f" ({safe(answer.policy_from)})", Tone.MUTED)),
        line(Piece("size ", Tone.MUTED), short_bytes(answer.size)),
        line(Piece("extents ", Tone.MUTED), f"{answer.extent_count:,}"),
        line(Piece("inode ", Tone.MUTED), str(answer.inode)),
    ]  # fmt: skip
    if answer.pending_bytes:
        pending = f"{short_bytes(answer.pending_bytes)} not in an extent yet"
        facts.append(line(Piece(pending, Tone.WARN)))
    counts = ", ".join(f"{safe(disk)} {count:,}" for disk, count in answer.disks)
    rows = flow(facts, width)
    if counts:
        rows += [line(Piece(part, Tone.MUTED)) for part in wrap(f"fragments {counts}", width, 2)]
    return rows


def survives(exposure: int) -> str:
    """Return how many losses are survived, in words.

    >>> survives(-1), survives(0), survives(1), survives(2)
    ('lost', 'survives no more loss', 'survives any 1 loss', 'survives any 2 losses')
    """
    if exposure < 0:
        return "lost"
    if exposure == 0:
        return "survives no more loss"
    return f"survives any {exposure} loss{'' if exposure == 1 else 'es'}"


def _disks_shown(answer: WhereView, width: int) -> list[str]:
    room = (width - OFFSET_CELLS - EXTENT_CELLS - STATE_CELLS) // DISK_CELLS
    return [disk for disk, _count in answer.disks][: max(1, room)]


def _matrix_head(disks: Sequence[str]) -> Line:
    names = "".join(f"{safe(disk)[: DISK_CELLS - 1]:<{DISK_CELLS}}" for disk in disks)
    start = f"{'OFFSET':>{OFFSET_CELLS - 1}} {'EXTENT':>{EXTENT_CELLS - 1}} {'SURVIVES':<10}"
    return line(Piece(start + names, Tone.MUTED))


def _extent_line(extent: ExtentPlaceView, disks: Sequence[str], glyphs: Glyphs) -> Line:
    at = {fragment.disk: fragment for fragment in extent.fragments}
    tone = Tone.BAD if extent.exposure <= 0 else Tone.WARN if extent.exposure == 1 else Tone.OK
    word = "lost" if extent.exposure < 0 else str(extent.exposure)
    return (
        Piece(f"{short_bytes(extent.offset):>{OFFSET_CELLS - 1}} "),
        Piece(f"{extent.extent_id:>{EXTENT_CELLS - 1}} ", Tone.MUTED),
        Piece(f"{word:<{STATE_CELLS}}", tone),
        *(_place(at.get(disk), glyphs) for disk in disks),
        Piece(f" {extent.tier}", Tone.MUTED),
        Piece(f"  verified {day_time(extent.verified_ns)}" if extent.verified_ns else "",
              Tone.MUTED),
    )  # fmt: skip


def _place(fragment: FragmentPlaceView | None, glyphs: Glyphs) -> Piece:
    """Return the cell of one disk: the fragment's index, and a symbol unless it is intact."""
    if fragment is None:
        return Piece(f"{glyphs.dot:<{DISK_CELLS}}", Tone.MUTED)
    if fragment.state == "intact":
        return Piece(f"{fragment.index:<{DISK_CELLS}}")
    if fragment.state == "draining":
        symbol, tone = glyphs.disks["draining"].symbol, Tone.BUSY
    elif fragment.state == "missing":
        symbol, tone = glyphs.exposure_lost, Tone.BAD
    else:
        symbol, tone = glyphs.exposure_zero, Tone.BAD
    return Piece(f"{f'{fragment.index}{symbol}':<{DISK_CELLS}}", tone)


def _legend(glyphs: Glyphs) -> Line:
    draining = glyphs.disks["draining"].symbol
    text = (
        f"number: fragment  {glyphs.exposure_lost} missing  {glyphs.exposure_zero} corrupt"
        f"  {draining} draining  {glyphs.dot} none"
    )
    return line(Piece(text, Tone.MUTED))
