"""What the scrub page draws: progress, findings, runs, ages of fragments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.job_lines import scrub_head
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.table import Column
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    bar,
    clock_time,
    cut,
    cut_middle,
    day_time,
    duration,
    finish_time,
    flow,
    line,
    percent,
    safe,
    short_bytes,
    short_count,
)
from engine.status.answers import AgeBucketView, ScrubHistoryView, ScrubRunView
from engine.status.views import FindingView
from engine.units import NS_PER_S

REPAIRED: Final = "repaired"
RUNS_NAMED: Final = 5

NO_HISTORY: Final = ScrubHistoryView(runs=(), ages=(), never_fragments=0, never_bytes=0)


def is_repaired(finding: FindingView) -> bool:
    """Whether nothing is left to do about *finding*."""
    return finding.outcome == REPAIRED


def progress_pane(scene: Scene, history: ScrubHistoryView, width: int) -> PaneText:
    """Return how far the scrub is, how it is set, and how the last ones ended."""
    job, glyphs = scene.view.scrub, scene.glyphs
    rows: list[Line] = []
    if job.paused:
        mark = glyphs.paused
        rows.append(line(Piece(f"{mark.symbol} paused by the operator: P resumes", mark.tone)))
    rows += scrub_head(scene, width)
    limit = f"{short_bytes(job.limit_bytes_s)}B/s" if job.limit_bytes_s else "none"
    rows += flow(
        [
            _fact("target ", safe(job.target)),
            _fact("intensity ", job.intensity.value),
            _fact("limit ", limit),
            _fact("schedule ", safe(job.schedule)),
            _fact("next ", _next(scene)) if job.next_ns else EMPTY,
            _metadata(scene),
        ],
        width,
    )
    if history.runs:
        last = [run_word(run, glyphs) for run in history.runs[:RUNS_NAMED]]
        rows += flow([line(Piece("last runs", Tone.MUTED)), *last], width)
    oldest = _oldest(history)
    if oldest:
        rows.append(_fact("verified ", oldest))
    title = "Scrub" + (" with repair" if job.repair and job.running else "")
    return PaneText(title=title, body=rows_of(rows), hint="X stop" if job.running else "S start")


def _fact(name: str, text: str) -> Line:
    return line(Piece(name, Tone.MUTED), text)


def _next(scene: Scene) -> str:
    left_s = max(0.0, (scene.view.scrub.next_ns - scene.now_ns) / NS_PER_S)
    return f"in {duration(left_s)} ({finish_time(scene.now_ns, left_s)})"


def _metadata(scene: Scene) -> Line:
    job = scene.view.scrub
    if not job.metadata_checked:
        return EMPTY
    if job.metadata_damaged:
        return line(Piece(f"metadata {job.metadata_damaged} damaged", Tone.BAD))
    return line(Piece(f"metadata {job.metadata_checked} files intact", Tone.OK))


def run_word(run: ScrubRunView, glyphs: Glyphs) -> Line:
    """Return one run in a few cells: its number, and how it ended."""
    if run.unrepaired:
        mark, text = glyphs.work["failed"], f"{run.unrepaired:,} left"
    elif run.word != "finished":
        mark, text = glyphs.paused, safe(run.word)
    elif run.bad:
        mark, text = glyphs.work["done"], f"{run.repaired:,} repaired"
    else:
        mark, text = glyphs.work["done"], "ok"
    return line(Piece(f"#{run.run} "), Piece(f"{mark.symbol} {text}", mark.tone))


def _oldest(history: ScrubHistoryView) -> str:
    total = history.never_fragments + sum(age.fragments for age in history.ages)
    if not total:
        return ""
    if history.never_fragments:
        return f"{history.never_fragments:,} of {total:,} fragments never"
    oldest = [age for age in history.ages if age.fragments][-1]
    return f"all; the oldest {oldest.fragments:,} {age_label(oldest)} ago"


def age_label(age: AgeBucketView) -> str:
    """Return a span of days.

    >>> age_label(AgeBucketView(days_min=7, days_max=None, fragments=0, bytes=0))
    'over 7 days'
    """
    if age.days_max is None:
        return f"over {age.days_min} day{'' if age.days_min == 1 else 's'}"
    return f"{age.days_min}-{age.days_max} days"


def age_pane(scene: Scene, history: ScrubHistoryView, width: int, fault: str = "") -> PaneText:
    """Return how long ago fragments were verified, a bar for each span.

    *fault* is why that is not known.
    """
    glyphs = scene.glyphs
    parts = [
        (age_label(age), age.fragments, age.bytes, Tone.BUSY if age.days_max else Tone.WARN)
        for age in history.ages
    ]
    if history.never_fragments:
        parts.append(("never", history.never_fragments, history.never_bytes, Tone.BAD))
    most = max((count for _n, count, _b, _t in parts), default=0)
    if not most:
        text = safe(fault) or "no fragment has an age yet: S starts a scrub"
        return PaneText(title="Last verified", body=rows_of((line(Piece(text, Tone.MUTED)),)))
    total = sum(count for _n, count, _b, _t in parts)
    rows = []
    for name, count, size, tone in parts:
        start = f"{name:<13}"
        end = f" {percent(count, total)} {short_count(count):>5} {short_bytes(size):>5}"
        cells = max(4, width - len(start) - len(end))
        # Few are not none: what is there takes a cell at least.
        drawn = bar(
            max(count, most / cells) if count else 0,
            most,
            cells,
            full=glyphs.bar_full,
            empty=glyphs.bar_empty,
        )
        rows.append(line(Piece(start, Tone.MUTED), Piece(drawn, tone), end))
    return PaneText(title=f"Last verified  {total:,} fragments", body=rows_of(rows))


def finding_table(
    findings: Callable[[Scene], Sequence[FindingView]], title: Callable[[Scene], str]
) -> TableSpec[FindingView]:
    """Return the table of what was found wanting, with what became of it."""
    return TableSpec(
        title=title,
        rows=findings,
        key=lambda f: f"{f.extent_id}.{f.index}.{f.disk}.{f.verdict}",
        columns=lambda scene: _finding_columns(scene.glyphs),
        foot=_finding_foot,
        empty=lambda scene: (
            "nothing was found damaged"
            if scene.view.scrub.finished_ns or scene.view.scrub.running
            else "never scrubbed: S starts a scrub"
        ),
        hint=lambda _scene: "Enter where  f filter  x export",
    )


def _finding_columns(glyphs: Glyphs) -> list[Column[FindingView]]:
    def path(finding: FindingView, width: int) -> Line:
        if not finding.path:
            return line(Piece("(no file)", Tone.MUTED))
        return line(cut_middle(safe(finding.path), width, glyphs.ellipsis))

    def outcome(finding: FindingView, width: int) -> Line:
        mark, text = glyphs.work["queued"], finding.outcome or "reported"
        if is_repaired(finding):
            mark = glyphs.work["done"]
        elif finding.outcome.startswith("irrecoverable"):
            mark = glyphs.work["failed"]
        elif finding.outcome.startswith("pending"):
            mark = glyphs.work["pending"]
        return line(Piece(cut(f"{mark.symbol} {safe(text)}", width, glyphs.ellipsis), mark.tone))

    return [
        Column(title="FILE", width=16, priority=0, cell=path, grows=True,
               value=lambda f: safe(f.path)),
        Column(title="VERDICT", width=9, priority=0,
               cell=lambda f, _w: line(Piece(f.verdict, Tone.BAD))),
        Column(title="DISK", width=6, priority=1,
               cell=lambda f, w: line(cut(safe(f.disk), w, glyphs.ellipsis))),
        Column(title="EXTENT", width=7, priority=3, right=True,
               cell=lambda f, _w: line(str(f.extent_id)), value=lambda f: f.extent_id),
        Column(title="#", width=2, priority=4, right=True,
               cell=lambda f, _w: line(str(f.index)), value=lambda f: f.index),
        Column(title="FOUND", width=8, priority=5, value=lambda f: f.found_ns,
               cell=lambda f, _w: line(clock_time(f.found_ns) if f.found_ns else "--")),
        Column(title="OUTCOME", width=18, priority=0, cell=outcome,
               value=lambda f: safe(f.outcome)),
    ]  # fmt: skip


def _finding_foot(scene: Scene, finding: FindingView, width: int) -> list[Line]:
    """Return the row under the cursor in full: outcomes may be sentences."""
    said = f"{safe(finding.path) or '(no file)'}  {safe(finding.outcome) or 'reported only'}"
    return [line(Piece(cut(said, width, scene.glyphs.ellipsis), Tone.STRONG))]


def run_table(runs: Callable[[Scene], Sequence[ScrubRunView]]) -> TableSpec[ScrubRunView]:
    """Return the table of scrubs that came to an end, newest first."""
    return TableSpec(
        title=lambda scene: f"Runs {len(runs(scene))}",
        rows=runs,
        key=lambda run: str(run.run),
        columns=lambda scene: _run_columns(scene.glyphs),
        empty=lambda _scene: "no scrub ended yet",
    )


def _run_columns(glyphs: Glyphs) -> list[Column[ScrubRunView]]:
    def result(run: ScrubRunView, _width: int) -> Line:
        return run_word(run, glyphs)[1:]

    return [
        Column(title="RUN", width=4, priority=0, right=True,
               cell=lambda r, _w: line(str(r.run)), value=lambda r: r.run),
        Column(title="ENDED", width=12, priority=0, value=lambda r: r.finished_ns,
               cell=lambda r, _w: line(day_time(r.finished_ns))),
        Column(title="TOOK", width=6, priority=3, right=True,
               value=lambda r: r.finished_ns - r.started_ns,
               cell=lambda r, _w: line(duration((r.finished_ns - r.started_ns) / NS_PER_S))),
        Column(title="READ", width=5, priority=4, right=True,
               cell=lambda r, _w: line(short_bytes(r.bytes)), value=lambda r: r.bytes),
        Column(title="BAD", width=5, priority=2, right=True,
               cell=lambda r, _w: line(short_count(r.bad)), value=lambda r: r.bad),
        Column(title="RESULT", width=12, priority=0, cell=result),
        Column(title="TARGET", width=6, priority=1, grows=True,
               cell=lambda r, w: line(
                   cut_middle(safe(r.target) + (" repair" if r.repair else ""), w, glyphs.ellipsis)
               )),
    ]  # fmt: skip
