"""What a fragment turned out to be."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The state of one fragment as found on its disk."""

    INTACT = "intact"
    CORRUPT = "corrupt"
    """Header, page table or a page is not what was written."""
    MISSING = "missing"
    """The disk answers and holds nothing under the name."""
    MISPLACED = "misplaced"
    """A valid fragment is there, but another one than the record names."""
    PARITY = "parity"
    """Every page is as written, yet the fragments contradict the code."""
    UNREACHABLE = "unreachable"
    """The disk does not answer, so nothing is known."""

    @property
    def needs_repair(self) -> bool:
        """Whether the fragment must be written anew."""
        return self not in (Verdict.INTACT, Verdict.UNREACHABLE)
