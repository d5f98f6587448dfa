"""The disk table: what every disk is, holds and does."""

from __future__ import annotations

from collections.abc import Callable

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.table import Column, choose_columns, table_head, table_row
from dynamicfs_tui.console.text import (
    EMPTY,
    Line,
    Piece,
    Tone,
    bar,
    cut,
    cut_middle,
    flow,
    line,
    percent,
    safe,
    short_bytes,
    short_count,
    spark,
    wrap,
)
from engine.status.views import DiskView

SPARK_CELLS = 10
"""A minute of samples: six seconds in a cell."""

FULL_WARN, FULL_BAD = 0.80, 0.90
"""Used share of a disk from which its bar warns."""

DiskColumn = Column[DiskView]
Cell = Callable[[DiskView, int], Line]


def disk_pane(scene: Scene, width: int) -> PaneText:
    """Return the disk table with the selected disk's particulars below it."""
    disks, glyphs = scene.view.disks, scene.glyphs
    missing = sum(not disk.present for disk in disks)
    title = f"Disks {len(disks)}" + (f"  {missing} missing" if missing else "")
    if not disks:
        todo = "No disks yet. Add one: dynamicfs add-disk"
        return PaneText(title=title, body=rows_of((line(Piece(todo, Tone.MUTED)),)))
    columns = choose_columns(_columns(scene), width - 2)
    selected = scene.selected
    body: list[Line] = []
    cursor = 0
    for index, disk in enumerate(disks):
        here = selected is not None and disk.uuid == selected.uuid
        cursor = index if here else cursor
        mark = Piece(f"{glyphs.cursor if here else ' '} ", Tone.KEY)
        body.append((mark, *table_row(columns, disk, glyphs.ellipsis)))
    return PaneText(
        title=title,
        columns=((Piece("  "), *table_head(columns, glyphs.ellipsis)),),
        body=rows_of(body),
        foot=(_particulars(selected, glyphs, width),) if selected else (),
        cursor=cursor,
        hint="j/k move  F fail  H healthy",
    )


def _columns(scene: Scene) -> list[DiskColumn]:
    glyphs, rates = scene.glyphs, scene.rates
    reads = [rates.of(disk.uuid).read_history for disk in scene.view.disks]
    writes = [rates.of(disk.uuid).write_history for disk in scene.view.disks]
    # A reason is worth more than a chart, as soon as there is one.
    reason_width = 24 if any(disk.reason for disk in scene.view.disks) else 8
    read_top, write_top = _top(reads), _top(writes)

    def read_spark(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return _absent(glyphs, width)
        return _spark(rates.of(disk.uuid).read_history, width, read_top, glyphs)

    def write_spark(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return _absent(glyphs, width)
        return _spark(rates.of(disk.uuid).write_history, width, write_top, glyphs)

    def read_rate(disk: DiskView, _width: int) -> Line:
        return _rate(rates.of(disk.uuid).read_bytes_s if disk.present else None)

    def write_rate(disk: DiskView, _width: int) -> Line:
        return _rate(rates.of(disk.uuid).write_bytes_s if disk.present else None)

    return [
        Column(title="DISK", width=_name_width(scene), priority=0, cell=_name(glyphs)),
        Column(title="STATE", width=10, priority=0, cell=_state(glyphs)),
        Column(title="PRESENT", width=7, priority=1, cell=_presence(glyphs)),
        Column(title="TIER", width=4, priority=5, cell=_tier),
        Column(title="USED", width=10, priority=9, cell=_used_bar(glyphs)),
        Column(title="USE%", width=4, priority=2, cell=_used_percent, right=True),
        Column(title="SIZE", width=5, priority=10, cell=_size, right=True),
        Column(title="READ 60s", width=SPARK_CELLS, priority=7, cell=read_spark),
        Column(title="R/s", width=5, priority=3, cell=read_rate, right=True),
        Column(title="WRITE 60s", width=SPARK_CELLS, priority=8, cell=write_spark),
        Column(title="W/s", width=5, priority=3, cell=write_rate, right=True),
        Column(title="ERR", width=4, priority=4, cell=_errors, right=True),
        Column(title="J", width=1, priority=6, cell=_journal(glyphs)),
        Column(title="REASON", width=reason_width, priority=5, cell=_reason(glyphs), grows=True),
    ]


def _name_width(scene: Scene) -> int:
    longest = max((len(disk.name) for disk in scene.view.disks), default=4)
    return max(4, min(12, longest))


def _top(histories: list[tuple[float | None, ...]]) -> float:
    return max((v for history in histories for v in history if v is not None), default=0.0)


def _spark(history: tuple[float | None, ...], width: int, top: float, glyphs: Glyphs) -> Line:
    text = spark(_minute(history), width, top, scale=glyphs.spark, gap=glyphs.gap)
    return line(Piece(text, Tone.BUSY if any(history) else Tone.MUTED))


def _absent(glyphs: Glyphs, width: int) -> Line:
    return line(Piece(glyphs.rule * width, Tone.MUTED))


def _minute(history: tuple[float | None, ...]) -> tuple[float | None, ...]:
    return (*(None,) * (60 - len(history)), *history)


def _rate(value: float | None) -> Line:
    if value is None:
        return line(Piece("--", Tone.MUTED))
    return line(Piece(short_bytes(value), Tone.TEXT if value else Tone.MUTED))


def _name(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, width: int) -> Line:
        return line(Piece(cut(safe(disk.name), width, glyphs.ellipsis), Tone.STRONG))

    return cell


def _state(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, _width: int) -> Line:
        mark = glyphs.disks[disk.state]
        return line(Piece(f"{mark.symbol} {disk.state.upper()}", mark.tone))

    return cell


def _presence(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, _width: int) -> Line:
        if disk.present:
            return line(Piece("yes", Tone.MUTED))
        return line(Piece("MISSING", glyphs.missing.tone))

    return cell


def _tier(disk: DiskView, _width: int) -> Line:
    return line(disk.tier.value)


def _used_share(disk: DiskView) -> float:
    if disk.total_bytes <= 0:
        return 0.0
    return (disk.total_bytes - disk.free_bytes) / disk.total_bytes


def _used_tone(disk: DiskView) -> Tone:
    share = _used_share(disk)
    return Tone.BAD if share >= FULL_BAD else Tone.WARN if share >= FULL_WARN else Tone.TEXT


def _used_bar(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return _absent(glyphs, width)
        text = bar(_used_share(disk), 1, width, full=glyphs.bar_full, empty=glyphs.bar_empty)
        return line(Piece(text, _used_tone(disk)))

    return cell


def _used_percent(disk: DiskView, _width: int) -> Line:
    if not disk.present:
        return line(Piece("--", Tone.MUTED))
    used_bytes = disk.total_bytes - disk.free_bytes
    return line(Piece(percent(used_bytes, disk.total_bytes), _used_tone(disk)))


def _size(disk: DiskView, _width: int) -> Line:
    return line(short_bytes(disk.total_bytes))


def _errors(disk: DiskView, _width: int) -> Line:
    count = disk.errors + disk.corruptions
    return line(Piece(short_count(count), Tone.BAD if count else Tone.MUTED))


def _journal(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, _width: int) -> Line:
        return line(Piece(glyphs.in_journal if disk.in_journal_set else " ", Tone.TEXT))

    return cell


def _reason(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, width: int) -> Line:
        return line(Piece(cut(safe(disk.reason), width, glyphs.ellipsis), Tone.WARN))

    return cell


def _particulars(disk: DiskView, glyphs: Glyphs, width: int) -> Line:
    """Return the selected disk's facts; the reason comes first, it may be cut above."""
    facts = (
        line(Piece(f"{glyphs.cursor} {safe(disk.name)}", Tone.STRONG)),
        line(Piece(safe(disk.reason), Tone.WARN)) if disk.reason else EMPTY,
        line(cut_middle(safe(disk.path), 32, glyphs.ellipsis)),
        line(
            f"{short_count(disk.fragment_count)} fragments {short_bytes(disk.fragment_bytes)}",
            Piece(f"  free {short_bytes(disk.free_bytes)}"),
        ),
        line(f"errors {disk.errors}  corrupt {disk.corruptions}"),
        line(Piece("in journal set", Tone.MUTED)) if disk.in_journal_set else EMPTY,
        line(Piece(disk.uuid, Tone.MUTED)),
    )
    return flow(facts, width)[0]


def detail_pane(scene: Scene, width: int) -> PaneText:
    """Return everything about the selected disk, one fact a line."""
    disk = scene.selected
    if disk is None:
        return PaneText(title="Disk")
    glyphs = scene.glyphs
    mark = glyphs.disks[disk.state]
    rates = scene.rates.of(disk.uuid)
    rows = [
        _fact("state", Piece(f"{mark.symbol} {disk.state.upper()}", mark.tone)),
        _fact("present", *_presence(glyphs)(disk, 0)),
        *(
            _fact("reason" if index == 0 else "", Piece(text, Tone.WARN))
            for index, text in enumerate(wrap(safe(disk.reason), width - 11, 4))
            if disk.reason
        ),
        _fact("path", Piece(cut_middle(safe(disk.path), width - 11, glyphs.ellipsis))),
        _fact("uuid", Piece(cut(disk.uuid, width - 11, glyphs.ellipsis))),
        _fact("tier", Piece(disk.tier.value)),
        _fact("space", *_used_bar(glyphs)(disk, 16), Piece(percent(_used_share(disk), 1))),
        _fact("", Piece(f"{short_bytes(disk.free_bytes)} free of {short_bytes(disk.total_bytes)}")),
        _fact("fragments", Piece(f"{disk.fragment_count:,}  {short_bytes(disk.fragment_bytes)}")),
        _fact("journal", Piece("member" if disk.in_journal_set else "no")),
        _fact("reads", Piece(f"{disk.reads:,}  {short_bytes(disk.read_bytes)}")),
        _fact("writes", Piece(f"{disk.writes:,}  {short_bytes(disk.write_bytes)}")),
        _fact("errors", Piece(f"{disk.errors:,}", Tone.BAD if disk.errors else Tone.TEXT)),
        _fact(
            "corrupt", Piece(f"{disk.corruptions:,}", Tone.BAD if disk.corruptions else Tone.TEXT)
        ),
        EMPTY,
        *_chart("read/s, 60 s", rates.read_history, rates.read_bytes_s, glyphs, width),
        EMPTY,
        *_chart("write/s, 60 s", rates.write_history, rates.write_bytes_s, glyphs, width),
    ]
    return PaneText(title=f"Disk {safe(disk.name)}", body=rows_of(rows))


def _fact(name: str, *pieces: Piece) -> Line:
    return (Piece(f"{name:<10} ", Tone.MUTED), *pieces)


def _chart(
    title: str, history: tuple[float | None, ...], now: float | None, glyphs: Glyphs, width: int
) -> tuple[Line, Line]:
    top = _top([history])
    cells = min(60, width)
    return (
        line(
            Piece(f"{title}  ", Tone.MUTED),
            *_rate(now),
            Piece(f"  highest {short_bytes(top)}", Tone.MUTED),
        ),
        _spark(history, cells, top, glyphs),
    )
