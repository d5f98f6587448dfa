"""Tiers with their space, and the timeline of events."""

from __future__ import annotations

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.scene import PaneText, Rows, Scene, rows_of
from dynamicfs_tui.console.text import (
    Line,
    Piece,
    Tone,
    bar,
    clock_time,
    fit,
    flow,
    line,
    percent,
    safe,
    short_bytes,
    short_count,
)
from engine.status.views import EventView, TierView


def tier_pane(scene: Scene, width: int) -> PaneText:
    """Return a bar per tier, then the pool's capacity and how it is protected."""
    view, glyphs = scene.view, scene.glyphs
    rows = [_tier_line(tier, glyphs, width) for tier in view.tiers]
    capacity, activity = view.capacity, view.activity
    used = percent(capacity.used_bytes, capacity.total_bytes)
    hits = activity.cache_hits + activity.cache_misses
    facts = [
        line(
            Piece("files ", Tone.MUTED),
            f"{short_bytes(capacity.used_bytes)} of {short_bytes(capacity.total_bytes)}{used}",
        ),
        line(Piece("free ", Tone.MUTED), short_bytes(capacity.free_bytes)),
        line(Piece("redundancy ", Tone.MUTED), safe(view.redundancy)),
        line(Piece("narrow ", Tone.MUTED), safe(view.narrow)),
        line(Piece("dirty ", Tone.MUTED), short_bytes(activity.dirty_bytes)),
        line(
            Piece("degraded reads ", Tone.MUTED),
            Piece(
                short_count(activity.degraded_reads),
                Tone.WARN if activity.degraded_reads else Tone.TEXT,
            ),
        ),
        line(Piece("cache hits", Tone.MUTED), percent(activity.cache_hits, hits)),
        line(
            Piece("generation ", Tone.MUTED),
            f"{view.acknowledged_generation:,}/{view.generation:,}",
        ),
        line(Piece("epoch ", Tone.MUTED), str(view.epoch)),
    ]
    return PaneText(title="Tiers and space", body=rows_of((*rows, *flow(facts, width))))


def _tier_line(tier: TierView, glyphs: Glyphs, width: int) -> Line:
    name = f"{tier.tier.value:<5}"
    used_bytes = tier.total_bytes - tier.free_bytes
    text = f" {percent(used_bytes, tier.total_bytes)} {short_bytes(tier.total_bytes):>5}"
    extra = f" {tier.disk_count:>2} disks {short_count(tier.extent_count):>4} ext"
    if not tier.disk_count:
        return line(Piece(name, Tone.MUTED), Piece("no disks", Tone.MUTED))
    if width < len(name) + len(text) + len(extra) + 10:
        extra = ""
    cells = max(4, min(40, width - len(name) - len(text) - len(extra)))
    drawn = bar(used_bytes, tier.total_bytes, cells, full=glyphs.bar_full, empty=glyphs.bar_empty)
    return line(Piece(name, Tone.STRONG), Piece(drawn, Tone.BUSY), text, Piece(extra, Tone.MUTED))


def event_pane(scene: Scene, width: int) -> PaneText:
    """Return the timeline, newest first, so that the newest is always seen."""
    events, glyphs = scene.view.events, scene.glyphs
    title = f"Events {len(events)}  newest first" if events else "Events"
    if not events:
        return PaneText(
            title=title, body=rows_of((line(Piece("nothing happened yet", Tone.MUTED)),))
        )
    rows = Rows(events[::-1], lambda event: fit(_event_line(event, glyphs), width, glyphs.ellipsis))
    return PaneText(title=title, body=rows, hint="e events")


def _event_line(event: EventView, glyphs: Glyphs) -> Line:
    mark = glyphs.severity[event.severity]
    return line(
        Piece(f"{clock_time(event.time_ns)} ", Tone.MUTED),
        Piece(f"{mark.symbol} ", mark.tone),
        Piece(f"{safe(event.source)}: ", Tone.MUTED),
        Piece(safe(event.text), mark.tone if mark.tone is not Tone.MUTED else Tone.TEXT),
    )
