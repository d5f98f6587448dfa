"""How the rows of the terminal are shared out among the panes of the overview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dynamicfs_tui.console.header_lines import VERDICT_ROWS

WIDTH_MIN, HEIGHT_MIN = 60, 16
"""Below this the console only says that it needs more room."""

WIDE: Final = 160
"""From here on a pane of particulars stands beside the overview."""

TALL: Final = 30
"""From here on panes have a whole frame, below it a title line only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of each band, frames included."""

    disks: int
    jobs: int
    pool: int


def share_rows(page_rows: int, terminal_rows: int, *, disk_count: int, busy: bool) -> Rows:
    """Return the bands of an overview of *page_rows*; with the verdict they fill it exactly.

    Disks get what they need first; a job that runs (*busy*) gets more than
    half of the rest, idle ones leave it to the events.
    """
    frame = 2 if terminal_rows >= TALL else 1
    room = page_rows - VERDICT_ROWS
    least = frame + 2
    wanted = frame + 2 + max(1, disk_count)
    disks = max(least, min(wanted, room - 2 * (frame + 3)))
    rest = room - disks
    jobs = max(least, min(rest - least, rest * 3 // 5 if busy else frame + 4))
    return Rows(disks=disks, jobs=jobs, pool=rest - jobs)


def is_too_small(width: int, height: int) -> bool:
    """Whether nothing useful fits."""
    return width < WIDTH_MIN or height < HEIGHT_MIN
