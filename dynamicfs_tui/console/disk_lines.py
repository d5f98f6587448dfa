"""The disk table: what every disk is, holds and does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.table import Column
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
)
from engine.status.views import DiskView

SPARK_CELLS = 10
"""A minute of samples: six seconds in a cell."""

FULL_WARN, FULL_BAD = 0.80, 0.90
"""Used share of a disk from which its bar warns."""

DiskColumn = Column[DiskView]
Cell = Callable[[DiskView, int], Line]


def _title(scene: Scene) -> str:
    disks = scene.view.disks
    missing = sum(not disk.present and not disk.detached for disk in disks)
    spares = sum(disk.spare for disk in disks)
    title = f"Disks {len(disks)}"
    if missing:
        title += f"  {missing} missing"
    return title + (f"  {spares} spare" if spares else "")


def disk_columns(scene: Scene) -> list[DiskColumn]:
    """Return the columns of the disk table, as wide as names and reasons need.

    What no disk has, a job or a temperature, takes no room.
    """
    disks = scene.view.disks
    idle = {"JOB"} if not any(disk.job for disk in disks) else set()
    cold = {"TEMP"} if all(disk.temperature_c is None for disk in disks) else set()
    return [column for column in _every_column(scene) if column.title not in idle | cold]


def _every_column(scene: Scene) -> list[DiskColumn]:
    glyphs, rates = scene.glyphs, scene.rates
    reads = [rates.of(disk.uuid).read_history for disk in scene.view.disks]
    writes = [rates.of(disk.uuid).write_history for disk in scene.view.disks]
    # A reason is worth more than a chart, as soon as there is one.
    reason_width = 24 if any(disk.reason for disk in scene.view.disks) else 8
    read_top, write_top = highest(reads), highest(writes)

    def read_spark(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return absent_cell(glyphs, width)
        return spark_cell(rates.of(disk.uuid).read_history, width, read_top, glyphs)

    def write_spark(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return absent_cell(glyphs, width)
        return spark_cell(rates.of(disk.uuid).write_history, width, write_top, glyphs)

    def read_rate(disk: DiskView, _width: int) -> Line:
        return rate_cell(rates.of(disk.uuid).read_bytes_s if disk.present else None)

    def write_rate(disk: DiskView, _width: int) -> Line:
        return rate_cell(rates.of(disk.uuid).write_bytes_s if disk.present else None)

    return [
        Column(title="DISK", width=_name_width(scene), priority=0, cell=_name(glyphs),
               value=lambda disk: safe(disk.name)),
        Column(title="STATE", width=10, priority=0, cell=_state(glyphs),
               value=lambda disk: disk.state.value),
        Column(title="PRESENT", width=8, priority=1, cell=presence_cell(glyphs)),
        Column(title="TIER", width=4, priority=5, cell=_tier),
        Column(title="USED", width=10, priority=11, cell=used_bar_cell(glyphs), value=used_share),
        Column(title="USE%", width=4, priority=2, cell=_used_percent, right=True,
               value=lambda disk: 100 * used_share(disk)),
        Column(title="SIZE", width=5, priority=12, cell=_size, right=True,
               value=lambda disk: disk.total_bytes),
        Column(title="READ 60s", width=SPARK_CELLS, priority=8, cell=read_spark),
        Column(title="R/s", width=5, priority=3, cell=read_rate, right=True,
               value=lambda disk: rates.of(disk.uuid).read_bytes_s or 0.0),
        Column(title="WRITE 60s", width=SPARK_CELLS, priority=9, cell=write_spark),
        Column(title="W/s", width=5, priority=3, cell=write_rate, right=True,
               value=lambda disk: rates.of(disk.uuid).write_bytes_s or 0.0),
        Column(title="P99", width=6, priority=6, cell=_latency, right=True,
               value=lambda disk: disk.latency_p99_s * 1000),
        Column(title="ERR", width=4, priority=4, cell=_errors, right=True,
               value=error_count, alarms=True),
        Column(title="TEMP", width=4, priority=13, cell=_temperature, right=True,
               value=lambda disk: disk.temperature_c or 0),
        Column(title="J", width=1, priority=10, cell=_journal(glyphs)),
        Column(title="JOB", width=10, priority=7, cell=_job(glyphs)),
        Column(title="REASON", width=reason_width, priority=5, cell=_reason(glyphs), grows=True),
    ]  # fmt: skip


def _name_width(scene: Scene) -> int:
    longest = max((len(disk.name) for disk in scene.view.disks), default=4)
    return max(4, min(12, longest))


def highest(histories: list[tuple[float | None, ...]]) -> float:
    """Return the largest sample of all, the top of a shared scale."""
    return max((v for history in histories for v in history if v is not None), default=0.0)


def spark_cell(history: tuple[float | None, ...], width: int, top: float, glyphs: Glyphs) -> Line:
    """Return the last minute of *history* as *width* cells."""
    text = spark(_minute(history), width, top, scale=glyphs.spark, gap=glyphs.gap)
    return line(Piece(text, Tone.BUSY if any(history) else Tone.MUTED))


def absent_cell(glyphs: Glyphs, width: int) -> Line:
    """Return what stands for numbers of a disk that is not there."""
    return line(Piece(glyphs.rule * width, Tone.MUTED))


def _minute(history: tuple[float | None, ...]) -> tuple[float | None, ...]:
    return (*(None,) * (60 - len(history)), *history)


def rate_cell(value: float | None) -> Line:
    """Return bytes a second in at most five cells."""
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


def presence_cell(glyphs: Glyphs) -> Cell:
    """Return what writes whether a disk is there."""

    def cell(disk: DiskView, _width: int) -> Line:
        if disk.present:
            return line(Piece("spare" if disk.spare else "yes", Tone.MUTED))
        if disk.detached:
            return line(Piece("detached", Tone.BUSY))
        return line(Piece("MISSING", glyphs.missing.tone))

    return cell


def _tier(disk: DiskView, _width: int) -> Line:
    return line(disk.tier.value)


def used_share(disk: DiskView) -> float:
    """Return how much of the disk is used, 0 to 1; 0 while its size is unknown."""
    if disk.total_bytes <= 0:
        return 0.0
    return (disk.total_bytes - disk.free_bytes) / disk.total_bytes


def _used_tone(disk: DiskView) -> Tone:
    share = used_share(disk)
    return Tone.BAD if share >= FULL_BAD else Tone.WARN if share >= FULL_WARN else Tone.TEXT


def used_bar_cell(glyphs: Glyphs) -> Cell:
    """Return what draws the used share as a bar."""

    def cell(disk: DiskView, width: int) -> Line:
        if not disk.present:
            return absent_cell(glyphs, width)
        text = bar(used_share(disk), 1, width, full=glyphs.bar_full, empty=glyphs.bar_empty)
        return line(Piece(text, _used_tone(disk)))

    return cell


def _used_percent(disk: DiskView, _width: int) -> Line:
    if not disk.present:
        return line(Piece("--", Tone.MUTED))
    used_bytes = disk.total_bytes - disk.free_bytes
    return line(Piece(percent(used_bytes, disk.total_bytes), _used_tone(disk)))


def _size(disk: DiskView, _width: int) -> Line:
    return line(short_bytes(disk.total_bytes))


def error_count(disk: DiskView) -> int:
    """Return errors of all kinds since the disk joined, or since the pool was opened."""
    kept = disk.lifetime
    return max(disk.errors + disk.corruptions, kept.io + kept.checksum + kept.timeouts)


def _errors(disk: DiskView, _width: int) -> Line:
    count = error_count(disk)
    grows = disk.lifetime.recent or disk.errors + disk.corruptions
    return line(Piece(short_count(count), Tone.BAD if grows else Tone.MUTED))


def latency_text(seconds: float) -> str:
    """Return a latency in at most six cells; ``--`` while there is none.

    >>> latency_text(0.0), latency_text(0.0004), latency_text(0.088), latency_text(12)
    ('--', '0.4ms', '88ms', '12.0s')
    """
    if seconds <= 0:
        return "--"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f}ms"
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.1f}s"


def _latency(disk: DiskView, _width: int) -> Line:
    known = disk.present and disk.latency_p99_s > 0
    text = latency_text(disk.latency_p99_s if disk.present else 0.0)
    return line(Piece(text, Tone.TEXT if known else Tone.MUTED))


def _temperature(disk: DiskView, _width: int) -> Line:
    if disk.temperature_c is None:
        return line(Piece("--", Tone.MUTED))
    return line(str(disk.temperature_c))


def _job(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, width: int) -> Line:
        return line(Piece(cut(safe(disk.job), width, glyphs.ellipsis), Tone.BUSY))

    return cell


def _journal(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, _width: int) -> Line:
        return line(Piece(glyphs.in_journal if disk.in_journal_set else " ", Tone.TEXT))

    return cell


def _reason(glyphs: Glyphs) -> Cell:
    def cell(disk: DiskView, width: int) -> Line:
        return line(Piece(cut(safe(disk.reason), width, glyphs.ellipsis), Tone.WARN))

    return cell


def _foot(scene: Scene, disk: DiskView, width: int) -> tuple[Line]:
    return (_particulars(disk, scene.glyphs, width),)


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


DISK_TABLE: Final[TableSpec[DiskView]] = TableSpec(
    title=_title,
    rows=lambda scene: scene.view.disks,
    key=lambda disk: disk.uuid,
    columns=disk_columns,
    foot=_foot,
    empty=lambda _scene: "No disks yet. Add one: dynamicfs add-disk",
    hint=lambda _scene: "j/k move  Enter detail  / filter  o sort",
)
