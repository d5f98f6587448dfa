"""Changing rows inside operations, each of which is all or nothing (C1).

A savepoint is taken when its operation changes its first row: many refuse
before, and what changes inodes alone writes nothing until the group ends.
Whoever changes rows does it through here, or nothing protects them.
"""

from __future__ import annotations

from collections.abc import Iterable

import apsw


class RowWriter:
    """Runs changes on one connection, in savepoints. The write lock protects it."""

    __slots__ = ("_connection", "_run", "_taken", "depth")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._run = connection.execute
        self._taken = 0
        """Operations, from the outermost on, that have a savepoint."""
        self.depth = 0
        """How many operations are in hand, one inside the other."""

    def execute(self, query: str, bindings: apsw.Bindings = ()) -> apsw.Cursor:
        """Change rows; undone with the operation in hand, if one is."""
        if self._taken < self.depth:
            self._take()
        return self._run(query, bindings)

    def executemany(self, query: str, bindings: Iterable[apsw.Bindings]) -> None:
        """Do so for each of *bindings*."""
        if self._taken < self.depth:
            self._take()
        self._connection.executemany(query, bindings)

    def _take(self) -> None:
        while self._taken < self.depth:
            self._run("SAVEPOINT op")
            self._taken += 1

    @property
    def is_protected(self) -> bool:
        """Whether the innermost operation has its savepoint."""
        return self._taken == self.depth

    def keep(self) -> None:
        """Keep what the innermost operation changed; it is over."""
        if self._taken == self.depth:
            self._taken -= 1
            self._run("RELEASE op")
        self.depth -= 1

    def undo(self) -> None:
        """Undo what the innermost operation changed; it is over."""
        if self._taken == self.depth:
            self._taken -= 1
            self._run("ROLLBACK TO op")
            self._run("RELEASE op")
        self.depth -= 1
