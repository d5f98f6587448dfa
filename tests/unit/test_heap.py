"""What was freed between things that stay goes back to the system."""

from __future__ import annotations

import os
from pathlib import Path

from engine import heap
from engine.units import MIB

BLOCK_BYTES = 2000
"""Larger than what Python keeps in arenas of its own."""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_freed_memory_between_blocks_that_stay_is_given_back() -> None:
    blocks = [bytes(BLOCK_BYTES) for _ in range(32 * MIB // BLOCK_BYTES)]
    # Whole pages are free, and none of them at the end of the heap.
    stay = blocks[::100]
    del blocks
    before = resident_bytes()

    heap.give_back()

    assert before - resident_bytes() > 20 * MIB
    assert all(len(block) == BLOCK_BYTES for block in stay)
