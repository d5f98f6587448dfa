"""What the tiers page draws: space and data by tier, and the disks of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.table import Column
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    bar,
    cut,
    flow,
    line,
    percent,
    safe,
    short_bytes,
    short_count,
)
from engine.status.views import DiskView, TierView

NAME_CELLS: Final = 8

WARN_PERCENT: Final = 80
FULL_PERCENT: Final = 90
"""Use of a disk or tier from which it is said to be nearly full, and full."""


def fill_word(used: int, total: int, glyphs: Glyphs) -> Piece:
    """Return whether so much use is too much: symbol and word."""
    share = 100 * used / total if total else 0.0
    if share >= FULL_PERCENT:
        return Piece(f"{glyphs.exposure_zero} full", Tone.BAD)
    if share >= WARN_PERCENT:
        return Piece(f"{glyphs.pool['degraded'].symbol} high", Tone.WARN)
    return Piece(f"{glyphs.pool['ok'].symbol} ok", Tone.OK)


def tier_bars(scene: Scene, width: int) -> PaneText:
    """Return a bar for each tier's space, then how the data is shared out among them."""
    glyphs, tiers = scene.glyphs, scene.view.tiers
    rows = [line(Piece("space used", Tone.TITLE))]
    rows += [_space_line(tier, glyphs, width) for tier in tiers]
    data = sum(tier.user_bytes for tier in tiers)
    rows += [EMPTY, line(Piece(f"where {short_bytes(data)} of user data are", Tone.TITLE))]
    rows += [_share_line(tier, data, glyphs, width) for tier in tiers]
    capacity = scene.view.capacity
    rows += [EMPTY, *flow(
        [
            line(Piece("redundancy ", Tone.MUTED), safe(scene.view.redundancy)),
            line(Piece("narrow ", Tone.MUTED), safe(scene.view.narrow)),
            line(Piece("room for files ", Tone.MUTED), short_bytes(capacity.free_bytes)),
            line(Piece("of ", Tone.MUTED), short_bytes(capacity.total_bytes)),
            _stored(tiers, data),
        ],
        width,
    )]  # fmt: skip
    return PaneText(title=f"Tiers {len(tiers)}", body=rows_of(rows))


def _stored(tiers: Sequence[TierView], data: int) -> Line:
    """Return stored bytes per user byte, of all tiers: an extent may lie on disks of several."""
    if not data:
        return EMPTY
    ratio = sum(tier.fragment_bytes for tier in tiers) / data
    return line(Piece("stored ", Tone.MUTED), f"{ratio:.2f}x")


def _space_line(tier: TierView, glyphs: Glyphs, width: int) -> Line:
    name = Piece(f"{tier.tier.value:<{NAME_CELLS}}", Tone.STRONG)
    if not tier.disk_count:
        return (name, Piece("no disks", Tone.MUTED))
    used = tier.total_bytes - tier.free_bytes
    word = fill_word(used, tier.total_bytes, glyphs)
    text = (
        f" {percent(used, tier.total_bytes)} {short_bytes(used):>5} of "
        f"{short_bytes(tier.total_bytes):>5}  {tier.disk_count:>2} disks  "
    )
    cells = max(4, width - NAME_CELLS - len(text) - 8)
    drawn = bar(used, tier.total_bytes, cells, full=glyphs.bar_full, empty=glyphs.bar_empty)
    return (name, Piece(drawn, word.tone), Piece(text), word)


def _share_line(tier: TierView, data: int, glyphs: Glyphs, width: int) -> Line:
    text = (
        f" {percent(tier.user_bytes, data)} {short_bytes(tier.user_bytes):>5}  "
        f"{short_count(tier.extent_count):>5} extents"
    )
    cells = max(4, width - NAME_CELLS - len(text))
    drawn = bar(tier.user_bytes, data, cells, full=glyphs.bar_full, empty=glyphs.bar_empty)
    name = Piece(f"{tier.tier.value:<{NAME_CELLS}}", Tone.STRONG)
    return (name, Piece(drawn, Tone.BUSY), Piece(text))


TIER_DISKS: Final[TableSpec[DiskView]] = TableSpec(
    title=lambda scene: f"Disks by tier {len(scene.view.disks)}",
    rows=lambda scene: _by_tier(scene.view.disks, scene.view.tiers),
    key=lambda disk: disk.uuid,
    columns=lambda scene: _columns(scene.glyphs),
)
"""Disks in the order of their tiers."""


def _by_tier(disks: Sequence[DiskView], tiers: Sequence[TierView]) -> list[DiskView]:
    place = {tier.tier: index for index, tier in enumerate(tiers)}
    return sorted(disks, key=lambda disk: (place.get(disk.tier, len(place)), disk.disk_id))


def _columns(glyphs: Glyphs) -> list[Column[DiskView]]:
    def used_of(disk: DiskView) -> int:
        return disk.total_bytes - disk.free_bytes

    def drawn(disk: DiskView, width: int) -> Line:
        if not disk.present:
            detached = disk.detached
            return line(
                Piece("detached" if detached else "missing", Tone.BUSY if detached else Tone.BAD)
            )
        tone = fill_word(used_of(disk), disk.total_bytes, glyphs).tone
        full, empty = glyphs.bar_full, glyphs.bar_empty
        cells = bar(used_of(disk), disk.total_bytes, max(1, width - 5), full=full, empty=empty)
        return line(Piece(cells, tone), f" {percent(used_of(disk), disk.total_bytes)}")

    def word(disk: DiskView, _width: int) -> Line:
        if not disk.present:
            return EMPTY
        return line(fill_word(used_of(disk), disk.total_bytes, glyphs))

    return [
        Column(title="TIER", width=5, priority=0, cell=lambda d, _w: line(d.tier.value)),
        Column(title="DISK", width=8, priority=0, value=lambda d: safe(d.name),
               cell=lambda d, w: line(Piece(cut(safe(d.name), w, glyphs.ellipsis), Tone.STRONG))),
        Column(title="USED", width=16, priority=1, cell=drawn, grows=True, value=used_of),
        Column(title="FILL", width=6, priority=2, cell=word),
        Column(title="FREE", width=5, priority=2, right=True, value=lambda d: d.free_bytes,
               cell=lambda d, _w: line(short_bytes(d.free_bytes) if d.present else "--")),
        Column(title="DATA", width=5, priority=3, right=True, value=lambda d: d.fragment_bytes,
               cell=lambda d, _w: line(short_bytes(d.fragment_bytes))),
        Column(title="FRAGMENTS", width=9, priority=4, right=True,
               value=lambda d: d.fragment_count,
               cell=lambda d, _w: line(f"{d.fragment_count:,}")),
        Column(title="ROLE", width=7, priority=5,
               cell=lambda d, _w: line("spare" if d.spare else "journal"
                                       if d.in_journal_set else "")),
    ]  # fmt: skip
