"""How much the kernel may hold back before a program hears of a full disk (P6)."""

from __future__ import annotations

import os
from pathlib import Path

_SETTINGS = Path("/proc/sys/vm")


def direct_io_below_bytes() -> int:
    """Return twice the kernel's dirty limit.

    With less free space than this, writes the kernel has accepted could fail
    later, so files are opened with direct I/O and write() itself fails.
    """
    fixed = _setting("dirty_bytes")
    if fixed:
        return 2 * fixed
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2 * _setting("dirty_ratio") * available // 100


def _setting(name: str) -> int:
    try:
        return int((_SETTINGS / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
