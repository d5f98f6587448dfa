"""Symbols of the console, each with a twin for terminals that only have ASCII.

Every state is told apart by its symbol and word; colour only repeats it.
"""

from __future__ import annotations

import locale
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dynamicfs_tui.console.text import Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A state's symbol and the tone it is painted in."""

    symbol: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """One set of symbols; all are one cell wide but ``spark``, a scale of cells."""

    bar_full: str
    bar_empty: str
    spark: str
    """Lowest to highest; never a whole cell, which would grow into the row above."""
    gap: str
    """A missing sample: not a zero."""
    cursor: str
    ellipsis: str
    asks: str
    """Behind the name of an action that opens a question."""
    down: str
    up: str
    arrow: str
    rule: str
    dot: str
    exposure_lost: str
    exposure_zero: str
    exposure_one: str
    exposure_more: str
    disks: Mapping[str, Mark] = field(repr=False)
    pool: Mapping[str, Mark] = field(repr=False)
    work: Mapping[str, Mark] = field(repr=False)
    severity: Mapping[str, Mark] = field(repr=False)
    missing: Mark
    in_journal: str
    marked: str
    """Before a row that the operator marked."""
    sorted: str
    """Behind the title of the sorted column: upwards, downwards."""
    paused: Mark
    margin: str
    """Before by how much a number may be off."""
    encoding: str


def _marks(**pairs: tuple[str, Tone]) -> dict[str, Mark]:
    return {
        word.replace("_", " "): Mark(symbol=symbol, tone=tone)
        for word, (symbol, tone) in pairs.items()
    }


UNICODE: Final = Glyphs(
    bar_full="█",
    bar_empty="░",
    spark="▁▂▃▄▅▆▇",
    gap="·",
    cursor="▸",
    ellipsis="…",
    asks="…",
    down="↓",
    up="↑",
    arrow="→",
    rule="─",
    dot="·",
    exposure_lost="✗",
    exposure_zero="!",
    exposure_one="▒",
    exposure_more="█",
    disks=_marks(
        healthy=("●", Tone.OK),
        degraded=("◔", Tone.WARN),
        suspect=("!", Tone.WARN),
        draining=("◐", Tone.BUSY),
        failed=("✗", Tone.BAD),
    ),
    pool=_marks(
        ok=("●", Tone.OK),
        degraded=("▲", Tone.WARN),
        at_risk=("!", Tone.BAD),
        data_loss=("✗", Tone.BAD),
    ),
    work=_marks(
        queued=("◌", Tone.MUTED),
        running=("▶", Tone.BUSY),
        pending=("‖", Tone.WARN),
        done=("✓", Tone.OK),
        failed=("✗", Tone.BAD),
    ),
    severity=_marks(
        info=("·", Tone.MUTED),
        warning=("▲", Tone.WARN),
        error=("!", Tone.BAD),
        critical=("✗", Tone.BAD),
    ),
    missing=Mark(symbol="○", tone=Tone.BAD),
    in_journal="✓",
    marked="*",
    sorted="▲▼",
    paused=Mark(symbol="‖", tone=Tone.WARN),
    margin="±",
    encoding="utf-8",
)

ASCII: Final = Glyphs(
    bar_full="#",
    bar_empty="-",
    spark="_.,:-=+#",
    gap=" ",
    cursor=">",
    ellipsis="~",
    asks="...",
    down="r",
    up="w",
    arrow=">",
    rule="-",
    dot="-",
    exposure_lost="x",
    exposure_zero="!",
    exposure_one="+",
    exposure_more="#",
    disks=_marks(
        healthy=("o", Tone.OK),
        degraded=("^", Tone.WARN),
        suspect=("!", Tone.WARN),
        draining=("d", Tone.BUSY),
        failed=("x", Tone.BAD),
    ),
    pool=_marks(
        ok=("o", Tone.OK),
        degraded=("^", Tone.WARN),
        at_risk=("!", Tone.BAD),
        data_loss=("x", Tone.BAD),
    ),
    work=_marks(
        queued=(".", Tone.MUTED),
        running=(">", Tone.BUSY),
        pending=("=", Tone.WARN),
        done=("v", Tone.OK),
        failed=("x", Tone.BAD),
    ),
    severity=_marks(
        info=("-", Tone.MUTED),
        warning=("^", Tone.WARN),
        error=("!", Tone.BAD),
        critical=("x", Tone.BAD),
    ),
    missing=Mark(symbol="-", tone=Tone.BAD),
    in_journal="v",
    marked="*",
    sorted="^v",
    paused=Mark(symbol="=", tone=Tone.WARN),
    margin="+-",
    encoding="ascii",
)


def choose_glyphs(environment: Mapping[str, str], *, encoding: str | None = None) -> Glyphs:
    """Return ASCII when it is asked for or *encoding* (default: the locale's) is not UTF-8.

    >>> choose_glyphs({"DYNAMICFS_ASCII": "1"}, encoding="utf-8").bar_full
    '#'
    >>> choose_glyphs({}, encoding="utf-8").bar_full
    '█'
    """
    if environment.get("DYNAMICFS_ASCII", "") not in ("", "0"):
        return ASCII
    name = (encoding or locale.getpreferredencoding()).lower().replace("-", "")
    return UNICODE if name == "utf8" else ASCII
