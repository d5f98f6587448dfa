"""The top of every screen: status bar, verdict, what to do, and the exposure bar."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import (
    Line,
    Piece,
    Tone,
    clock_time,
    cut_middle,
    duration,
    fit,
    line,
    safe,
    short_bytes,
    short_count,
    spread,
    width_of,
)
from engine.status.views import ExposureView, HealthWord

VERDICT_ROWS: Final = 3

STUCK_S: Final = 5.0
"""An engine that made no turn for so long is said to stand still."""

NARROW: Final = 100

BAR_CELLS_MIN: Final = 8
BAR_CELLS_MAX: Final = 48


def pool_lines(scene: Scene, width: int) -> tuple[Line, ...]:
    """Return verdict, what to do, and the exposure bar, each *width* cells wide."""
    return (
        *verdict_lines(scene, width),
        exposure_line(scene.view.exposure, scene.glyphs, width),
    )


def status_line(scene: Scene, width: int) -> Line:
    """Return the one line that never scrolls away; parts are dropped by importance."""
    view, glyphs = scene.view, scene.glyphs
    mark = glyphs.pool[view.verdict.word]
    start = line(
        Piece(" DynamicFS ", Tone.TITLE),
        Piece(safe(view.name), Tone.STRONG),
        "  ",
        Piece(f"{mark.symbol} {view.verdict.word.upper()}", mark.tone),
    )
    mode = _mode(scene)
    badges = _badges(scene)
    clock = line("  ", Piece(clock_time(scene.now_ns), Tone.STRONG), " ")
    traffic = _traffic(scene, roomy=width >= NARROW)
    end: Line = (*badges, *mode, *clock)
    room = width - width_of(start) - width_of(end)
    for count in (len(traffic), 1, 0):
        part = tuple(piece for fact in traffic[:count] for piece in fact)
        if width_of(part) <= room:
            end = (*part, *end)
            room -= width_of(part)
            break
    mount = safe(view.mountpoint) or "not mounted"
    label = "  mount " if width >= NARROW else "  "
    if room >= len(label) + 8:
        start = (
            *start,
            Piece(label, Tone.MUTED),
            Piece(cut_middle(mount, room - len(label) - 1, glyphs.ellipsis)),
        )
    return spread(start, end, width, glyphs.ellipsis)


def _traffic(scene: Scene, *, roomy: bool) -> tuple[Line, Line]:
    """Return what users read and write, and their operations; fixed widths."""
    rates, glyphs = scene.rates, scene.glyphs
    if roomy:
        read, written = _rate(rates.read_bytes_s), _rate(rates.write_bytes_s)
        return (
            line(f"  {glyphs.down}{read} {glyphs.up}{written}"),
            line(f"  {_count(rates.ops_s)} op/s"),
        )
    read, written = _short_rate(rates.read_bytes_s), _short_rate(rates.write_bytes_s)
    return line(f"  {glyphs.down}{read} {glyphs.up}{written}"), line(f" {_count(rates.ops_s)} op/s")


def _mode(scene: Scene) -> Line:
    if scene.read_only or not scene.view.writable:
        return line("  ", Piece(" RO ", Tone.ALERT))
    return line("  ", Piece("RW", Tone.OK))


def _badges(scene: Scene) -> Line:
    pieces: list[Piece] = []
    if scene.fault:
        pieces += [Piece("  "), Piece(" metrics error ", Tone.ALERT)]
    if scene.held_s is not None:
        pieces += [Piece("  "), Piece(f" HOLD {scene.held_s:.0f}s ", Tone.ALERT)]
    if scene.stale_s >= STUCK_S:
        pieces += [Piece("  "), Piece(f" no answer {duration(scene.stale_s)} ", Tone.ALERT)]
    elif scene.view.heartbeat_s >= STUCK_S:
        stuck = f" engine stuck {duration(scene.view.heartbeat_s)} "
        pieces += [Piece("  "), Piece(stuck, Tone.ALERT)]
    return tuple(pieces)


def _rate(value: float | None) -> str:
    return f"{'--' if value is None else short_bytes(value) + 'B/s':>8}"


def _short_rate(value: float | None) -> str:
    return f"{'--' if value is None else short_bytes(value):>4}"


def _count(value: float | None) -> str:
    return f"{'--' if value is None else short_count(value):>5}"


def verdict_lines(scene: Scene, width: int) -> tuple[Line, Line]:
    """Return sentence with code, and the action (or why there is nothing to show)."""
    view, glyphs = scene.view, scene.glyphs
    verdict = view.verdict
    mark = glyphs.pool[verdict.word]
    code = line(Piece(f"  {verdict.code} ", Tone.MUTED))
    sentence = line(
        Piece(f" {mark.symbol} ", mark.tone),
        Piece(safe(verdict.sentence), mark.tone if verdict.word != HealthWord.OK else Tone.TEXT),
    )
    if scene.fault:
        todo = line(Piece(f"   no fresh numbers: {safe(scene.fault)}", Tone.BAD))
    else:
        action = safe(verdict.action)
        todo = line(Piece(f"   {glyphs.arrow} {action}  " if action else "   ", Tone.STRONG))
        if not view.writable:
            why = safe(view.read_only_reason) or "no reason given"
            todo = (*todo, Piece(f"read-only: {why}", Tone.WARN))
    return spread(sentence, code, width, glyphs.ellipsis), fit(todo, width, glyphs.ellipsis)


def may_fail_text(may_fail: int) -> str:
    """Return how many more disks may fail, as a sentence.

    >>> may_fail_text(0), may_fail_text(1)
    ('you can lose no more disks', 'you can lose 1 more disk')
    """
    if may_fail <= 0:
        return "you can lose no more disks"
    return f"you can lose {may_fail} more disk{'' if may_fail == 1 else 's'}"


def exposure_line(exposure: ExposureView, glyphs: Glyphs, width: int) -> Line:
    """Return the bar of how much data survives how many more losses, with its legend."""
    promise = Piece(
        may_fail_text(exposure.may_fail),
        Tone.OK if exposure.may_fail > 1 else Tone.WARN if exposure.may_fail else Tone.BAD,
    )
    end = line("  ", promise, " ")
    if not exposure.extents:
        return spread(
            line(Piece(" exposure ", Tone.MUTED), Piece("no data yet", Tone.MUTED)),
            end,
            width,
            glyphs.ellipsis,
        )
    for name, style in ((" exposure ", "{} {} ext"), (" ", "{}/{}"), (" ", "{}")):
        legend = _legend(exposure, glyphs, style)
        room = width - len(name) - width_of(legend) - width_of(end)
        if room >= BAR_CELLS_MIN:
            break
    drawn = exposure_bar(exposure, glyphs, max(BAR_CELLS_MIN, min(BAR_CELLS_MAX, room)))
    start = line(Piece(name, Tone.MUTED), *drawn, *legend)
    return spread(start, end, width, glyphs.ellipsis)


def _legend(exposure: ExposureView, glyphs: Glyphs, style: str) -> Line:
    """Return size and extents of each class, written in *style*; the longest names empty ones."""
    roomy = style.endswith("ext")
    pieces: list[Piece] = []
    for symbol, word, tone, extents, size in _classes(exposure, glyphs):
        if extents:
            amount = style.format(short_bytes(size), short_count(extents))
            start = f"  {symbol} {word}: " if roomy else f" {symbol} {word} "
            pieces += [Piece(start, tone), Piece(amount)]
        elif roomy:
            pieces.append(Piece(f"  {symbol} {word}: none", Tone.MUTED))
    return tuple(pieces)


def _classes(exposure: ExposureView, glyphs: Glyphs) -> tuple[tuple[str, str, Tone, int, int], ...]:
    return (
        (glyphs.exposure_lost, "lost", Tone.BAD, exposure.lost_extents, exposure.lost_bytes),
        (glyphs.exposure_zero, "0", Tone.BAD, exposure.zero_extents, exposure.zero_bytes),
        (glyphs.exposure_one, "1", Tone.WARN, exposure.one_extents, exposure.one_bytes),
        (glyphs.exposure_more, "2+", Tone.OK, exposure.more_extents, exposure.more_bytes),
    )


def exposure_bar(exposure: ExposureView, glyphs: Glyphs, width: int) -> Line:
    """Return *width* cells shared out by extents; a class that is not empty has at least one."""
    classes = _classes(exposure, glyphs)
    total = exposure.extents
    cells = [
        max(1, int(width * extents / total)) if extents else 0
        for _symbol, _word, _tone, extents, _size in classes
    ]
    # Rounding goes to (or comes from) the largest class: it is seen least there.
    cells[max(range(len(cells)), key=cells.__getitem__)] += width - sum(cells)
    return tuple(
        Piece(symbol * count, tone)
        for (symbol, _word, tone, _extents, _size), count in zip(classes, cells, strict=True)
        if count > 0
    )
