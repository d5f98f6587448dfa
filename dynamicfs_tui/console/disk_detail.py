"""Everything about one disk: facts, errors by kind, charts, what to do, its events."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.disk_lines import (
    highest,
    latency_text,
    presence_cell,
    rate_cell,
    spark_cell,
    used_bar_cell,
    used_share,
)
from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    clock_time,
    cut,
    cut_middle,
    duration,
    fit,
    line,
    percent,
    safe,
    short_bytes,
    wrap,
)
from engine.model.disk import DiskState
from engine.status.views import DiskView
from engine.units import NS_PER_S

TWO_COLUMNS: Final = 90
"""From this width on facts and charts stand beside each other."""

EVENTS_SHOWN: Final = 20

NAME_CELLS: Final = 10


def detail_pane(scene: Scene, width: int) -> PaneText:
    """Return everything about the selected disk; facts and charts side by side when wide."""
    disk = scene.selected
    if disk is None:
        return PaneText(title="Disk")
    half = (width - 2) // 2 if width >= TWO_COLUMNS else width
    facts = [*_state(scene, disk, half), *_space(scene, disk, half)]
    rest = [*_errors(disk), *_charts(scene, disk, half)]
    rows = [*facts, *rest] if half == width else _beside(facts, rest, half, scene.glyphs)
    rows += [EMPTY, *_advice(disk, width), *_events(scene, disk)]
    return PaneText(
        title=f"Disk {safe(disk.name)}",
        body=rows_of([fit(row, width, scene.glyphs.ellipsis) for row in rows]),
        hint="Tab focus  j/k scroll  Esc back",
    )


def _beside(left: list[Line], right: list[Line], width: int, glyphs: Glyphs) -> list[Line]:
    count = max(len(left), len(right))
    left += [EMPTY] * (count - len(left))
    right += [EMPTY] * (count - len(right))
    gap = Piece("  ")
    return [(*fit(a, width, glyphs.ellipsis), gap, *b) for a, b in zip(left, right, strict=True)]


def _fact(name: str, *pieces: Piece) -> Line:
    return (Piece(f"{name:<{NAME_CELLS}} ", Tone.MUTED), *pieces)


def _state(scene: Scene, disk: DiskView, width: int) -> list[Line]:
    glyphs = scene.glyphs
    mark = glyphs.disks[disk.state]
    since = ""
    if disk.state_since_ns:
        since = f"  for {duration((scene.now_ns - disk.state_since_ns) / NS_PER_S)}"
    room = width - NAME_CELLS - 1
    return [
        _fact("state", Piece(f"{mark.symbol} {disk.state.upper()}", mark.tone), Piece(since)),
        _fact("present", *presence_cell(glyphs)(disk, 0)),
        *(
            _fact("reason" if index == 0 else "", Piece(text, Tone.WARN))
            for index, text in enumerate(wrap(safe(disk.reason), room, 4))
            if disk.reason
        ),
        *([_fact("job", Piece(safe(disk.job), Tone.BUSY))] if disk.job else []),
        _fact("path", Piece(cut_middle(safe(disk.path), room, glyphs.ellipsis))),
        _fact("uuid", Piece(cut(disk.uuid, room, glyphs.ellipsis))),
    ]


def _space(scene: Scene, disk: DiskView, _width: int) -> list[Line]:
    glyphs = scene.glyphs
    member = "member" if disk.in_journal_set else "no"
    return [
        _fact("tier", Piece(disk.tier.value), Piece("  spare: heals only" if disk.spare else "")),
        _fact("space", *used_bar_cell(glyphs)(disk, 16), Piece(percent(used_share(disk), 1))),
        _fact("", Piece(f"{short_bytes(disk.free_bytes)} free of {short_bytes(disk.total_bytes)}")),
        _fact("fragments", Piece(f"{disk.fragment_count:,}  {short_bytes(disk.fragment_bytes)}")),
        _fact("journal", Piece(member)),
    ]


def _errors(disk: DiskView) -> list[Line]:
    kept = disk.lifetime
    p50, p99 = latency_text(disk.latency_p50_s), latency_text(disk.latency_p99_s)
    smart_tone = Tone.BAD if disk.smart.startswith("failed") else Tone.TEXT
    heat = "" if disk.temperature_c is None else f"  {disk.temperature_c} C"
    return [
        _fact("latency", Piece(f"p50 {p50}  p99 {p99}")),
        _fact("smart", Piece(safe(disk.smart) or "not asked", smart_tone), Piece(heat)),
        _fact(
            "errors",
            _count("i/o", kept.io, disk.errors),
            _count("checksum", kept.checksum, disk.corruptions),
            _count("timeouts", kept.timeouts, 0),
        ),
        _fact(
            "",
            Piece(f"{kept.recent:,} in 10 min", Tone.BAD if kept.recent else Tone.MUTED),
            Piece(f"  {kept.repaired:,} repaired", Tone.MUTED),
        ),
        _fact("reads", Piece(f"{disk.reads:,}  {short_bytes(disk.read_bytes)}")),
        _fact("writes", Piece(f"{disk.writes:,}  {short_bytes(disk.write_bytes)}")),
    ]


def _count(word: str, kept: int, now: int) -> Piece:
    count = max(kept, now)
    return Piece(f"{word} {count:,}  ", Tone.BAD if count else Tone.MUTED)


def _charts(scene: Scene, disk: DiskView, width: int) -> list[Line]:
    rates, glyphs = scene.rates.of(disk.uuid), scene.glyphs
    return [
        *_chart("read/s, 60 s", rates.read_history, rates.read_bytes_s, glyphs, width),
        *_chart("write/s, 60 s", rates.write_history, rates.write_bytes_s, glyphs, width),
    ]


def _chart(
    title: str, history: tuple[float | None, ...], now: float | None, glyphs: Glyphs, width: int
) -> tuple[Line, Line]:
    top = highest([history])
    return (
        line(
            Piece(f"{title}  ", Tone.MUTED),
            *rate_cell(now),
            Piece(f"  highest {short_bytes(top)}", Tone.MUTED),
        ),
        spark_cell(history, min(60, width), top, glyphs),
    )


def advice(disk: DiskView) -> str:
    """Return what an operator best does about *disk* now, with the key; empty when nothing."""
    if disk.detached:
        return "Detached for maintenance. O takes it back when it is ready."
    if not disk.present:
        return "Bring it back, or R puts a new disk in its place; its data is rebuilt either way."
    if disk.smart.startswith("failed"):
        return "The drive itself expects to fail: R replaces it while it can still be read."
    if disk.state == DiskState.FAILED:
        return "R replaces it; H trusts it again after you found the cause."
    if disk.state == DiskState.DRAINING:
        return "Its data is moving away; X removes it when it is empty."
    if disk.state in (DiskState.SUSPECT, DiskState.DEGRADED):
        return "Look at its errors and its cable. D moves its data away; H trusts it again."
    if disk.lifetime.recent:
        return "It had errors within ten minutes: S scrubs the pool to see how far they go."
    return ""


def _advice(disk: DiskView, width: int) -> list[Line]:
    text = advice(disk)
    if not text:
        return []
    room = width - NAME_CELLS - 1
    return [
        _fact("what to do" if index == 0 else "", Piece(part, Tone.STRONG))
        for index, part in enumerate(wrap(text, room, 3))
    ]


def _events(scene: Scene, disk: DiskView) -> list[Line]:
    """Return the events that name *disk* as a word, newest first."""
    name = disk.name
    mine = [
        event
        for event in reversed(scene.view.events)
        if name and (event.source == name or name in _words(event.text))
    ][:EVENTS_SHOWN]
    if not mine:
        return [line(Piece("no events of it", Tone.MUTED))]
    rows = [line(Piece("its events, newest first", Tone.MUTED))]
    for event in mine:
        mark = scene.glyphs.severity[event.severity]
        rows.append(
            line(
                Piece(f"{clock_time(event.time_ns)} ", Tone.MUTED),
                Piece(f"{mark.symbol} ", mark.tone),
                safe(event.text),
            )
        )
    return rows


def _words(text: str) -> set[str]:
    return {word.strip(":;,.()") for word in text.split()}
