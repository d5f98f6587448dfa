"""The two jobs of a pool that an operator waits for: rebuild and scrub."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.scene import PaneText, Rows, Scene
from dynamicfs_tui.console.table import Column, choose_columns, table_head, table_row
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    bar,
    clock_time,
    cut,
    cut_middle,
    duration,
    eta_text,
    finish_time,
    flow,
    line,
    percent,
    safe,
    short_bytes,
    short_count,
    wrap,
)
from engine.status.views import FindingView, ReconcileView, ScrubView, WorkItemView

ROOMY_CELLS: Final = 50

ItemColumn = Column[WorkItemView]
FindingColumn = Column[FindingView]


def rebuild_pane(scene: Scene, width: int) -> PaneText:
    """Return rebuild progress, what waits and why, and the extents in hand."""
    job, glyphs = scene.view.reconcile, scene.glyphs
    head = [*_rebuild_state(scene, width)]
    if job.last_result:
        head += [line(text) for text in wrap(f"last: {safe(job.last_result)}", width, 2)]
    # The files of extents that wait are looked up on the page of the rebuild only.
    files = any(item.path for item in job.items)
    every = [column for column in item_columns(glyphs) if files or column.title != "FILE"]
    columns = choose_columns(every, width)
    rows = Rows(job.items, lambda item: table_row(columns, item, glyphs.ellipsis))
    table = (table_head(columns),) if len(rows) else ()
    left = max(0, job.total_items - job.done_items)
    title = f"Rebuild  {left:,} extents left" if job.active else "Rebuild"
    hint = "B start now" if job.waiting_s > 0 else "Enter details"
    return PaneText(title=title, head=tuple(head), columns=table, body=rows, hint=hint)


def _rebuild_state(scene: Scene, width: int) -> list[Line]:
    job, rates, glyphs = scene.view.reconcile, scene.rates, scene.glyphs
    if job.paused or job.cancelled:
        mark = glyphs.paused
        word = "cancelled" if job.cancelled else "paused"
        count = f"{job.done_items:,}/{job.total_items:,} extents"
        facts = [line(Piece(f"{mark.symbol} {word}; P resumes", mark.tone)), *_trouble(job)]
        return [
            progress_line(job.done_bytes, job.total_bytes, count, width, glyphs),
            *flow(facts, width),
        ]
    if job.active:
        facts = [
            line(f"{short_bytes(job.done_bytes)} of {short_bytes(job.total_bytes)}"),
            line(_rate(rates.rebuild_bytes_s)),
            line(Piece(eta_text(rates.rebuild_eta_s, scene.now_ns), Tone.STRONG)),
            *_trouble(job),
            line(Piece(f"written {short_bytes(job.written_bytes)}", Tone.MUTED)),
        ]
        count = f"{job.done_items:,}/{job.total_items:,} extents"
        return [
            progress_line(job.done_bytes, job.total_bytes, count, width, glyphs),
            *flow(facts, width),
        ]
    if job.waiting_s > 0:
        mark = glyphs.work["pending"]
        start = f"{duration(job.waiting_s)} ({finish_time(scene.now_ns, job.waiting_s)})"
        facts = [
            line(
                Piece(f"{mark.symbol} waiting: ", mark.tone),
                Piece(f"starts in {start}", Tone.STRONG),
            ),
            *_trouble(job),
        ]
        reason = wrap(safe(job.waiting_reason), width, 2) if job.waiting_reason else []
        return [*flow(facts, width), *(line(text) for text in reason)]
    if job.pending_items or job.failed_items:
        mark = glyphs.work["pending"]
        return flow([line(Piece(f"{mark.symbol} stands still", mark.tone)), *_trouble(job)], width)
    done = glyphs.disks["healthy"]
    return [line(Piece(f"{done.symbol} ", done.tone), "nothing to rebuild")]


def _trouble(job: ReconcileView) -> list[Line]:
    pending = line(Piece(f"pending {job.pending_items:,}", Tone.WARN))
    failed = line(Piece(f"failed {job.failed_items:,}", Tone.BAD))
    return [pending if job.pending_items else EMPTY, failed if job.failed_items else EMPTY]


def _rate(value: float | None) -> str:
    return f"{'--' if value is None else short_bytes(value) + 'B/s':>7}"


def progress_line(done: int, total: int, count: str, width: int, glyphs: Glyphs) -> Line:
    """Return bar, percent and *count*, *width* cells in all."""
    text = f" {percent(done, total)}  {count}"
    cells = max(6, width - len(text))
    drawn = bar(done, total, cells, full=glyphs.bar_full, empty=glyphs.bar_empty)
    return line(Piece(drawn, Tone.BUSY), Piece(text, Tone.STRONG))


def item_columns(glyphs: Glyphs) -> list[ItemColumn]:
    """Return the columns of the extents that reconcile has in hand."""

    def state(item: WorkItemView, _width: int) -> Line:
        mark = glyphs.work[item.state]
        return line(Piece(f"{mark.symbol} {item.state.value}", mark.tone))

    def survives(item: WorkItemView, _width: int) -> Line:
        if item.exposure < 0:
            return line(Piece("lost", Tone.BAD))
        tone = Tone.BAD if item.exposure == 0 else Tone.WARN if item.exposure == 1 else Tone.TEXT
        return line(Piece(str(item.exposure), tone))

    def reason(item: WorkItemView, width: int) -> Line:
        return line(Piece(cut(safe(item.reason), width, glyphs.ellipsis), Tone.MUTED))

    def path(item: WorkItemView, width: int) -> Line:
        return line(cut_middle(safe(item.path), width, glyphs.ellipsis))

    return [
        Column(title="EXTENT", width=7, priority=0, right=True,
               cell=lambda i, _w: line(str(i.extent_id)), value=lambda i: i.extent_id),
        Column(title="STATE", width=9, priority=0, cell=state, value=lambda i: i.state.value),
        Column(title="DONE", width=4, priority=1, right=True,
               cell=lambda i, _w: line(percent(i.done_bytes, i.total_bytes)),
               value=lambda i: 100 * i.done_bytes / max(1, i.total_bytes)),
        Column(title="SURVIVES", width=8, priority=4, right=True, cell=survives,
               value=lambda i: i.exposure),
        Column(title="KIND", width=8, priority=5, cell=lambda i, _w: line(safe(i.kind))),
        Column(title="FILE", width=18, priority=3, cell=path, value=lambda i: safe(i.path)),
        Column(title="REASON", width=8, priority=2, cell=reason, grows=True,
               value=lambda i: safe(i.reason)),
    ]  # fmt: skip


def scrub_pane(scene: Scene, width: int) -> PaneText:
    """Return scrub progress, what it found in numbers, and the findings with a file each."""
    job, glyphs = scene.view.scrub, scene.glyphs
    head = scrub_head(scene, width)
    columns = choose_columns(_finding_columns(glyphs), width)
    rows = Rows(job.findings, lambda finding: table_row(columns, finding, glyphs.ellipsis))
    table = (table_head(columns),) if len(rows) else ()
    title = "Scrub" + (" with repair" if job.running and job.repair else "")
    if job.findings:
        title += f"  {len(job.findings):,} findings"
    at_home = scene.page == "scrub"
    hint = ("X stop" if job.running else "S scrub  R with repair") if at_home else "Enter details"
    return PaneText(title=title, head=tuple(head), columns=table, body=rows, hint=hint)


def scrub_head(scene: Scene, width: int) -> list[Line]:
    """Return how far the scrub is or when the last one ended, and what was found in numbers."""
    return [*_scrub_state(scene, width), *flow(_counts(scene.view.scrub, width), width)]


def _scrub_state(scene: Scene, width: int) -> list[Line]:
    job, glyphs = scene.view.scrub, scene.glyphs
    if job.running:
        count = f"{job.done_fragments:,}/{job.total_fragments:,} fragments"
        facts = [
            line(f"{short_bytes(job.done_bytes)} of {short_bytes(job.total_bytes)}"),
            line(_rate(job.rate_bytes_s)),
            line(Piece(eta_text(job.eta_s, scene.now_ns), Tone.STRONG)),
            line(Piece(f"since {clock_time(job.started_ns)}", Tone.MUTED)),
        ]
        return [
            progress_line(job.done_bytes, job.total_bytes, count, width, glyphs),
            *flow(facts, width),
        ]
    if not job.finished_ns:
        return [line(Piece("never scrubbed; S starts one", Tone.MUTED))]
    ago_s = max(0.0, (scene.now_ns - job.finished_ns) / 1e9)
    bad = job.corrupt + job.missing + job.misplaced + job.parity_mismatches
    mark = glyphs.disks["healthy"] if not bad else glyphs.pool["degraded"]
    took_s = max(0.0, (job.finished_ns - job.started_ns) / 1e9)
    facts = [
        line(
            Piece(f"{mark.symbol} ", mark.tone),
            Piece("finished, all intact" if not bad else f"finished, {bad:,} damaged", mark.tone),
        ),
        line(f"{duration(ago_s)} ago"),
        line(Piece(f"took {duration(took_s)}", Tone.MUTED)),
        line(Piece(f"run {job.runs_completed:,}", Tone.MUTED)),
    ]
    return flow(facts, width)


def _counts(job: ScrubView, width: int) -> list[Line]:
    """Return the counts; where room is short, zeros other than the usual two are left out."""
    if not job.running and not job.finished_ns:
        return []
    named = (
        ("corrupt", job.corrupt, Tone.BAD),
        ("missing", job.missing, Tone.BAD),
        ("misplaced", job.misplaced, Tone.WARN),
        ("parity", job.parity_mismatches, Tone.BAD),
        ("unreferenced", job.unreferenced, Tone.WARN),
        ("repaired", job.repaired, Tone.OK),
    )
    return [
        line(Piece(f"intact {short_count(job.intact)}", Tone.OK)),
        *(
            line(Piece(f"{word} {short_count(count)}", tone if count else Tone.MUTED))
            for word, count, tone in named
            if count or width >= ROOMY_CELLS or word in ("corrupt", "missing")
        ),
    ]


def _finding_columns(glyphs: Glyphs) -> list[FindingColumn]:
    def verdict(finding: FindingView, _width: int) -> Line:
        return line(Piece(finding.verdict, Tone.BAD))

    def path(finding: FindingView, width: int) -> Line:
        if not finding.path:
            return line(Piece("(no file)", Tone.MUTED))
        return line(cut_middle(safe(finding.path), width, glyphs.ellipsis))

    def disk(finding: FindingView, width: int) -> Line:
        return line(cut(safe(finding.disk), width, glyphs.ellipsis))

    return [
        Column(title="VERDICT", width=9, priority=0, cell=verdict),
        Column(title="DISK", width=6, priority=1, cell=disk),
        Column(
            title="EXTENT",
            width=7,
            priority=3,
            right=True,
            cell=lambda f, _w: line(str(f.extent_id)),
        ),
        Column(title="#", width=2, priority=4, right=True, cell=lambda f, _w: line(str(f.index))),
        Column(title="FILE", width=12, priority=0, cell=path, grows=True),
    ]
