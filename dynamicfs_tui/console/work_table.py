"""The table of the rebuild page: extents with their file, and the round above them."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.job_lines import item_columns
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    bar,
    clock_time,
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
from engine.status.views import ReconcileView, WorkItemView
from engine.units import NS_PER_S

NAME_CELLS: Final = 9

LOST_SHOWN: Final = 5
"""Irrecoverable files that are named above the table; `dynamicfs` lists the rest."""


def _fact(name: str, *parts: Piece | str) -> Line:
    return (Piece(f"{name:<{NAME_CELLS}}", Tone.MUTED), *line(*parts))


def round_lines(scene: Scene, width: int) -> list[Line]:
    """Return the round in hand: state, progress, rate, ETA, kinds, order, what is lost."""
    job, glyphs = scene.view.reconcile, scene.glyphs
    rows = _state(scene, width)
    if job.total_items:
        rows += _progress(job, width, glyphs)
        rows += _speed(scene, width)
    rows += _kinds(job, width)
    if job.preferred:
        named = ", ".join(safe(path) for path in job.preferred)
        rows.append(_fact("first", Piece(named, Tone.STRONG)))
    rows += _lost(job, glyphs)
    if job.last_result:
        rows += [_fact("last", text) for text in wrap(safe(job.last_result), width - NAME_CELLS, 2)]
    return rows


def _state(scene: Scene, width: int) -> list[Line]:
    job, glyphs = scene.view.reconcile, scene.glyphs
    mark, word = glyphs.disks["healthy"], "nothing to rebuild"
    if job.cancelled:
        mark, word = glyphs.paused, "cancelled: what is left waits for P or a change of disks"
    elif job.paused:
        mark, word = glyphs.paused, "paused by the operator: P resumes"
    elif job.active:
        mark, word = glyphs.work["running"], "running"
    elif job.waiting_s > 0:
        begin = f"{duration(job.waiting_s)} ({finish_time(scene.now_ns, job.waiting_s)})"
        mark, word = glyphs.work["pending"], f"waiting: starts in {begin}"
    elif job.pending_items or job.failed_items:
        mark, word = glyphs.work["pending"], "stands still: retried when disks or space change"
    facts = [line(Piece(f"{mark.symbol} {word}", mark.tone))]
    if job.started_ns and (job.active or job.paused):
        facts.append(line(Piece(f"since {clock_time(job.started_ns)}", Tone.MUTED)))
    found = flow(facts, width - NAME_CELLS)
    rows = [_fact("state" if index == 0 else "", *row) for index, row in enumerate(found)]
    if job.waiting_reason:
        rows += [_fact("", part) for part in wrap(safe(job.waiting_reason), width - NAME_CELLS, 2)]
    return rows


def _progress(job: ReconcileView, width: int, glyphs: Glyphs) -> list[Line]:
    extents = f" {percent(job.done_items, job.total_items)}  "
    extents += f"{job.done_items:,} / {job.total_items:,}"
    size = f" {percent(job.done_bytes, job.total_bytes)}  "
    size += f"{short_bytes(job.done_bytes)} / {short_bytes(job.total_bytes)}"
    cells = max(6, min(60, width - NAME_CELLS - max(len(extents), len(size))))
    rows = []
    for name, done, total, text in (
        ("extents", job.done_items, job.total_items, extents),
        ("bytes", job.done_bytes, job.total_bytes, size),
    ):
        drawn = bar(done, total, cells, full=glyphs.bar_full, empty=glyphs.bar_empty)
        rows.append(_fact(name, Piece(drawn, Tone.BUSY), Piece(text, Tone.STRONG)))
    return rows


def eta_with_margin(scene: Scene) -> str:
    """Return the ETA with its clock time, and by how much it may be off."""
    job = scene.view.reconcile
    if job.paused or job.cancelled:
        return "ETA -- while it stands"
    if not job.active:
        return "ETA --"
    text = eta_text(scene.rates.rebuild_eta_s, scene.now_ns)
    if scene.rates.rebuild_eta_s is not None and job.eta_margin_s >= 1:
        text += f" {scene.glyphs.margin}{duration(job.eta_margin_s)}"
    return text


def _speed(scene: Scene, width: int) -> list[Line]:
    job, rates = scene.view.reconcile, scene.rates
    rate = rates.rebuild_bytes_s if job.active else None
    now = "--" if rate is None else f"{short_bytes(rate)}B/s"
    limit = f"{short_bytes(job.limit_bytes_s)}B/s" if job.limit_bytes_s else "none"
    facts = [
        line(f"now {now:>7}"),
        line(f"avg {short_bytes(job.average_bytes_s)}B/s") if job.average_bytes_s else EMPTY,
        line("limit ", Piece(limit, Tone.STRONG), Piece(" [-/+ T]", Tone.KEY)),
        line("mode ", Piece(_mode(scene), Tone.STRONG), Piece(" [F]", Tone.KEY)),
        line(Piece(f"written {short_bytes(job.written_bytes)}", Tone.MUTED)),
    ]
    trouble = [
        line(Piece(f"{word} {count:,}", tone if count else Tone.MUTED))
        for word, count, tone in (
            ("pending", job.pending_items, Tone.WARN),
            ("failed", job.failed_items, Tone.BAD),
        )
    ]
    eta = line(Piece(eta_with_margin(scene), Tone.STRONG))
    room = width - NAME_CELLS
    rows = [_fact("rate" if i == 0 else "", *row) for i, row in enumerate(flow(facts, room))]
    return [*rows, *(_fact("", *row) for row in flow([eta, *trouble], room))]


def _mode(scene: Scene) -> str:
    job = scene.view.reconcile
    if job.full_speed_until_ns > scene.now_ns:
        left_s = (job.full_speed_until_ns - scene.now_ns) / NS_PER_S
        return f"full speed for {duration(left_s)}"
    return job.priority.value


def _kinds(job: ReconcileView, width: int) -> list[Line]:
    facts = [
        line(f"{safe(kind.kind)} {short_count(kind.queued_items)}"
             f" ({short_bytes(kind.queued_bytes)})")
        for kind in job.kinds
        if kind.queued_items
    ]  # fmt: skip
    rows = flow(facts, width - NAME_CELLS, separator=", ")
    return [_fact("queued" if index == 0 else "", *row) for index, row in enumerate(rows)]


def _lost(job: ReconcileView, glyphs: Glyphs) -> list[Line]:
    mark = glyphs.work["failed"]
    rows = [
        _fact("lost" if index == 0 else "", Piece(f"{mark.symbol} {safe(path)}", Tone.BAD))
        for index, path in enumerate(job.irrecoverable[:LOST_SHOWN])
    ]
    more = len(job.irrecoverable) - LOST_SHOWN
    return [*rows, _fact("", f"and {more} more files")] if more > 0 else rows


def _title(scene: Scene) -> str:
    job = scene.view.reconcile
    left = max(0, job.total_items - job.done_items)
    return f"Rebuild  {left:,} extents left" if left else "Rebuild"


def _empty(scene: Scene) -> str:
    job = scene.view.reconcile
    if job.active or job.pending_items or job.waiting_s > 0:
        return "no extent is in hand right now"
    return ""


def _foot(scene: Scene, item: WorkItemView, width: int) -> tuple[Line]:
    """Return file and reason of the extent under the cursor, in full as far as they fit."""
    facts = [
        line(Piece(f"{scene.glyphs.cursor} {safe(item.path) or '(no file known)'}", Tone.STRONG)),
        line(Piece(safe(item.reason), Tone.WARN)) if item.reason else EMPTY,
    ]
    return (flow(facts, width)[0],)


WORK_TABLE: Final[TableSpec[WorkItemView]] = TableSpec(
    title=_title,
    rows=lambda scene: scene.view.reconcile.items,
    key=lambda item: f"{item.extent_id} {item.kind}",
    columns=lambda scene: item_columns(scene.glyphs),
    head=round_lines,
    foot=_foot,
    empty=_empty,
    hint=lambda _scene: "P pause  -/+ T limit  F mode  E first",
)
