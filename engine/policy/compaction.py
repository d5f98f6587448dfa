"""Which extents are worth compacting, and when. Pure.

Deletes and overwrites leave bytes in extents that no file names; the extent
keeps its size until its last live byte goes. Rewriting what lives frees the
rest, at the price of the copy: with a live share of u, u bytes are written to
free 1 - u of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.ids import ExtentId
from engine.limits import PAGE_BYTES

COMPACT_PERCENT: Final = 50
"""Live share below which an extent is rewritten, in percent, unless the pool wants
another. At one half each byte written frees one; above, more is written than freed.
So a pool takes twice its live bytes at most, and no byte is copied before as much
around it has died."""

PRESSED_PERCENT: Final = 75
"""The same in a pool that is nearly full: three bytes are written for each that is
freed, which is better than to refuse what programs write."""

PRESSED_FILL_RATIO: Final = 0.85
"""A pool is nearly full from here on; the disks' reserves count as used."""

DEAD_BYTES_MIN: Final = PAGE_BYTES
"""Less is not worth a commit and a file on every disk."""

QUIET_S: Final = 600.0
"""An extent must have lost nothing for so long: what is being deleted or overwritten
loses more at once, and the less of it is left, the less is copied."""

ROUND_EXTENTS: Final = 256
"""Extents taken up at once where nobody asked: at most 2 GiB read, 1 GiB of data written."""

ROUND_S: Final = 60.0
"""Between two such rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentShare:
    """An extent and how many of its bytes files still name."""

    extent_id: ExtentId
    length_bytes: int
    live_bytes: int

    @property
    def dead_bytes(self) -> int:
        """Bytes that nobody can read any more."""
        return max(0, self.length_bytes - self.live_bytes)

    @property
    def live_permille(self) -> int:
        """The live share in thousandths: the order of work, deadest first."""
        return self.live_bytes * 1000 // max(1, self.length_bytes)


def threshold_percent(wanted: int, *, fill_ratio: float) -> int:
    """Return the live share below which an extent is compacted now; 0 for none.

    *wanted* is the pool's property, *fill_ratio* the used part of its disks.

    >>> threshold_percent(50, fill_ratio=0.5), threshold_percent(50, fill_ratio=0.9)
    (50, 75)
    >>> threshold_percent(0, fill_ratio=0.99), threshold_percent(90, fill_ratio=0.99)
    (0, 90)
    """
    if wanted and fill_ratio >= PRESSED_FILL_RATIO:
        return max(wanted, PRESSED_PERCENT)
    return wanted


def is_worth_compacting(share: ExtentShare, percent: int) -> bool:
    """Whether rewriting what lives in an extent frees enough.

    An extent without any live byte is not: it goes by itself.

    >>> half = ExtentShare(extent_id=ExtentId(1), length_bytes=1 << 20, live_bytes=1 << 19)
    >>> is_worth_compacting(half, 50), is_worth_compacting(half, 51)
    (False, True)
    """
    return (
        share.live_bytes > 0
        and share.dead_bytes >= DEAD_BYTES_MIN
        and share.live_bytes * 100 < percent * share.length_bytes
    )


def quiet_s(*, fill_ratio: float, asked: bool) -> float:
    """Return for how long an extent must have lost nothing.

    No time where the operator asked, or the room is needed now.

    >>> quiet_s(fill_ratio=0.5, asked=False), quiet_s(fill_ratio=0.9, asked=False)
    (600.0, 0.0)
    """
    return 0.0 if asked or fill_ratio >= PRESSED_FILL_RATIO else QUIET_S
