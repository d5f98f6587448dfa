"""A read of a file that a disk is asked for, and that no thread waits for."""

from __future__ import annotations

from collections.abc import Callable

from engine.extents.reader import StartedRead
from engine.metadata.read_gate import ReadGate


class StartedFileRead:
    """Implements ``vfs.interface.ComingRead``. For one reader.

    It counts as a read under way at the gate until ``take`` has returned bytes
    or ``finish`` has ended, so the files it reads stay (P5).
    """

    __slots__ = ("_finish", "_gate", "_served", "_started", "_ticket")

    def __init__(
        self,
        started: StartedRead,
        ticket: int,
        gate: ReadGate,
        finish: Callable[[], bytes | memoryview],
        served: Callable[[int], None],
    ) -> None:
        """*finish* ends the read at the gate, whatever comes of it."""
        self._started = started
        self._ticket = ticket
        self._gate = gate
        self._finish = finish
        self._served = served

    def take(self) -> bytes | memoryview | None:
        data = self._started.data
        if data is not None:
            self._gate.end(self._ticket)
            self._served(len(data))
        return data

    def finish(self) -> bytes | memoryview:
        data = self._finish()
        self._served(len(data))
        return data
