"""What the what-if page draws: disks to mark, and what their loss would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from dynamicfs_tui.console.glyphs import Glyphs, Mark
from dynamicfs_tui.console.live_table import TableSpec
from dynamicfs_tui.console.scene import PaneText, Scene, rows_of
from dynamicfs_tui.console.table import Column
from dynamicfs_tui.console.text import (
    Line,
    Piece,
    Tone,
    clock_time,
    cut,
    cut_middle,
    duration,
    line,
    percent,
    safe,
    short_bytes,
    wrap,
)
from engine.status.answers import Judgement, WhatIfView
from engine.status.sentences import healed_sentence, more_may_fail
from engine.status.views import DiskView
from engine.units import format_bytes

NAME_CELLS: Final = 11

SETS_MAX: Final = 300
"""Sets of disks that one preset asks about: all pairs of 24 disks are 276."""

SETS_SHOWN: Final = 8

_VERDICTS: Final = {
    Judgement.SAFE: ("done", "NO DATA LOSS"),
    Judgement.RISKY: ("pending", "NO DATA LOSS"),
    Judgement.BLOCKED: ("failed", "DATA LOSS"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Answers about one set of disks, or about every set of some size."""

    answers: tuple[WhatIfView, ...]
    """Worst first; one when disks were marked by hand."""
    any_of: int = 0
    """Size of the sets of a preset; 0 for disks marked by hand."""
    left_out: int = 0
    """Sets that were not asked about, for there were too many."""
    asked_ns: int = 0


def loss_sets(disks: Sequence[str], size: int) -> tuple[list[tuple[str, ...]], int]:
    """Return every set of *size* disks, at most ``SETS_MAX``, and how many are left out.

    >>> loss_sets(["a", "b", "c"], 2)
    ([('a', 'b'), ('a', 'c'), ('b', 'c')], 0)
    """
    every = list(combinations(disks, size))
    return every[:SETS_MAX], max(0, len(every) - SETS_MAX)


def worst_first(answers: Sequence[WhatIfView]) -> tuple[WhatIfView, ...]:
    """Return *answers* by what they lose, then by what they expose."""
    return tuple(
        sorted(answers, key=lambda a: (-a.lost_bytes, -a.exposed_bytes, a.writable, a.disks))
    )


def verdict_of(answer: WhatIfView, glyphs: Glyphs) -> tuple[Mark, str]:
    """Return symbol and words: a loss is a loss, whatever the engine calls the verdict."""
    judged = Judgement.BLOCKED if answer.lost_extents else answer.judgement
    name, words = _VERDICTS[judged]
    if judged is Judgement.BLOCKED and not answer.lost_extents:
        words = "THE POOL STOPS"
    elif judged is not Judgement.BLOCKED and answer.exposed_extents:
        words += ", BUT EXPOSED"
    elif judged is not Judgement.BLOCKED and answer.degraded_extents:
        words += ", LESS REDUNDANCY"
    return glyphs.work[name], words


def disk_table(title: str) -> TableSpec[DiskView]:
    """Return the table of disks that can be marked as lost."""
    return TableSpec(
        title=lambda _scene: title,
        rows=lambda scene: scene.view.disks,
        key=lambda disk: disk.uuid,
        columns=lambda scene: _disk_columns(scene.glyphs),
        foot=lambda _scene, _disk, width: [line(Piece(part, Tone.WARN)) for part in wrap(
            "SIMULATION ONLY: nothing is changed", width, 2)],
        hint=lambda _scene: "Space mark  a any 1  b any 2",
    )  # fmt: skip


def _disk_columns(glyphs: Glyphs) -> list[Column[DiskView]]:
    def state(disk: DiskView, _width: int) -> Line:
        mark = glyphs.disks[disk.state] if disk.present else glyphs.missing
        gone = "detached" if disk.detached else "missing"
        word = disk.state.value if disk.present else gone
        return line(Piece(f"{mark.symbol} {word}", mark.tone))

    def used(disk: DiskView, _width: int) -> Line:
        return line(percent(disk.total_bytes - disk.free_bytes, disk.total_bytes))

    return [
        Column(title="DISK", width=6, priority=0, grows=True, value=lambda d: safe(d.name),
               cell=lambda d, w: line(Piece(cut(safe(d.name), w, glyphs.ellipsis), Tone.STRONG))),
        Column(title="STATE", width=10, priority=1, cell=state),
        Column(title="TIER", width=4, priority=3, cell=lambda d, _w: line(d.tier.value)),
        Column(title="USED", width=4, priority=2, right=True, cell=used,
               value=lambda d: d.total_bytes - d.free_bytes),
        Column(title="DATA", width=5, priority=4, right=True,
               cell=lambda d, _w: line(short_bytes(d.fragment_bytes)),
               value=lambda d: d.fragment_bytes),
    ]  # fmt: skip


def result_pane(scene: Scene, width: int, loss: Loss | None, said: str) -> PaneText:
    """Return what the loss means; *said* stands there while nothing was worked out."""
    title = "Result  SIMULATION ONLY"
    if loss is None or not loss.answers:
        rows = [line(Piece(part, Tone.MUTED)) for part in wrap(safe(said), width, 4)]
        return PaneText(title=title, body=rows_of(rows))
    rows = _sets(loss, scene.glyphs, width) if loss.any_of else []
    rows += _answer_lines(loss.answers[0], scene, width)
    stamp = line(Piece(f"as of {clock_time(loss.asked_ns)}; r works it out again", Tone.MUTED))
    return PaneText(title=title, body=rows_of(rows), foot=(stamp,), hint="x export  c clear")


def _sets(loss: Loss, glyphs: Glyphs, width: int) -> list[Line]:
    safe_count = sum(not answer.lost_extents for answer in loss.answers)
    noun = "disk" if loss.any_of == 1 else f"set of {loss.any_of}"
    tone = Tone.OK if safe_count == len(loss.answers) else Tone.BAD
    head = f"{safe_count:,} of {len(loss.answers):,} can be lost without loss of data"
    rows = [_fact(f"any {loss.any_of}", Piece(head, tone))]
    if loss.left_out:
        text = f"{loss.left_out:,} more were not worked out"
        rows.append(_fact("", Piece(text, Tone.WARN)))
    for answer in loss.answers[:SETS_SHOWN]:
        mark, words = verdict_of(answer, glyphs)
        names = cut(safe("+".join(answer.disks)), max(8, width // 3), glyphs.ellipsis)
        gone = f"  lost {short_bytes(answer.lost_bytes)}" if answer.lost_extents else ""
        exposed = f"  exposed {short_bytes(answer.exposed_bytes)}" if answer.exposed_extents else ""
        rows.append(_fact("", Piece(f"{mark.symbol} {names}", mark.tone),
                          Piece(f"  {words.lower()}{gone}{exposed}")))  # fmt: skip
    rows += [(), line(Piece(f"The worst {noun}:", Tone.TITLE))]
    return rows


def _fact(name: str, *parts: Piece | str) -> Line:
    return (Piece(f"{name:<{NAME_CELLS}}", Tone.MUTED), *line(*parts))


def _wrapped(name: str, text: str, width: int, tone: Tone = Tone.TEXT) -> list[Line]:
    parts = wrap(safe(text), width - NAME_CELLS, 3)
    return [_fact(name if not index else "", Piece(part, tone)) for index, part in enumerate(parts)]


def _answer_lines(answer: WhatIfView, scene: Scene, width: int) -> list[Line]:
    glyphs = scene.glyphs
    mark, words = verdict_of(answer, glyphs)
    lost_tone = Tone.BAD if answer.lost_extents else Tone.OK
    exposed_tone = Tone.WARN if answer.exposed_extents else Tone.TEXT
    lost = _amount(answer.lost_extents, answer.lost_bytes, answer.lost_files)
    exposed = _amount(answer.exposed_extents, answer.exposed_bytes, answer.exposed_files)
    rows = [
        *_wrapped("without", " + ".join(answer.disks), width, Tone.STRONG),
        _fact("verdict", Piece(f"{mark.symbol} {words}", mark.tone)),
        *_wrapped("", answer.sentence, width),
        _fact("lost", Piece(lost, lost_tone)),
        _fact("exposed", Piece(exposed, exposed_tone)),
        _fact("degraded", _amount(answer.degraded_extents, answer.degraded_bytes, 0)),
        _fact("unaffected", _amount(answer.unaffected_extents, answer.unaffected_bytes, 0)),
        _fact("changes", Piece("the pool stays writable") if answer.writable
              else Piece("the pool becomes read-only", Tone.BAD)),
        *_rebuild(answer, width),
    ]  # fmt: skip
    if answer.advice:
        rows += _wrapped("advice", answer.advice, width, Tone.STRONG)
    if answer.lost_paths:
        rows.append(_fact("files", Piece("that would lose data:", Tone.BAD)))
        rows += [
            line(Piece(f"  {glyphs.exposure_lost} ", Tone.BAD),
                 cut_middle(safe(path), width - 4, glyphs.ellipsis))
            for path in answer.lost_paths
        ]  # fmt: skip
        more = answer.lost_files - len(answer.lost_paths)
        if more > 0:
            rows.append(line(Piece(f"    and {more:,} more", Tone.MUTED)))
    return rows


def _amount(extents: int, size: int, files: int) -> str:
    if not extents:
        return "nothing"
    in_files = f" in {files:,} file{'' if files == 1 else 's'}" if files else ""
    return f"{format_bytes(size)}, {extents:,} extents{in_files}"


def _rebuild(answer: WhatIfView, width: int) -> list[Line]:
    if not answer.rebuild_bytes:
        return [_fact("rebuild", "nothing to rebuild")]
    fits = "it fits" if answer.fits else "IT DOES NOT FIT"
    took = f", about {duration(answer.rebuild_s)}" if answer.rebuild_s is not None else ""
    needs, free = short_bytes(answer.rebuild_bytes), short_bytes(answer.free_bytes)
    tone = Tone.TEXT if answer.fits else Tone.BAD
    rows = _wrapped("rebuild", f"needs {needs}, free {free}: {fits}{took}", width, tone)
    if answer.may_fail_during >= 0:
        rows += _wrapped("meanwhile", more_may_fail(answer.may_fail_during), width)
    return rows + _wrapped("afterwards", healed_sentence(answer), width)
