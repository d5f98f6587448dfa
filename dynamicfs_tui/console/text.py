"""Lines of toned text, cut and padded by terminal cells; and how numbers are written.

Nothing here knows Textual: panes are tested as plain values.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from engine.units import KIB, NS_PER_S

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400


class Tone(StrEnum):
    """What a piece of text means; the theme gives it a colour."""

    TEXT = "text"
    MUTED = "muted"
    STRONG = "strong"
    TITLE = "title"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    BUSY = "busy"
    KEY = "key"
    ALERT = "alert"
    """Reverse video: must be seen without colour."""
    HERE = "here"
    """Reverse video without alarm: the tab that is open."""


class Piece(NamedTuple):
    """Text in one tone."""

    text: str
    tone: Tone = Tone.TEXT


Line = tuple[Piece, ...]
EMPTY: Final[Line] = ()


def line(*parts: Piece | str) -> Line:
    """Return a line; bare strings become plain text."""
    return tuple(part if isinstance(part, Piece) else Piece(part) for part in parts)


def width_of(pieces: Line) -> int:
    """Return how many cells *pieces* take."""
    return sum(cell_len(piece.text) for piece in pieces)


def plain(pieces: Line) -> str:
    """Return the text of *pieces* without tones."""
    return "".join(piece.text for piece in pieces)


def safe(text: str) -> str:
    r"""Return *text* with everything that is not printable made visible.

    A file name may hold escape sequences or bytes that are no text; neither
    may reach the terminal.

    >>> safe("a\x1b[31m\n\udcff")
    'a\\x1b[31m\\n\\udcff'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def cut(text: str, width: int, ellipsis: str) -> str:
    """Return *text* in at most *width* cells, its end replaced when too long.

    >>> cut("metadata", 5, "…"), cut("disk", 5, "…")
    ('meta…', 'disk')
    """
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1) + ellipsis


def cut_middle(text: str, width: int, ellipsis: str) -> str:
    """Return *text* in at most *width* cells, its middle replaced: paths keep their names.

    >>> cut_middle("/photos/2019/trip/001.raw", 15, "…")
    '/photos…001.raw'
    """
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return cut(text, width, ellipsis)
    tail = (width - 1) // 2
    end = text[len(text) - tail :]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, width - 1 - cell_len(end)) + ellipsis + end


def fit(pieces: Line, width: int, ellipsis: str) -> Line:
    """Return *pieces* in exactly *width* cells, cut or padded at the right."""
    out: list[Piece] = []
    left = width
    for piece in pieces:
        size = cell_len(piece.text)
        if size > left:
            out.append(Piece(cut(piece.text, left, ellipsis), piece.tone))
            left -= cell_len(out[-1].text)
            break
        out.append(piece)
        left -= size
    if left:
        out.append(Piece(" " * left))
    return tuple(out)


def spread(start: Line, end: Line, width: int, ellipsis: str) -> Line:
    """Return *start* at the left and *end* at the right; *start* is cut first."""
    room = max(0, width - width_of(end))
    return fit((*fit(start, room, ellipsis), *end), width, ellipsis)


def flow(facts: Iterable[Line], width: int, *, separator: str = "  ") -> list[Line]:
    """Put *facts* on as few lines as hold them, never breaking one."""
    lines: list[Line] = []
    current: Line = EMPTY
    for fact in facts:
        if not fact:
            continue
        joined = (*current, Piece(separator), *fact) if current else fact
        if current and width_of(joined) > width:
            lines.append(current)
            current = fact
        else:
            current = joined
    if current:
        lines.append(current)
    return lines


def wrap(text: str, width: int, limit: int) -> list[str]:
    """Return *text* on at most *limit* lines, broken at spaces where there are some."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        joined = f"{current} {word}" if current else word
        if cell_len(joined) <= width or not current:
            current = joined
        else:
            lines.append(current)
            current = word
    lines.append(current)
    if len(lines) > limit:
        lines = [*lines[: limit - 1], " ".join(lines[limit - 1 :])]
    return lines


def short_bytes(count: float) -> str:
    """Return *count* bytes in at most five cells.

    >>> [short_bytes(n) for n in (0, 1000, 1536, 84 * 1024**2, 1.2 * 1024**4)]
    ['0', '1000', '1.5K', '84M', '1.2T']
    """
    size = float(count)
    if size < KIB:
        return str(int(size))
    for unit in "KMGTP":
        size /= KIB
        if size < KIB or unit == "P":
            return f"{size:.1f}{unit}" if size < 9.95 else f"{size:.0f}{unit}"
    raise AssertionError("the last unit always returns")


def short_count(count: float) -> str:
    """Return a count in at most five cells.

    >>> [short_count(n) for n in (0, 999, 2100, 41_000, 1_900_000)]
    ['0', '999', '2.1k', '41k', '1.9M']
    """
    size = float(count)
    for unit in ("", "k", "M", "G"):
        if size < 999.5 or unit == "G":
            if not unit:
                return f"{size:.0f}"
            return f"{size:.1f}{unit}" if size < 9.95 else f"{size:.0f}{unit}"
        size /= 1000
    raise AssertionError("the last unit always returns")


def percent(part: float, whole: float) -> str:
    """Return *part* of *whole* in four cells; 100 % only when all is there.

    >>> percent(1, 2), percent(999, 1000), percent(5, 5), percent(0, 0)
    (' 50%', ' 99%', '100%', '  --')
    """
    if whole <= 0:
        return "  --"
    return f"{int(100 * min(part, whole) / whole):>3}%"


def duration(seconds: float) -> str:
    """Return a span of time in its two largest units.

    >>> duration(7), duration(450), duration(4320), duration(273600)
    ('7s', '7m30s', '1h12m', '3d04h')
    """
    whole = max(0, round(seconds))
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m{whole % MINUTE_S:02}s"
    if whole < DAY_S:
        return f"{whole // HOUR_S}h{whole % HOUR_S // MINUTE_S:02}m"
    return f"{whole // DAY_S}d{whole % DAY_S // HOUR_S:02}h"


def clock_time(time_ns: int) -> str:
    """Return the local time of day of *time_ns* since the Unix epoch, ``HH:MM:SS``."""
    return time.strftime("%H:%M:%S", time.localtime(time_ns / NS_PER_S))


def day_time(time_ns: int) -> str:
    """Return the local day and time of *time_ns* since the Unix epoch, ``MM-DD HH:MM``."""
    return time.strftime("%m-%d %H:%M", time.localtime(time_ns / NS_PER_S))


def finish_time(now_ns: int, seconds: float) -> str:
    """Return when something ends that needs *seconds* from now: ``13:53``, with days if far."""
    end_s = now_ns / NS_PER_S + seconds
    text = time.strftime("%H:%M", time.localtime(end_s))
    days = int(seconds // DAY_S)
    return f"{text} +{days}d" if days else text


def eta_text(eta_s: float | None, now_ns: int) -> str:
    """Return an ETA with its time of day, or ``--`` while it is unknown.

    Never "0s": what is not finished needs at least one more second.
    """
    if eta_s is None:
        return "ETA --"
    left = max(1.0, eta_s)
    return f"ETA {duration(left)} ({finish_time(now_ns, left)})"


def bar(part: float, whole: float, width: int, *, full: str, empty: str) -> str:
    """Return a bar of *width* cells; it is full only when *part* reaches *whole*.

    >>> bar(1, 2, 8, full="#", empty="-"), bar(999, 1000, 4, full="#", empty="-")
    ('####----', '###-')
    """
    if whole <= 0 or part <= 0:
        return empty * width
    cells = int(width * min(part, whole) / whole)
    return full * cells + empty * (width - cells)


def spark(values: Sequence[float | None], width: int, top: float, *, scale: str, gap: str) -> str:
    """Return *values* (oldest first) as *width* cells from zero to *top*.

    Each cell shows the largest of its samples; ``None`` is a missing sample
    and shows as *gap*. Too few values leave gaps at the left.

    >>> spark([None, 0, 5, 10], 4, 10, scale="_-#", gap=".")
    '._-#'
    """
    per_cell = max(1, -(-len(values) // width))
    out: list[str] = []
    for cell in range(width):
        end = len(values) - (width - 1 - cell) * per_cell
        samples = [v for v in values[max(0, end - per_cell) : max(0, end)] if v is not None]
        if not samples:
            out.append(gap)
        elif top <= 0 or max(samples) <= 0:
            out.append(scale[0])
        else:
            step = int(max(samples) / top * (len(scale) - 1) + 0.5)
            out.append(scale[max(1, min(len(scale) - 1, step))])
    return "".join(out)
