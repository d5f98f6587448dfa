"""One operation on the metadata: kept whole or undone whole (C1)."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple, Protocol


class OperationMark(NamedTuple):
    """Where an operation began: what was noted before it stays when it is undone.

    A tuple, since every operation makes one, and a frozen class takes longer to make.
    """

    staged: int
    noted_bytes: int
    undo_steps: int
    changes: int
    """Rows the connection ever changed, those undone since included."""


class KeepsOperations(Protocol):
    """What an operation asks of the store it is in."""

    def begin_operation(self) -> OperationMark:
        """Take the write lock and note what is so far."""

    def end_operation(self, error: BaseException | None, mark: OperationMark) -> None:
        """Keep or undo what was done since, and give the write lock back."""


class Operation:
    """One operation: a part of the open group, all or nothing (C1)."""

    __slots__ = ("_mark", "_store")

    def __init__(self, store: KeepsOperations) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._mark: OperationMark = self._store.begin_operation()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.end_operation(error, self._mark)
