"""What the events page draws: events and what operators did, in one timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.table import Column
from dynamicfs_tui.console.text import (
    Line,
    Piece,
    Tone,
    clock_time,
    cut,
    duration,
    line,
    safe,
    wrap,
)
from engine.status.answers import AuditView
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.views import EventView, Severity

OPERATOR: Final = "operator"
"""Source of what somebody did."""

_LOUDNESS: Final = tuple(Severity)


class Facet(StrEnum):
    """Which part of the timeline is shown."""

    ALL = "all"
    ALERTS = "alerts"
    OPERATOR = "operator"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the timeline: an event, or a line of the audit trail."""

    key: str
    time_ns: int
    severity: Severity
    source: str
    text: str
    code: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """What stands above the timeline."""

    facet: Facet = Facet.ALL
    least: Severity = Severity.INFO
    audit_lines: int = 0
    chain: str = ""
    """What the check of the audit trail said; empty while there was none."""
    chain_holds: bool = True
    fault: str = ""
    """Why events or audit lines could not be read; empty when they could."""
    newer: int = 0
    """Rows that came since the operator left the end."""


def row_of_event(event: EventView) -> LogRow:
    """Return *event* as a row."""
    return LogRow(
        key=f"e{event.sequence}",
        time_ns=event.time_ns,
        severity=event.severity,
        source=event.source,
        text=event.text,
        code=event.code,
    )


def row_of_audit(entry: AuditView) -> LogRow:
    """Return a line of the audit trail as a row; one that was refused or failed stands out."""
    words = [entry.verb, entry.arguments, f"by {entry.user}"]
    if entry.terminal:
        words.append(f"at {entry.terminal}")
    said = " ".join(word for word in words if word)
    judged = f" [{entry.judgement}]" if entry.judgement else ""
    bad = entry.result.partition(":")[0].endswith("Error") or "not foreseen" in entry.result
    return LogRow(
        key=f"a{entry.number}",
        time_ns=entry.time_ns,
        severity=Severity.WARNING if bad else Severity.INFO,
        source=OPERATOR,
        text=f"{said}{judged}: {entry.result}",
        duration_s=entry.duration_s,
    )


def merge(
    events: Sequence[EventView], audit: Sequence[AuditView], facet: Facet, least: Severity
) -> list[LogRow]:
    """Return the rows of *facet* that are at least as loud as *least*, oldest first."""
    rows: list[LogRow] = []
    if facet is not Facet.OPERATOR:
        rows += [row_of_event(event) for event in events]
    if facet in (Facet.ALL, Facet.OPERATOR):
        rows += [row_of_audit(entry) for entry in audit]
    if facet is Facet.ALERTS:
        least = max(least, Severity.WARNING, key=_LOUDNESS.index)
    floor = _LOUDNESS.index(least)
    rows = [row for row in rows if _LOUDNESS.index(row.severity) >= floor]
    return sorted(rows, key=lambda row: (row.time_ns, row.key))


def log_table(
    rows: Callable[[Scene], Sequence[LogRow]], status: Callable[[], LogStatus]
) -> TableSpec[LogRow]:
    """Return the table of the timeline."""

    def title(scene: Scene) -> str:
        newer = status().newer
        tail = f"  {scene.glyphs.sorted[1]} {newer} new: G" if newer else ""
        return f"Events and audit {len(rows(scene))}{tail}"

    return TableSpec(
        title=title,
        rows=rows,
        key=lambda row: row.key,
        columns=lambda scene: _columns(scene.glyphs),
        head=lambda scene, width: _status_lines(status(), scene.glyphs, width),
        foot=_foot,
        empty=lambda _scene: "nothing of this kind happened: f and s show more",
        hint=lambda _scene: "f facet  s severity  v chain  x export",
    )


def _columns(glyphs: Glyphs) -> list[Column[LogRow]]:
    def severity(row: LogRow, _width: int) -> Line:
        mark = glyphs.severity[row.severity]
        return line(Piece(f"{mark.symbol} {row.severity.value}", mark.tone))

    def text(row: LogRow, width: int) -> Line:
        mark = glyphs.severity[row.severity]
        tone = Tone.TEXT if mark.tone is Tone.MUTED else mark.tone
        return line(Piece(cut(safe(row.text), width, glyphs.ellipsis), tone))

    return [
        Column(title="TIME", width=8, priority=0, value=lambda r: r.time_ns,
               cell=lambda r, _w: line(Piece(clock_time(r.time_ns), Tone.MUTED))),
        Column(title="SEVERITY", width=10, priority=1, cell=severity,
               value=lambda r: r.severity.value),
        Column(title="SOURCE", width=9, priority=2, value=lambda r: safe(r.source),
               cell=lambda r, w: line(cut(safe(r.source), w, glyphs.ellipsis))),
        Column(title="CODE", width=8, priority=3, cell=lambda r, _w: line(safe(r.code))),
        Column(title="TEXT", width=20, priority=0, cell=text, grows=True,
               value=lambda r: safe(r.text)),
    ]  # fmt: skip


def _status_lines(status: LogStatus, glyphs: Glyphs, width: int) -> list[Line]:
    head: Line = line(
        Piece("facet ", Tone.MUTED), Piece(status.facet.value, Tone.STRONG),
        Piece("  from ", Tone.MUTED), Piece(status.least.value, Tone.STRONG),
        Piece("  audit lines ", Tone.MUTED), f"{status.audit_lines:,}",
    )  # fmt: skip
    if status.fault:
        said = cut(f"{glyphs.work['failed'].symbol} {safe(status.fault)}", width, glyphs.ellipsis)
        return [head, line(Piece(said, Tone.BAD))]
    if not status.chain:
        return [head, line(Piece("chain not checked yet: v checks it", Tone.MUTED))]
    mark = glyphs.work["done" if status.chain_holds else "failed"]
    tone = Tone.OK if status.chain_holds else Tone.BAD
    said = cut(f"{mark.symbol} chain: {safe(status.chain)}", width, glyphs.ellipsis)
    return [head, line(Piece(said, tone))]


def _foot(_scene: Scene, row: LogRow, width: int) -> list[Line]:
    """Return the row under the cursor in full, and what its code means and asks for."""
    took = f"  took {duration(row.duration_s)}" if row.duration_s >= 1 else ""
    rows = [line(Piece(part, Tone.STRONG)) for part in wrap(safe(row.text) + took, width, 2)]
    meaning = meaning_of(row.code)
    if meaning:
        rows += [line(Piece(part, Tone.MUTED)) for part in wrap(meaning, width, 2)]
    return rows


def meaning_of(code: str) -> str:
    """Return what *code* stands for and what to do; empty when it is no code.

    >>> meaning_of("")
    ''
    """
    known = {each.value: each for each in Code}
    meaning = MEANINGS.get(known[code]) if code in known else None
    return "" if meaning is None else f"{code} {meaning.title}. {meaning.action}"
