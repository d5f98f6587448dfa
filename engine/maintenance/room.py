"""Room for what maintenance writes: never what writers were promised (P6)."""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """The pool's account of free space, as maintenance uses it. Thread-safe."""

    def take(self, file_bytes: int, count: int) -> int:
        """Reserve room for *count* fragment files; return what to give back.

        Raises:
            NoSpaceError: it is promised to others; says how much is needed.
        """

    @property
    def is_promised(self) -> bool:
        """Whether room is reserved for anybody: then none is lent."""

    def lend(self, file_bytes: int, count: int) -> int:
        """Reserve the same out of what the disks keep free, for one extent of compaction.

        Raises:
            NoSpaceError: room is promised to others, who might need it.
        """

    def give_back(self, taken: int, *, written: bool) -> None:
        """End a reservation; *written* if the files are on the disks now."""

    def free_bytes(self) -> int:
        """Return what all disks have free together: more of it is worth another try."""
