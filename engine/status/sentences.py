"""Parts of sentences about a pool: counts, times, progress. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.status.answers import WhatIfView
from engine.status.views import ReconcileView

NAMED_MAX: Final = 3
"""How many names stand in one sentence; the rest is counted."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "extent"), counted(2, "extent")
    ('1 extent', '2 extents')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def joined(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are.

    >>> joined(["a", "b"]), joined(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    text = ", ".join(names[:NAMED_MAX])
    return text if len(names) <= NAMED_MAX else f"{text} and {len(names) - NAMED_MAX} more"


def span(seconds: float) -> str:
    """Return a length of time with one unit, for people.

    >>> span(0.25), span(42), span(600), span(7200), span(40 * 86400)
    ('250 ms', '42 s', '10 min', '2 h', '40 days')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit_s, unit, up_to_s in ((1, "s", 120), (60, "min", 7200), (3600, "h", 2 * 86400)):
        if seconds < up_to_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def progress(work: ReconcileView) -> str:
    """Return how far a rebuild is; empty while none runs."""
    if not work.active:
        return ""
    return f"Rebuilding: {work.done_items} of {counted(work.total_items, 'extent')} done."


def countdown(work: ReconcileView) -> str:
    """Return when the rebuild of a missing disk starts; empty while none waits."""
    if work.waiting_s <= 0:
        return ""
    minutes, seconds = divmod(round(work.waiting_s), 60)
    return f"The rebuild starts in {minutes}:{seconds:02d}."


def more_may_fail(count: int) -> str:
    """Return how many more disks may fail, as the rest of a sentence.

    >>> more_may_fail(0), more_may_fail(1), more_may_fail(2)
    ('no more disk may fail', '1 more disk may fail', '2 more disks may fail')
    """
    if count <= 0:
        return "no more disk may fail"
    return f"{count} more {'disk' if count == 1 else 'disks'} may fail"


def healed_sentence(answer: WhatIfView) -> str:
    """Return how the pool, or what would be left of it, stands after the rebuild, in one line."""
    healed = answer.healed
    left = "of what is left, " if answer.lost_extents else ""
    parts = [left + more_may_fail(healed.may_fail)]
    if healed.short_extents:
        parts.append(f"{healed.short_extents} extents go on lacking fragments")
    if healed.narrowed_extents:
        parts.append(f"{healed.narrowed_extents} extents lie on fewer disks")
    if healed.redundancy:
        parts.append(f"new data gets {healed.redundancy}, {healed.width} disks wide")
    else:
        parts.append("too few disks are left for new data")
    return "; ".join(parts)
